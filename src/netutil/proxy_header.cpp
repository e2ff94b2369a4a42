// SPDX-License-Identifier: BSL-1.0
#include "tornado/proxy_header.hpp"

#include "netutil/proxy_parser.hpp"

#include <algorithm>
#include <array>

namespace tornado {
namespace {

using detail::ProxyParser;

constexpr std::uint8_t type_tls = 0x20;

Address address_of(ProxyParser::Family family, ProxyParser::End const& end) {
    switch (family) {
    case ProxyParser::Family::ipv4: {
        asio::ip::address_v4::bytes_type bytes;
        std::copy_n(end.ip.begin(), bytes.size(), bytes.begin());
        return asio::ip::tcp::endpoint(asio::ip::address_v4(bytes), end.port);
    }
    case ProxyParser::Family::ipv6:
        return asio::ip::tcp::endpoint(asio::ip::address_v6(end.ip), end.port);
    case ProxyParser::Family::unix_socket:
        return asio::local::stream_protocol::endpoint(end.path);
    case ProxyParser::Family::none:
        break;
    }
    return {};
}

} // namespace

ProxyHeader::ProxyHeader(ProxyParser const& parser)
    : source(address_of(parser.family(), parser.source())),
      destination(address_of(parser.family(), parser.destination())) {
    for (auto const& tlv : parser.tlvs())
        tlvs.emplace_back(tlv.type, tlv.value);
}

std::string ProxyHeader::tlv(std::uint8_t type) const {
    auto const found = std::ranges::find(tlvs, type, &std::pair<std::uint8_t, std::string>::first);
    return found != tlvs.end() ? found->second : std::string();
}

std::optional<ProxyHeader::Tls> ProxyHeader::tls() const {
    constexpr unsigned over_tls = 0x01, certificate_now = 0x02, certificate_before = 0x04;
    ProxyParser::Tls told;
    if (!ProxyParser::parse_tls(tlv(type_tls), told) || (told.client & over_tls) == 0)
        return std::nullopt;
    Tls tls;
    tls.has_certificate = (told.client & (certificate_now | certificate_before)) != 0;
    tls.verified = tls.has_certificate && told.verify == 0;
    for (auto& [type, value] : told.details)
        switch (type) {
        case 0x21:
            tls.version = std::move(value);
            break;
        case 0x22:
            tls.common_name = std::move(value);
            break;
        case 0x23:
            tls.cipher = std::move(value);
            break;
        case 0x24:
            tls.signature_algorithm = std::move(value);
            break;
        case 0x25:
            tls.key_algorithm = std::move(value);
            break;
        default:
            break;
        }
    return tls;
}

} // namespace tornado
