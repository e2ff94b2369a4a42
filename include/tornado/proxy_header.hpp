// SPDX-License-Identifier: BSL-1.0
// What a balancer says of a connection that it passes on, in the PROXY protocol.
#pragma once

#include "tornado/address.hpp"
#include "tornado/detail/export.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tornado {

namespace detail {
class ProxyParser;
}

/// What a balancer says of a connection that it passes on: HAProxy's "The PROXY protocol, versions
/// 1 & 2". A stream's is had from IOStream::proxy_header().
struct TORNADO_ASIO_EXPORT ProxyHeader {
    /// Of the TLS that the balancer took off.
    struct Tls {
        bool has_certificate =
            false;               ///< the client has shown one, in this connection or its session
        bool verified = false;   ///< and the balancer found it good
        std::string version;     ///< "TLSv1.3"
        std::string common_name; ///< of the client's certificate
        std::string cipher;      ///< as the balancer's TLS library calls it; so the next
        std::string signature_algorithm; ///< of the balancer's certificate
        std::string key_algorithm;       ///< of its key
    };

    /// The client's end; empty when the header names none, as for a balancer's own check of whether
    /// the server lives.
    Address source;
    /// The balancer's end, which the client has connected to; empty likewise.
    Address destination;
    /// Of version 2, in the order in which they came: a type, and a value of any bytes.
    std::vector<std::pair<std::uint8_t, std::string>> tlvs;

    /// The value of the first TLV of this type; empty without one.
    std::string tlv(std::uint8_t type) const;
    std::string alpn() const { return tlv(0x01); }      ///< "h2", "http/1.1"
    std::string authority() const { return tlv(0x02); } ///< the host name that the client asked for
    std::string unique_id() const { return tlv(0x05); } ///< the balancer's name of the connection
    /// Empty when the client spoke clear text.
    std::optional<Tls> tls() const;

    /// One that says nothing, for tests of one's own handlers.
    ProxyHeader() = default;
    /// The library's.
    explicit ProxyHeader(detail::ProxyParser const& parser);
};

} // namespace tornado
