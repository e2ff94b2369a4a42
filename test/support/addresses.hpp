// SPDX-License-Identifier: BSL-1.0
// Addresses of this machine that refuse, or do not answer at all.
#pragma once

#include "tornado/netutil.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <memory>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace tornado::test {

inline bool has_ipv6_loopback() {
    try {
        bind_sockets(0, "::1");
        return true;
    } catch (system_error const&) {
        BOOST_TEST_MESSAGE("skipped: no IPv6 loopback");
        return false;
    }
}

/// Bound, and not listening: a connection is refused, and nobody else gets the port.
class Refusing {
public:
    explicit Refusing(std::string const& ip = "127.0.0.1")
        : socket_(::socket(Address(ip, 0).family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        auto endpoint = Address(ip, 0).endpoint();
        auto size = static_cast<socklen_t>(endpoint.size());
        BOOST_TEST_REQUIRE(::bind(socket_.native_handle(), endpoint.data(), size) == 0);
        ::getsockname(socket_.native_handle(), endpoint.data(), &size);
        address_ = endpoint;
    }
    Address const& address() const { return address_; }

private:
    detail::Descriptor socket_;
    Address address_;
};

/// A listener whose queue is full: the kernel drops what asks for a connection.
class Silent {
public:
    explicit Silent(std::string const& ip = "127.0.0.1")
        : listener_(std::move(bind_sockets(0, ip, {.backlog = 0}).at(0))) {
        auto const endpoint = address().endpoint();
        for (bool answered = true; answered;) {
            auto const fd =
                queued_
                    .emplace_back(
                        ::socket(address().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))
                    .native_handle();
            ::connect(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size()));
            pollfd state{fd, POLLOUT, 0};
            answered = ::poll(&state, 1, 20) == 1;
            BOOST_TEST_REQUIRE(queued_.size() < 10U);
        }
    }
    Address address() const { return listener_.local_address(); }

    /// Takes what waits and all that comes: the peer's next attempt is answered, a second after its
    /// first.
    ListenSocket answer() {
        queued_.clear();
        while (true) {
            detail::Descriptor const taken(::accept(listener_.native_handle(), nullptr, nullptr));
            if (taken.native_handle() < 0)
                return std::move(listener_);
        }
    }

private:
    ListenSocket listener_;
    std::vector<detail::Descriptor> queued_;
};

} // namespace tornado::test
