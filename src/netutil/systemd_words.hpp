// SPDX-License-Identifier: BSL-1.0
// What systemd's environment variables say, and what is said to it in return. No I/O.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace tornado::detail {

/// LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES; nothing where a variable is not set.
struct ListenVariables {
    std::optional<std::string> pid;
    std::optional<std::string> count;
    std::optional<std::string> names;
};

/// The process that the descriptors are for, if there are any. Throws std::invalid_argument when
/// LISTEN_PID is no process id.
std::optional<pid_t> addressee(ListenVariables const& variables);

/// The name of each descriptor, from 3 on; without LISTEN_FDNAMES all are "unknown". Throws
/// std::invalid_argument, which names the variable, when LISTEN_FDS is no number or would pass
/// `limit`, the number of descriptors a process may have, and when there are more or fewer names.
std::vector<std::string> listen_names(ListenVariables const& variables, std::uint64_t limit);

/// How long the process may be silent, of WATCHDOG_USEC and WATCHDOG_PID; nothing when nobody
/// watches process `own`. Throws std::invalid_argument when a variable is no number.
std::optional<std::chrono::microseconds> watchdog_limit(std::optional<std::string> const& usec,
                                                        std::optional<std::string> const& pid,
                                                        pid_t own);

/// The name of NOTIFY_SOCKET as bind(2) knows it, an abstract one with its leading NUL; empty when
/// it is neither a path nor abstract.
std::string notify_name(std::string_view notify_socket);

} // namespace tornado::detail
