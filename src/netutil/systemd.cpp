// SPDX-License-Identifier: BSL-1.0
#include "tornado/systemd.hpp"

#include "tornado/ioloop.hpp"
#include "tornado/log.hpp"
#include "tornado/netutil.hpp"

#include "last_error.hpp"
#include "netutil/systemd_words.hpp"
#include "retry.hpp"
#include "tether.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

namespace tornado {
namespace {

std::optional<std::string> variable(char const* name) {
    char const* const value = std::getenv(name);
    return value ? std::optional<std::string>(value) : std::nullopt;
}

error_code send_datagram(std::string const& name, std::string_view text) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    // A path may fill the whole, without a NUL behind it.
    if (name.size() > sizeof to.sun_path)
        return asio::error::name_too_long;
    std::memcpy(to.sun_path, name.data(), name.size());
    auto const size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    detail::Descriptor const socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    timeval const limit{1, 0};
    if (socket.native_handle() < 0 ||
        ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0)
        return detail::last_error();
    auto const sent = detail::retry([&] {
        return ::sendto(socket.native_handle(), text.data(), text.size(), MSG_NOSIGNAL,
                        reinterpret_cast<sockaddr const*>(&to), size);
    });
    if (sent >= 0)
        return {};
    auto const ec = detail::last_error();
    return ec.value() == EAGAIN ? error_code(asio::error::timed_out) : ec;
}

} // namespace

bool sd_notify(std::string_view state, error_code& ec) {
    ec.clear();
    auto const socket = variable("NOTIFY_SOCKET");
    if (!socket || socket->empty())
        return false;
    auto const name = detail::notify_name(*socket);
    ec = name.empty() ? error_code(asio::error::address_family_not_supported)
                      : send_datagram(name, state);
    return !ec;
}

bool sd_notify(std::string_view state) {
    error_code ec;
    bool const sent = sd_notify(state, ec);
    if (ec)
        log(Logger::general, LogLevel::warning,
            "Cannot tell systemd " + std::string(state.substr(0, state.find('\n'))) +
                " at NOTIFY_SOCKET " + variable("NOTIFY_SOCKET").value_or("") + ": " +
                ec.message());
    return sent;
}

std::string sd_status(std::string_view text) {
    std::string line = "STATUS=" + std::string(text);
    std::ranges::replace(line, '\n', ' ');
    return line;
}

std::string sd_reloading() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return "RELOADING=1\nMONOTONIC_USEC=" +
           std::to_string(std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000);
}

struct SystemdWatchdog::Impl : std::enable_shared_from_this<Impl> {
    Impl(asio::any_io_executor const& executor, std::chrono::microseconds a_limit)
        : timer(executor), limit(a_limit) {}

    void wait() {
        if (!timer)
            return;
        timer->expires_after(limit / 2);
        timer->async_wait([weak = weak_from_this()](error_code ec) {
            auto const self = weak.lock();
            if (ec || !self)
                return;
            sd_notify("WATCHDOG=1");
            self->wait();
        });
    }

    detail::Tethered<asio::steady_timer> timer;
    std::chrono::microseconds limit;
};

SystemdWatchdog::SystemdWatchdog(IOLoop& loop) {
    auto const limit =
        detail::watchdog_limit(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), ::getpid());
    if (!limit)
        return;
    impl_ = std::make_shared<Impl>(loop.get_executor(), *limit);
    impl_->wait();
}

SystemdWatchdog::SystemdWatchdog() : SystemdWatchdog(IOLoop::current()) {}

SystemdWatchdog::~SystemdWatchdog() = default;

std::optional<std::chrono::microseconds> SystemdWatchdog::limit() const noexcept {
    return impl_ ? std::optional(impl_->limit) : std::nullopt;
}

} // namespace tornado
