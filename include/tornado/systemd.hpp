// SPDX-License-Identifier: BSL-1.0
// What a service says to systemd: ready, stopping, reloading, alive.
#pragma once

#include "tornado/detail/export.hpp"
#include "tornado/error.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tornado {

class IOLoop;

/// Tells systemd, or whoever set NOTIFY_SOCKET, how this process is: "READY=1", "STOPPING=1",
/// "MAINPID=4711", of which several may be joined by newlines. A unit wants it with `Type=notify`.
///
/// Returns whether it was sent. Without NOTIFY_SOCKET there is nobody to tell: false, and `ec` is
/// clear. Otherwise `ec` is the system's code, `address_family_not_supported` for a NOTIFY_SOCKET
/// that is neither a path nor an abstract name, `name_too_long` for one that does not fit,
/// `timed_out` when the receiver's queue stays full for a second, which is the longest that this
/// blocks. No signal is raised.
///
/// The environment is left as it is; a unit believes its main process alone unless it says
/// `NotifyAccess=all`. Reads the environment, so no other thread may change it meanwhile.
///
/// sd_notify(3), without its library.
TORNADO_ASIO_EXPORT bool sd_notify(std::string_view state, error_code& ec);
/// The same; what fails is a warning of tornado.general.
TORNADO_ASIO_EXPORT bool sd_notify(std::string_view state);

/// "STATUS=" with a line for people, as `systemctl status` shows it; its line ends become blanks,
/// so that it cannot say anything else.
TORNADO_ASIO_EXPORT std::string sd_status(std::string_view text);
/// "RELOADING=1" with the time that `Type=notify-reload` asks for. "READY=1" ends the reload.
TORNADO_ASIO_EXPORT std::string sd_reloading();

/// Pets systemd's watchdog (`WatchdogSec=`) from a loop, twice in the time that it allows: a loop
/// that does not turn is noticed, and the unit's `Restart=` does the rest. Until it is destroyed or
/// the loop's context ends; does nothing in a process that is not watched. Keeps an io_context that
/// the application runs itself running. Belongs to the loop's thread.
///
/// sd_watchdog_enabled(3).
class TORNADO_ASIO_EXPORT SystemdWatchdog {
public:
    /// On `loop`, or IOLoop::current(). Throws std::invalid_argument when WATCHDOG_USEC or
    /// WATCHDOG_PID is not a number.
    explicit SystemdWatchdog(IOLoop& loop);
    SystemdWatchdog();
    SystemdWatchdog(SystemdWatchdog const&) = delete;
    SystemdWatchdog& operator=(SystemdWatchdog const&) = delete;
    ~SystemdWatchdog();

    /// How long this process may be silent before systemd ends it; nothing when it is not watched.
    std::optional<std::chrono::microseconds> limit() const noexcept;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_; // null when it is not watched
};

} // namespace tornado
