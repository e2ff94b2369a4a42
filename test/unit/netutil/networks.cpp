// SPDX-License-Identifier: BSL-1.0
// Who lies in a network, and what is none.
#include "netutil/networks.hpp"

#include <boost/test/unit_test.hpp>

#include <stdexcept>
#include <string>

using tornado::Address;
using tornado::detail::Networks;
namespace asio = boost::asio;

BOOST_AUTO_TEST_SUITE(netutil_networks)

BOOST_AUTO_TEST_CASE(who_lies_in_one) {
    Networks const networks(
        {"10.1.0.0/16", "192.0.2.7", "172.16.99.1/12", "fd00::/8", "::1", "2001:db8::8000/113"});
    for (auto const* in :
         {"10.1.0.0", "10.1.255.255", "192.0.2.7", "172.31.255.255", "fd00::", "fdff::1", "::1",
          "2001:db8::ffff", "::ffff:10.1.2.3", "::ffff:192.0.2.7"})
        BOOST_TEST(networks.contains(Address(in, 1)), in);
    for (auto const* out :
         {"10.0.255.255", "10.2.0.0", "192.0.2.6", "192.0.2.8", "172.15.255.255", "172.32.0.0",
          "fc00::1", "fe00::", "::2", "2001:db8::7fff", "::ffff:10.2.0.0", "0.0.0.1"})
        BOOST_TEST(!networks.contains(Address(out, 1)), out);
    BOOST_TEST(!networks.contains(asio::local::stream_protocol::endpoint("/a")));
    BOOST_TEST(!networks.contains(Address()));
    BOOST_TEST(Networks({"fe80::/10"}).contains(Address("fe80::1%lo", 1)));
    BOOST_TEST(Networks({"0.0.0.0/0"}).contains(Address("255.1.2.3", 1)));
    BOOST_TEST(!Networks({"0.0.0.0/0"}).contains(Address("::2", 1)));
    BOOST_TEST(Networks({"::/0"}).contains(Address("ff::2", 1)));
}

BOOST_AUTO_TEST_CASE(unix_sockets_are_one) {
    Networks const networks({"unix"});
    BOOST_TEST(networks.contains(asio::local::stream_protocol::endpoint("/a")));
    BOOST_TEST(networks.contains(asio::local::stream_protocol::endpoint()));
    BOOST_TEST(!networks.contains(Address("127.0.0.1", 1)));
    BOOST_TEST(!networks.contains(Address()));
    BOOST_TEST(!networks.empty());
    BOOST_TEST(Networks({}).empty());
    BOOST_TEST(!Networks({"::1"}).empty());
    BOOST_TEST(!Networks({"127.0.0.1"}).empty());
}

BOOST_AUTO_TEST_CASE(what_is_none_is_named) {
    for (std::string const none :
         {"", "localhost", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x",
          "10.0.0/8", "/8", "unix ", "10.0.0.0/8/8"})
        BOOST_CHECK_EXCEPTION(
            Networks({"::1", none}), std::invalid_argument, [&](std::invalid_argument const& e) {
                return std::string(e.what()).starts_with("'" + none + "' is no network");
            });
}

BOOST_AUTO_TEST_SUITE_END()
