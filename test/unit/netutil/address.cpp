// SPDX-License-Identifier: BSL-1.0
// Addresses: to and from text and Asio's endpoints; what is an IP literal.
#include "tornado/netutil.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <limits>
#include <net/if.h>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <unordered_set>

using tornado::Address;
namespace asio = boost::asio;
using asio::ip::tcp;
using unix_endpoint = asio::local::stream_protocol::endpoint;
using std::string_literals::operator""s;

BOOST_AUTO_TEST_SUITE(netutil_address)

BOOST_AUTO_TEST_CASE(T181_is_valid_ip_takes_literals_only) {
    for (char const* ip : {"127.0.0.1", "0.0.0.0", "255.255.255.255", "::1",
                           "::", "1::", "2620:0:1cfe:face:b00c::3", "::ffff:1.2.3.4", "fe80::1%1"})
        BOOST_TEST(tornado::is_valid_ip(ip), ip);
    for (std::string const& ip : {""s,
                                  " "s,
                                  "\n"s,
                                  "localhost"s,
                                  "www.google.com"s,
                                  "4.4.4.4<"s,
                                  " 127.0.0.1"s,
                                  "127.0.0.1 "s,
                                  "\0"s,
                                  "127.0.0.1\0"s,
                                  "::1\0x"s,
                                  "x"s + "x",
                                  std::string(100, 'x'),
                                  std::string(100, '1'),
                                  "[::1]"s,
                                  "127.0.0.1:80"s,
                                  "1.2.3"s,
                                  "1.2.3.256"s,
                                  "01.2.3.4.5"s,
                                  "::1::"s,
                                  "fe80::1%"s,
                                  "fe80::1%no-such-zone"s})
        BOOST_TEST(!tornado::is_valid_ip(ip), ip);
}

BOOST_AUTO_TEST_CASE(ip_addresses_keep_all_their_parts) {
    Address const v4("127.0.0.1", 80);
    BOOST_TEST(v4.ip() == "127.0.0.1");
    BOOST_TEST(v4.port() == 80);
    BOOST_TEST(v4.family() == AF_INET);
    BOOST_TEST(!v4.is_unix());
    BOOST_TEST(v4.path() == "");
    BOOST_TEST(v4.to_string() == "127.0.0.1:80");

    Address const v6("::1", 8080);
    BOOST_TEST(v6.ip() == "::1");
    BOOST_TEST(v6.family() == AF_INET6);
    BOOST_TEST(v6.to_string() == "[::1]:8080");

    std::ostringstream out;
    out << v6;
    BOOST_TEST(out.str() == "[::1]:8080");
}

BOOST_AUTO_TEST_CASE(ipv6_scopes_are_kept) {
    auto const lo = ::if_nametoindex("lo");
    BOOST_TEST_REQUIRE(lo != 0U);
    Address const scoped("fe80::1%lo", 80);
    BOOST_TEST(scoped.to_string() == "[fe80::1%lo]:80");
    BOOST_TEST(scoped.tcp_endpoint().address().to_v6().scope_id() == lo);
    BOOST_TEST(Address(scoped.endpoint()) == scoped);
    BOOST_TEST(scoped != Address("fe80::1", 80));
}

BOOST_AUTO_TEST_CASE(what_is_no_literal_is_refused_by_name) {
    for (char const* ip : {"localhost", "", "127.0.0.1:80", "fe80::1%no-such-zone"})
        BOOST_CHECK_EXCEPTION(Address(ip, 1), std::invalid_argument, [&](auto const& e) {
            return std::string(e.what()) == '"' + std::string(ip) + "\" is not an IP address";
        });
}

