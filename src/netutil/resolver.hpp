// SPDX-License-Identifier: BSL-1.0
// getaddrinfo(3), as it is and on a thread that nobody waits for.
#pragma once

#include "tornado/detail/function.hpp"
#include "tornado/netutil.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>

namespace tornado::detail {

/// What getaddrinfo answered.
struct Found {
    int status = 0;                 // its own code: gai_strerror(3)
    error_code error;               // the same
    std::vector<Address> addresses; // in its order, without duplicates
};

/// The addresses of `host` for stream sockets; empty stands for the wildcard or the loopback, as
/// `flags` say. Blocks.
Found get_addresses(std::string const& host, std::uint16_t port, int family, int flags);

/// Calls `job({})` on one of the process's threads for what may block and cannot be interrupted; or
/// here, with the reason, when there is no thread and none can be made. It must touch only what it
/// owns: the end of main() does not wait for it.
void run_detached(Function<void(error_code no_thread)> job);

/// How many such threads there are now.
std::size_t detached_threads();
/// How long such a thread stays without a job. For tests to shorten.
extern std::atomic<std::chrono::steady_clock::duration> thread_patience;

} // namespace tornado::detail
