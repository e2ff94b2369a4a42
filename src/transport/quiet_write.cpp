// SPDX-License-Identifier: BSL-1.0
#include "transport/quiet_write.hpp"

#include "retry.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <pthread.h>

namespace tornado::detail {

ssize_t quiet_write(int fd, iovec const* buffers, std::size_t count) noexcept {
    constexpr int rwf_nosignal = 0x100; // RWF_NOSIGNAL, which Linux has since 6.18
    constexpr off64_t here = -1;        // writev's place in the file: a pipe has no other
    static std::atomic<bool> known = true;
    if (known.load(std::memory_order_relaxed)) {
        auto const n = retry(
            [&] { return ::pwritev2(fd, buffers, static_cast<int>(count), here, rwf_nosignal); });
        if (n != -1 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS))
            return n;
        known = false;
    }
    return quiet_write_by_mask(fd, buffers, count);
}

// A signal that was blocked and pending before is somebody else's, and stays.
ssize_t quiet_write_by_mask(int fd, iovec const* buffers, std::size_t count) noexcept {
    sigset_t pipe;
    sigset_t former;
    sigset_t pending;
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    ::sigemptyset(&pending);
    ::pthread_sigmask(SIG_BLOCK, &pipe, &former);
    bool const was_blocked = ::sigismember(&former, SIGPIPE) == 1;
    if (was_blocked)
        ::sigpending(&pending);

    auto const n = retry([&] { return ::writev(fd, buffers, static_cast<int>(count)); });

    int const failure = errno;
    if (n == -1 && failure == EPIPE && ::sigismember(&pending, SIGPIPE) == 0) {
        timespec const at_once{};
        retry([&] { return ::sigtimedwait(&pipe, nullptr, &at_once); });
    }
    if (!was_blocked)
        ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
    errno = failure;
    return n;
}

} // namespace tornado::detail
