// SPDX-License-Identifier: BSL-1.0
// Addresses, to and from text and Asio's endpoints.
#include "netutil/address.hpp"

#include "tornado/netutil.hpp"

#include <boost/asio/ip/address.hpp>

#include <arpa/inet.h>
#include <cstring>
#include <ostream>
#include <stdexcept>
#include <sys/un.h>

namespace tornado {

namespace {

using asio::ip::tcp;
using detail::printable;

/// The name in a Unix address: what lies behind the family, up to the NUL unless the name is
/// abstract.
std::string unix_name(sockaddr const* address, std::size_t size) {
    constexpr std::size_t offset = offsetof(sockaddr_un, sun_path);
    if (size <= offset)
        return {};
    char const* const name = reinterpret_cast<char const*>(address) + offset;
    std::size_t const room = size - offset;
    return {name, *name == '\0' ? room : ::strnlen(name, room)};
}

} // namespace

std::string detail::printable(std::string_view name) {
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (char const c : name) {
        auto const byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f)
            text += {'\\', 'x', digits[byte >> 4], digits[byte & 0xf]};
        else
            text += c;
    }
    return text;
}

Address::Address(tcp::endpoint const& endpoint) : value_(endpoint) {}

Address::Address(asio::local::stream_protocol::endpoint const& endpoint)
    : value_(Name{endpoint.path()}) {}

Address::Address(asio::generic::stream_protocol::endpoint const& endpoint) {
    switch (endpoint.data()->sa_family) {
    case AF_INET:
    case AF_INET6: {
        tcp::endpoint ip;
        ip.resize(endpoint.size());
        std::memcpy(ip.data(), endpoint.data(), endpoint.size());
        value_ = ip;
        break;
    }
    case AF_UNIX:
        value_ = Name{unix_name(endpoint.data(), endpoint.size())};
        break;
    default:
        break;
    }
}

Address::Address(std::string_view ip, detail::Port port) {
    if (!is_valid_ip(ip))
        throw std::invalid_argument('"' + printable(ip) + "\" is not an IP address");
    value_ = tcp::endpoint(asio::ip::make_address(ip), port);
}

int Address::family() const noexcept {
    if (auto const* const ip = std::get_if<tcp::endpoint>(&value_))
        return ip->protocol().family();
    return is_unix() ? AF_UNIX : AF_UNSPEC;
}

bool Address::is_unix() const noexcept {
    return std::holds_alternative<Name>(value_);
}

std::string Address::ip() const {
    auto const* const ip = std::get_if<tcp::endpoint>(&value_);
    return ip ? ip->address().to_string() : std::string();
}

std::uint16_t Address::port() const noexcept {
    auto const* const ip = std::get_if<tcp::endpoint>(&value_);
    return ip ? ip->port() : std::uint16_t{0};
}

std::string Address::path() const {
    auto const* const name = std::get_if<Name>(&value_);
    return name ? name->path : std::string();
}

std::string Address::to_string() const {
    switch (family()) {
    case AF_INET:
        return ip() + ':' + std::to_string(port());
    case AF_INET6:
        return '[' + ip() + "]:" + std::to_string(port());
    case AF_UNIX: {
        std::string const name = path();
        if (name.empty())
            return "(unnamed)";
        return name[0] == '\0' ? '@' + printable(std::string_view(name).substr(1))
                               : printable(name);
    }
    default:
        return "(none)";
    }
}

asio::generic::stream_protocol::endpoint Address::endpoint() const {
    if (auto const* const ip = std::get_if<tcp::endpoint>(&value_))
        return *ip;
    if (is_unix())
        return asio::local::stream_protocol::endpoint(path());
    return {};
}

tcp::endpoint Address::tcp_endpoint() const {
    if (auto const* const ip = std::get_if<tcp::endpoint>(&value_))
        return *ip;
    throw std::invalid_argument(to_string() + " is not an IP address");
}

std::ostream& operator<<(std::ostream& out, Address const& address) {
    return out << address.to_string();
}

bool is_valid_ip(std::string_view ip) {
    if (ip.find('\0') != ip.npos)
        return false;
    std::string const text(ip);
    in_addr v4;
    if (::inet_pton(AF_INET, text.c_str(), &v4) == 1)
        return true;
    // For IPv6 not inet_pton: it knows no zones.
    addrinfo hints{};
    hints.ai_family = AF_INET6;
    hints.ai_flags = AI_NUMERICHOST;
    addrinfo* found = nullptr;
    if (::getaddrinfo(text.c_str(), nullptr, &hints, &found) != 0)
        return false;
    ::freeaddrinfo(found);
    return true;
}

} // namespace tornado

std::size_t
std::hash<tornado::Address>::operator()(tornado::Address const& address) const noexcept {
    using tornado::Address;
    if (auto const* const ip = std::get_if<boost::asio::ip::tcp::endpoint>(&address.value_))
        return std::hash<boost::asio::ip::tcp::endpoint>()(*ip);
    auto const* const name = std::get_if<Address::Name>(&address.value_);
    return name ? std::hash<std::string>()(name->path) : 0;
}
