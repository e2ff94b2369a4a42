// SPDX-License-Identifier: BSL-1.0
// PROXY headers: what is one, what is none, and that not a byte too many is taken.
#include "netutil/proxy_parser.hpp"

#include "support/proxy_headers.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace tornado::test;
using namespace std::literals;
using tornado::detail::ProxyParser;
using State = ProxyParser::State;
using Family = ProxyParser::Family;

namespace {

/// Feeds it in pieces of a size; what is not taken comes again with the next piece, as it does from
/// a socket.
ProxyParser parse(std::string const& bytes, std::size_t piece = std::string::npos,
                  std::size_t* taken_in_all = nullptr) {
    ProxyParser parser;
    std::size_t taken = 0;
    for (std::size_t come = 0; come < bytes.size() && parser.state() == State::incomplete;) {
        come += std::min(piece, bytes.size() - come);
        while (taken < come && parser.state() == State::incomplete) {
            // A place of its own, for the sanitizer.
            std::string const part = bytes.substr(taken, come - taken);
            taken += parser.feed(part);
        }
    }
    if (taken_in_all)
        *taken_in_all = taken;
    return parser;
}

std::string problem(std::string const& bytes) {
    auto const parser = parse(bytes);
    return parser.state() == State::malformed ? parser.problem() : "it is none";
}

std::string hex(std::string_view bytes) {
    std::string text;
    for (char const c : bytes) {
        auto const byte = static_cast<unsigned char>(c);
        text += "0123456789abcdef"s.substr(byte >> 4, 1);
        text += "0123456789abcdef"s.substr(byte & 15, 1);
    }
    return text;
}

std::string describe(ProxyParser const& parser) {
    std::string text = std::to_string(static_cast<int>(parser.family()));
    for (auto const* end : {&parser.source(), &parser.destination()})
        text += ' ' + hex({reinterpret_cast<char const*>(end->ip.data()), end->ip.size()}) + ':' +
                std::to_string(end->port) + end->path;
    for (auto const& tlv : parser.tlvs())
        text += ' ' + std::to_string(tlv.type) + '=' + tlv.value;
    return text;
}

} // namespace

BOOST_AUTO_TEST_SUITE(proxy_parser)

BOOST_AUTO_TEST_CASE(every_form_in_pieces_of_every_size_and_nothing_after_it) {
    std::vector<std::string> const headers{
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
        "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
        "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        binary_header(0x20, 0x00, ""),
        binary_header(0x20, 0x11, "whatever it is"),
        binary_header(0x21, 0x00, ""),
        binary_header(0x21, 0x11, ipv4_ends),
        binary_header(0x21, 0x21, ipv6_ends),
        binary_header(0x21, 0x31, unix_ends()),
        binary_header(0x21, 0x11, ipv4_ends + tlv(1, "h2") + tlv(4, "") + tlv(5, "id")),
        with_checksum(
            binary_header(0x21, 0x21, ipv6_ends + tlv(2, "x.example") + tlv(3, "\0\0\0\0"s)))};
    for (auto const& header : headers) {
        auto const whole = describe(parse(header));
        for (std::size_t piece = 1; piece <= header.size() + 3; ++piece)
            for (auto const* rest : {"", "\r\n", "GET / HTTP/1.1\r\n"}) {
                std::size_t taken = 0;
                auto const parser = parse(header + rest, piece, &taken);
                BOOST_TEST_REQUIRE((parser.state() == State::complete), parser.problem());
                BOOST_TEST_REQUIRE(taken == header.size());
                BOOST_TEST_REQUIRE(describe(parser) == whole);
            }
        for (std::size_t size = 0; size < header.size(); ++size) {
            std::size_t taken = 0;
            BOOST_TEST_REQUIRE((parse(header.substr(0, size), std::string::npos, &taken).state() ==
                                State::incomplete));
            BOOST_TEST_REQUIRE(taken == size);
        }
    }
}

BOOST_AUTO_TEST_CASE(what_they_say) {
    auto const zeros = [](std::size_t n) { return std::string(2 * n, '0'); };
    BOOST_TEST(describe(parse("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n")) ==
               "1 c0000201" + zeros(12) + ":56324 c6336402" + zeros(12) + ":443");
    BOOST_TEST(describe(parse("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n")) ==
               "2 20010db8" + zeros(11) + "01:0 " + zeros(15) + "01:65535");
    BOOST_TEST(describe(parse("PROXY UNKNOWN and more\r\n")) ==
               "0 " + zeros(16) + ":0 " + zeros(16) + ":0");
    BOOST_TEST(
        describe(parse(binary_header(0x21, 0x11, ipv4_ends + tlv(1, "h2") + tlv(5, "a b")))) ==
        "1 0a000001" + zeros(12) + ":258 0a000002" + zeros(12) + ":443 1=h2 5=a b");
    BOOST_TEST((parse(binary_header(0x21, 0x21, ipv6_ends)).family() == Family::ipv6));
    BOOST_TEST((parse(binary_header(0x20, 0x21, ipv6_ends)).family() == Family::none));
    BOOST_TEST((parse(binary_header(0x21, 0x20, ipv6_ends)).family() == Family::none));
    BOOST_TEST((parse(binary_header(0x21, 0x01, "")).family() == Family::none));
    auto const sockets = parse(binary_header(0x21, 0x31, unix_ends("/run/a", "\0abstract"s)));
    BOOST_TEST((sockets.family() == Family::unix_socket));
    BOOST_TEST(sockets.source().path == "/run/a");
    BOOST_TEST(sockets.destination().path == "\0abstract"s);
    auto const longest = std::string(107, 'x');
    BOOST_TEST((parse(binary_header(0x21, 0x31, unix_ends(longest, ""))).source().path == longest));
}

