// SPDX-License-Identifier: BSL-1.0
// A process for a test that forks, and a line in which it and its children report to the test.
#pragma once

#include "tornado/ioloop.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace tornado::test {

/// Lines that processes write and the test reads, each in one piece. The end comes when the last
/// process that has it is gone.
class Report {
public:
    Report() { BOOST_TEST_REQUIRE(::pipe(ends_) == 0); }
    Report(Report const&) = delete;
    Report& operator=(Report const&) = delete;
    ~Report() {
        ::close(ends_[0]);
        finish();
    }

    /// Async-signal-safe but for the string.
    void say(std::string_view line) const {
        std::string const text = std::string(line) + "\n";
        static_cast<void>(!::write(ends_[1], text.data(), text.size()));
    }
    int write_end() const { return ends_[1]; }

    /// The next line, within half a minute; "end" when nobody can write any more.
    std::string line() {
        finish();
        for (;;) {
            if (auto const end = received_.find('\n'); end != received_.npos) {
                auto text = received_.substr(0, end);
                received_.erase(0, end + 1);
                return text;
            }
            pollfd ready{ends_[0], POLLIN, 0};
            char buffer[4096];
            if (::poll(&ready, 1, 30'000) <= 0)
                return "nothing within half a minute";
            auto const n = ::read(ends_[0], buffer, sizeof buffer);
            if (n <= 0)
                return received_.empty() ? "end" : std::exchange(received_, {});
            received_.append(buffer, static_cast<std::size_t>(n));
        }
    }

    /// The next line that begins so, without that; others are dropped.
    std::string after(std::string_view beginning) {
        for (;;) {
            auto const text = line();
            if (text.starts_with(beginning))
                return text.substr(beginning.size());
            if (text == "end" || text.starts_with("nothing"))
                return text;
        }
    }

private:
    // The test itself does not write, so that it sees the end.
    void finish() {
        if (ends_[1] >= 0)
            ::close(std::exchange(ends_[1], -1));
    }

    int ends_[2];
    std::string received_;
};

/// A process that runs `body` and exits with what it returns, after a minute at the latest.
class Forked {
public:
    explicit Forked(std::function<int()> const& body) {
        std::cout.flush(); // or it is written twice
        pid_ = ::fork();
        BOOST_TEST_REQUIRE(pid_ >= 0);
        if (pid_ != 0)
            return;
        ::alarm(60);
        // The loop of an earlier test is no concern of this one.
        if (auto* const loop = IOLoop::current_if_any())
            loop->close();
        int status = 99;
        try {
            status = body();
        } catch (std::exception const& e) {
            static_cast<void>(!::write(2, e.what(), std::string_view(e.what()).size()));
        }
        std::_Exit(status);
    }
    Forked(Forked const&) = delete;
    Forked& operator=(Forked const&) = delete;
    ~Forked() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            wait();
        }
    }

    pid_t pid() const { return pid_; }

    /// The exit status, or minus the signal.
    int wait() {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR)
            ;
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

private:
    pid_t pid_ = -1;
};

/// From now on these system calls of this process and its children fail with `error`. False where
/// that cannot be arranged.
inline bool refuse(std::initializer_list<long> calls, int error) {
    std::vector<sock_filter> filter{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    for (auto const call : calls) {
        filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1));
        filter.push_back(
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)));
    }
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

} // namespace tornado::test
