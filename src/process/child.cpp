// SPDX-License-Identifier: BSL-1.0
#include "process/child.hpp"

#include "tornado/log.hpp"

#include "last_error.hpp"
#include "retry.hpp"

#include <cerrno>
#include <csignal>
#include <mutex>
#include <new>
#include <string>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace tornado::detail {
namespace {

constexpr auto by_pidfd = static_cast<idtype_t>(3); // P_PIDFD, which older headers lack
constexpr int status_unknown = 255;                 // asyncio's

/// Gives 1 when `info` has been filled with the end of this child, 0 when it lives, or -1. Linux
/// 5.3 has descriptors of processes and cannot wait for them.
int take_status(pid_t pid, int pidfd, siginfo_t& info) noexcept {
    info = {};
    auto const wait = [&](idtype_t kind, int id) {
        return retry(
            [&] { return ::waitid(kind, static_cast<id_t>(id), &info, WEXITED | WNOHANG); });
    };
    int result = pidfd >= 0 ? wait(by_pidfd, pidfd) : wait(P_PID, pid);
    if (result != 0 && errno == EINVAL)
        result = wait(P_PID, pid);
    return result != 0 ? -1 : info.si_pid != 0 ? 1 : 0;
}

/// Children that nobody asks about any more, and that are to leave no zombie.
class Abandoned {
public:
    static Abandoned& of_all_threads() {
        static auto& abandoned = *new Abandoned; // children outlive the ends of statics
        return abandoned;
    }

    void add(pid_t pid, int pidfd) {
        std::lock_guard const lock(mutex_);
        children_.emplace_back(pid, pidfd);
    }

    void take_statuses() noexcept {
        std::lock_guard const lock(mutex_);
        std::erase_if(children_, [](auto const& child) {
            siginfo_t info;
            bool const gone = take_status(child.first, child.second, info) != 0;
            if (gone && child.second >= 0)
                ::close(child.second);
            return gone;
        });
    }

private:
    std::mutex mutex_;
    std::vector<std::pair<pid_t, int>> children_;
};

} // namespace

Child::~Child() {
    if (pid_ < 0)
        return;
    if (!end()) {
        try {
            Abandoned::of_all_threads().add(pid_, std::exchange(pidfd_, -1));
        } catch (std::bad_alloc const&) { // a zombie is the least evil
        }
    }
    if (pidfd_ >= 0)
        ::close(pidfd_);
}

void Child::adopt(pid_t pid) noexcept {
    pid_ = pid;
    // Without one, for want of descriptors too, the child is looked at from time to time.
    pidfd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    Abandoned::of_all_threads().take_statuses();
}

std::optional<Child::End> Child::end() noexcept {
    if (end_)
        return end_;
    siginfo_t info;
    switch (take_status(pid_, pidfd_, info)) {
    case 0:
        break;
    case 1:
        end_ = {info.si_code == CLD_EXITED ? info.si_status : -info.si_status, false};
        break;
    default:
        end_ = {status_unknown, true};
        log(Logger::general, LogLevel::warning,
            "Subprocess: the exit status of pid " + std::to_string(pid_) +
                " was taken by somebody else, 255 is reported: let nobody wait for any child "
                "(waitpid(-1)), and do not ignore SIGCHLD");
    }
    return end_;
}

error_code Child::send(int signal) noexcept {
    if (end())
        return {};
    auto result = pidfd_ >= 0 ? ::syscall(SYS_pidfd_send_signal, pidfd_, signal, nullptr, 0) : -1;
    if (pidfd_ < 0 || (result != 0 && errno == ENOSYS))
        result = ::kill(pid_, signal);
    return result == 0 || errno == ESRCH ? error_code() : last_error();
}

} // namespace tornado::detail