BOOST_AUTO_TEST_CASE(what_is_none_says_why) {
    for (auto const& none : {"GET / HTTP/1.1\r\n"s, "\x16\x03\x01\x02\0"s, "P"s + "OST"s,
                             "PROXY\r\n"s, "\r\n\r\n\0\r\nQUIT\r"s, "\r\n\r\n\0\r\nQUI\n\n"s})
        BOOST_TEST(problem(none) == "what came is no PROXY header");
    for (auto const* none :
         {"TCP", "tcp4 1.2.3.4 1.2.3.4 1 1", "UDP4 1.2.3.4 1.2.3.4 1 1", "", " "})
        BOOST_TEST(problem("PROXY "s + none + "\r\n") ==
                   "a PROXY line whose protocol is neither TCP4, TCP6 nor UNKNOWN");
    for (auto const* none :
         {"TCP4", "TCP4 ", "TCP4 1.2.3.4", "TCP4 1.2.3.4 1.2.3 1 1", "TCP4 ::1 ::1 1 1",
          "TCP6 1.2.3.4 1.2.3.4 1 1", "TCP4  1.2.3.4 1.2.3.4 1 1", "TCP4 1.2.3.4\n1.2.3.4 1 1",
          "TCP6 fe80::1%lo ::1 1 1", "TCP4 01.2.3.4 1.2.3.4 1 1"})
        BOOST_TEST(problem("PROXY "s + none + "\r\n") ==
                   "a PROXY line with an address that is none");
    for (auto const* none : {"", "1", "1 ", "1 65536", "-1 1", "+1 1", "01 1", "1 1 ", "1 1 1",
                             "x 1", "1 0x1", " 1 1", "1  1", "1 1\r", "99999999999999999999 1"})
        BOOST_TEST(problem("PROXY TCP4 1.2.3.4 1.2.3.4 "s + none + "\r\n") ==
                   "a PROXY line with a port that is none");
    BOOST_TEST(problem("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n") ==
               "a PROXY line that is longer than 107 bytes");
    BOOST_TEST(problem("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n") == "it is none");

    BOOST_TEST(problem(binary_header(0x11, 0x11, ipv4_ends)) == "a PROXY header of version 1");
    BOOST_TEST(problem(binary_header(0x22, 0x11, ipv4_ends)) ==
               "a PROXY header with an unknown command");
    BOOST_TEST(problem(binary_header(0x21, 0x41, ipv4_ends)) ==
               "a PROXY header of an unknown family");
    BOOST_TEST(problem(binary_header(0x21, 0x13, ipv4_ends)) ==
               "a PROXY header of an unknown family");
    BOOST_TEST(problem(binary_header(0x21, 0x12, ipv4_ends)) == "a PROXY header for datagrams");
    auto const endless = std::string(108, 'x');
    for (auto const& ends : {unix_ends(endless, ""), unix_ends("", endless)})
        BOOST_TEST(problem(binary_header(0x21, 0x31, ends)) ==
                   "a PROXY header with a path that has no end");
    for (auto const& [family, ends] :
         {std::pair(0x11, ipv4_ends), std::pair(0x21, ipv6_ends), std::pair(0x31, unix_ends())}) {
        BOOST_TEST(problem(binary_header(0x21, family, ends.substr(1))) ==
                   "a PROXY header that is too short for its addresses");
        for (auto const& tail : {"\1"s, "\1\0"s, "\1\0\1"s, "\1\1\0x"s, tlv(1, "x") + '\1'})
            BOOST_TEST(problem(binary_header(0x21, family, ends + tail)) ==
                       "a PROXY header whose TLVs do not fit into it");
    }
}

BOOST_AUTO_TEST_CASE(a_checksum_is_checked) {
    auto good =
        with_checksum(binary_header(0x21, 0x11, ipv4_ends + tlv(3, "\0\0\0\0"s) + tlv(1, "h2")));
    BOOST_TEST((parse(good).state() == State::complete));
    for (std::size_t place = 16; place < good.size(); ++place) {
        auto bad = good;
        bad[place] = static_cast<char>(bad[place] ^ 0x20);
        auto const parser = parse(bad);
        BOOST_TEST((parser.state() != State::complete || // or there is no checksum any more
                    parser.tlvs()[0].type != 3));
    }
    BOOST_TEST(problem(binary_header(0x21, 0x11, ipv4_ends + tlv(3, "\0\0\0"s))) ==
               "a PROXY header with a wrong checksum");
}

BOOST_AUTO_TEST_CASE(the_largest_there_can_be) {
    std::string const most(65535 - 12 - 3, 'x');
    auto const parser = parse(binary_header(0x21, 0x11, ipv4_ends + tlv(0xe0, most)), 1000);
    BOOST_TEST_REQUIRE((parser.state() == State::complete));
    BOOST_TEST((parser.tlvs().at(0).value == most));
}

BOOST_AUTO_TEST_CASE(what_tells_of_tls) {
    ProxyParser::Tls tls{};
    BOOST_TEST(!ProxyParser::parse_tls("", tls));
    BOOST_TEST(!ProxyParser::parse_tls("\1\0\0\0"s, tls));
    BOOST_TEST(!ProxyParser::parse_tls("\1\0\0\0\0\x21\0\2x"s, tls));
    BOOST_TEST(ProxyParser::parse_tls("\7\0\1\2\3"s + tlv(0x21, "TLSv1.3") + tlv(0x22, "me"), tls));
    BOOST_TEST(tls.client == 7);
    BOOST_TEST(tls.verify == 0x010203u);
    BOOST_TEST(tls.details.back().value == "me");
}

BOOST_AUTO_TEST_SUITE_END()
