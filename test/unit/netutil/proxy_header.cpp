// SPDX-License-Identifier: BSL-1.0
// What a balancer says, in the library's words.
#include "tornado/proxy_header.hpp"

#include "netutil/proxy_parser.hpp"
#include "support/proxy_headers.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

ProxyHeader header(std::string const& bytes) {
    detail::ProxyParser parser;
    for (std::size_t taken = 0; taken < bytes.size();)
        taken += parser.feed(std::string_view(bytes).substr(taken));
    return ProxyHeader(parser);
}

} // namespace

BOOST_AUTO_TEST_SUITE(netutil_proxy_header)

BOOST_AUTO_TEST_CASE(addresses_of_every_family) {
    auto const line = header("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n");
    BOOST_TEST(line.source == Address("192.0.2.1", 56324));
    BOOST_TEST(line.destination == Address("198.51.100.2", 443));
    auto const v4 = header(binary_header(0x21, 0x11, ipv4_ends));
    BOOST_TEST(v4.source == Address("10.0.0.1", 258));
    BOOST_TEST(v4.destination == Address("10.0.0.2", 443));
    auto const v6 = header(binary_header(0x21, 0x21, ipv6_ends));
    BOOST_TEST(v6.source == Address("2001:db8::1", 258));
    BOOST_TEST(v6.destination == Address("::1", 443));
    auto const sockets = header(binary_header(0x21, 0x31, unix_ends("/run/a", "")));
    BOOST_TEST(sockets.source.path() == "/run/a");
    BOOST_TEST(sockets.destination.is_unix());
    for (auto const& nobody : {"PROXY UNKNOWN\r\n"s, binary_header(0x20, 0x11, ipv4_ends)}) {
        BOOST_TEST(header(nobody).source == Address());
        BOOST_TEST(header(nobody).destination == Address());
    }
}

BOOST_AUTO_TEST_CASE(the_longest_unix_name) {
    auto const name = std::string(107, 'x');
    BOOST_TEST(header(binary_header(0x21, 0x31, unix_ends(name, name))).source.path() == name);
}

BOOST_AUTO_TEST_CASE(what_else_is_told) {
    auto const told = header(binary_header(
        0x21, 0x11,
        ipv4_ends + tlv(1, "h2") + tlv(2, "www.example") + tlv(5, "\0id"s) +
            tlv(0x20, "\3\0\0\0\0"s + tlv(0x21, "TLSv1.3") + tlv(0x22, "client") +
                          tlv(0x23, "AES") + tlv(0x24, "SHA") + tlv(0x25, "EC") + tlv(0x26, "?"))));
    BOOST_TEST(told.alpn() == "h2");
    BOOST_TEST(told.authority() == "www.example");
    BOOST_TEST(told.unique_id() == "\0id"s);
    BOOST_TEST(told.tlv(0xe0) == "");
    BOOST_TEST(told.tlvs.size() == 4U);
    auto const tls = told.tls();
    BOOST_TEST_REQUIRE(tls.has_value());
    BOOST_TEST(tls->version == "TLSv1.3");
    BOOST_TEST(tls->common_name == "client");
    BOOST_TEST(tls->cipher == "AES");
    BOOST_TEST(tls->signature_algorithm == "SHA");
    BOOST_TEST(tls->key_algorithm == "EC");
}

BOOST_AUTO_TEST_CASE(a_certificate_counts_when_it_was_verified) {
    auto const tls = [](std::string const& value) {
        return header(binary_header(0x21, 0x11, ipv4_ends + tlv(0x20, value))).tls();
    };
    BOOST_TEST(!tls("\0\0\0\0\0"s).has_value());
    BOOST_TEST(!tls("\1\0\0"s).has_value());
    BOOST_TEST(!header(binary_header(0x21, 0x11, ipv4_ends)).tls().has_value());
    BOOST_TEST(!tls("\1\0\0\0\0"s)->has_certificate);
    BOOST_TEST(!tls("\1\0\0\0\0"s)->verified);
    for (auto const* shown : {"\3", "\5", "\7"}) {
        BOOST_TEST(tls(shown + "\0\0\0\0"s)->has_certificate);
        BOOST_TEST(tls(shown + "\0\0\0\0"s)->verified);
        BOOST_TEST(!tls(shown + "\0\0\0\1"s)->verified);
    }
}

BOOST_AUTO_TEST_SUITE_END()
