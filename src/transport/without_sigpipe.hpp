// SPDX-License-Identifier: BSL-1.0
// A system call for which a peer that is gone is an error, and never SIGPIPE.
#pragma once

#include "retry.hpp"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <ctime>
#include <pthread.h>
#include <sys/types.h>

namespace tornado::detail {

/// What `call` returns, and its errno; the signal is kept from this thread during the call. One
/// that was blocked and pending before is somebody else's, and stays. `whole`: what the call
/// returns when it meets no such peer; short of that it may have met one after some of the bytes,
/// and tells so by the signal alone.
template <class Call>
ssize_t without_sigpipe(std::size_t whole, Call call) noexcept {
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

    ssize_t const result = retry(call);

    int const failure = errno;
    if (result != static_cast<ssize_t>(whole) && ::sigismember(&pending, SIGPIPE) == 0) {
        timespec const at_once{};
        retry([&] { return ::sigtimedwait(&pipe, nullptr, &at_once); });
    }
    if (!was_blocked)
        ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
    errno = failure;
    return result;
}

} // namespace tornado::detail
