// SPDX-License-Identifier: BSL-1.0
// The address of a peer or of a local end: IPv4, IPv6 or a Unix socket's name.
#pragma once

#include "tornado/detail/export.hpp"
#include "tornado/detail/port.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <variant>

namespace boost::asio {}

namespace tornado {

namespace asio = boost::asio;

/// The address of a peer or of a local end: IPv4 or IPv6 with a port, or a Unix socket's name;
/// empty when it was made by default. A small value, compared and hashed by content, an IPv6 scope
/// included.
class TORNADO_ASIO_EXPORT Address {
public:
    /// Empty.
    Address() = default;
    /// An IP address and port, as Asio has them.
    Address(asio::ip::tcp::endpoint const& endpoint);
    /// The name of a Unix socket, as Asio has it.
    Address(asio::local::stream_protocol::endpoint const& endpoint);
    /// Of any family; one that is neither IP nor Unix gives an empty Address.
    Address(asio::generic::stream_protocol::endpoint const& endpoint);
    /// From an IP literal (see is_valid_ip), no host name, and a port of 0 to 65535. Throws
    /// std::invalid_argument that names what is none.
    Address(std::string_view ip, detail::Port port);

    /// AF_INET, AF_INET6 or AF_UNIX; AF_UNSPEC when empty.
    int family() const noexcept;
    /// Whether it is a Unix socket's, with a name or without.
    bool is_unix() const noexcept;
    /// The IP address as text, `fe80::1%eth0` when it has a scope; empty for a Unix socket.
    std::string ip() const;
    /// The port; 0 for a Unix socket.
    std::uint16_t port() const noexcept;
    /// The name of a Unix socket: a file's path, an abstract name with its leading NUL, or empty
    /// for a peer that has not bound a name; empty for an IP address.
    std::string path() const;

    /// `127.0.0.1:80`, `[::1]:80`, `/run/x.sock`, `@name` when abstract, `(unnamed)`, or `(none)`
    /// when empty. Control characters come out as `\x0a`, so that a peer's name cannot break a log
    /// line.
    std::string to_string() const;

    /// For Asio's sockets of any kind (`asio::generic::stream_protocol::socket`).
    /// Throws system_error when path() does not fit a Unix address.
    asio::generic::stream_protocol::endpoint endpoint() const;
    /// For Asio's TCP sockets. Throws std::invalid_argument when this is no IP address.
    asio::ip::tcp::endpoint tcp_endpoint() const;

    /// Whether both are of one family and say the same.
    friend bool operator==(Address const&, Address const&) = default;

private:
    friend struct std::hash<Address>;
    struct Name {
        std::string path;
        bool operator==(Name const&) const = default;
    };
    std::variant<std::monostate, asio::ip::tcp::endpoint, Name> value_;
};

/// to_string().
TORNADO_ASIO_EXPORT std::ostream& operator<<(std::ostream& out, Address const& address);

} // namespace tornado

/// Equal addresses have equal hashes.
template <>
struct TORNADO_ASIO_EXPORT std::hash<tornado::Address> {
    /// The hash of what is compared.
    std::size_t operator()(tornado::Address const& address) const noexcept;
};