BOOST_AUTO_TEST_CASE(a_port_is_any_integer_that_fits) {
    enum Known { https = 443 };
    enum class Strict : std::uint16_t { one = 1 };
    struct Setting {
        operator std::uint16_t() const { return 8080; }
    };
    auto const port = [](auto number) { return Address("::1", number).port(); };
    BOOST_TEST(port(0) == 0);
    BOOST_TEST(port(std::uint16_t{65'535}) == 65'535);
    BOOST_TEST(port(65'535L) == 65'535);
    BOOST_TEST(port(std::int8_t{127}) == 127);
    BOOST_TEST(port(std::uint8_t{255}) == 255);
    BOOST_TEST(port(https) == 443);
    BOOST_TEST(port(Setting()) == 8080);
    static_assert(!std::is_constructible_v<Address, char const*, double>);
    static_assert(!std::is_constructible_v<Address, char const*, Strict>);
    static_assert(!std::is_constructible_v<Address, char const*, char const*>);
    constexpr tornado::detail::Port constant = 80;
    static_assert(constant == 80);

    auto const refused = [](auto number) {
        try {
            static_cast<void>(Address("::1", number));
        } catch (std::invalid_argument const& e) {
            return e.what() == "port " + std::to_string(number) +
                                   " does not exist: give a number from 0 to 65535";
        }
        return false;
    };
    BOOST_TEST(refused(65'536));
    BOOST_TEST(refused(-1));
    BOOST_TEST(refused(std::int8_t{-1}));
    BOOST_TEST(refused(std::int16_t{-1}));
    BOOST_TEST(refused(70'000U));
    BOOST_TEST(refused(std::numeric_limits<long long>::min()));
    BOOST_TEST(refused(std::numeric_limits<unsigned long long>::max()));
}

BOOST_AUTO_TEST_CASE(unix_names_of_every_kind) {
    Address const file(unix_endpoint("/run/x.sock"));
    BOOST_TEST(file.is_unix());
    BOOST_TEST(file.family() == AF_UNIX);
    BOOST_TEST(file.path() == "/run/x.sock");
    BOOST_TEST(file.to_string() == "/run/x.sock");
    BOOST_TEST(file.ip() == "");
    BOOST_TEST(file.port() == 0);
    BOOST_CHECK_THROW(file.tcp_endpoint(), std::invalid_argument);

    Address const abstract(unix_endpoint("\0na\0me"s));
    BOOST_TEST(abstract.path() == "\0na\0me"s);
    BOOST_TEST(abstract.to_string() == "@na\\x00me");

    Address const unnamed{unix_endpoint()};
    BOOST_TEST(unnamed.is_unix());
    BOOST_TEST(unnamed.path() == "");
    BOOST_TEST(unnamed.to_string() == "(unnamed)");
    BOOST_TEST(unnamed != Address());
}

BOOST_AUTO_TEST_CASE(an_empty_address_is_neither) {
    Address const none;
    BOOST_TEST(none.family() == AF_UNSPEC);
    BOOST_TEST(!none.is_unix());
    BOOST_TEST(none.ip() == "");
    BOOST_TEST(none.port() == 0);
    BOOST_TEST(none.path() == "");
    BOOST_TEST(none.to_string() == "(none)");
    BOOST_CHECK_THROW(none.tcp_endpoint(), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(a_name_cannot_break_a_log_line) {
    Address const evil(unix_endpoint("\0x\n[E] forged\x7f"s));
    BOOST_TEST(evil.to_string() == "@x\\x0a[E] forged\\x7f");
}

BOOST_AUTO_TEST_CASE(endpoints_come_back_as_they_went_in) {
    for (Address const& address :
         {Address("127.0.0.1", 80), Address("2001:db8::1", 65535), Address(unix_endpoint("/x")),
          Address(unix_endpoint("\0x\0y"s)), Address(unix_endpoint(std::string(107, 'p'))),
          Address(unix_endpoint()), Address()})
        BOOST_TEST(Address(address.endpoint()) == address);
    tcp::endpoint const endpoint(asio::ip::make_address("::1"), 7);
    BOOST_TEST(Address(endpoint).tcp_endpoint() == endpoint);
}

BOOST_AUTO_TEST_CASE(a_foreign_family_gives_an_empty_address) {
    sockaddr const foreign{AF_PACKET, {}};
    asio::generic::stream_protocol::endpoint const endpoint(&foreign, sizeof foreign);
    BOOST_TEST(Address(endpoint) == Address());
}

BOOST_AUTO_TEST_CASE(addresses_are_small_and_hash_by_content) {
    static_assert(sizeof(Address) <= 64, "an idle coroutine holds one by value");
    std::unordered_set<Address> const set{Address("127.0.0.1", 80),
                                          Address("127.0.0.1", 81),
                                          Address("127.0.0.2", 80),
                                          Address("::1", 80),
                                          Address(),
                                          Address(unix_endpoint("/x")),
                                          Address(unix_endpoint("\0x"s)),
                                          Address("127.0.0.1", 80)};
    BOOST_TEST(set.size() == 7U);
    BOOST_TEST(set.contains(Address("::1", 80)));
    BOOST_TEST(!set.contains(Address("::2", 80)));
}

BOOST_AUTO_TEST_SUITE_END()
