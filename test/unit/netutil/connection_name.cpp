// SPDX-License-Identifier: BSL-1.0
// What connections are called, and that no two have one number.
#include "netutil/connection_name.hpp"

#include "tornado/netutil.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <sys/socket.h>
#include <thread>
#include <utility>
#include <vector>

using namespace tornado;
using detail::connection_name;
using detail::new_connection_id;

BOOST_AUTO_TEST_SUITE(netutil_connection_name)

BOOST_AUTO_TEST_CASE(a_name_is_a_number_and_the_peer) {
    BOOST_TEST(connection_name(7, Address("192.0.2.1", 80)) == "connection 7 (192.0.2.1:80)");
    BOOST_TEST(connection_name(8, Address("2001:db8::1", 80)) == "connection 8 ([2001:db8::1]:80)");
    BOOST_TEST(connection_name(9, Address()) == "connection 9");
    using Local = boost::asio::local::stream_protocol;
    BOOST_TEST(connection_name(1, Address(Local::endpoint("/run/x"))) == "connection 1 (/run/x)");
    BOOST_TEST(connection_name(1, Address(Local::endpoint(""))) == "connection 1 (a Unix socket)");
}

BOOST_AUTO_TEST_CASE(numbers_rise_from_one_on) {
    auto const first = new_connection_id();
    BOOST_TEST(first > 0U);
    BOOST_TEST(new_connection_id() == first + 1);
}

BOOST_AUTO_TEST_CASE(threads_share_no_number_and_each_sees_them_rise) {
    constexpr std::size_t many = 20'000;
    std::array<std::vector<std::uint64_t>, 4> taken;
    std::vector<std::thread> threads;
    for (auto& list : taken)
        threads.emplace_back([&list] {
            while (list.size() < many)
                list.push_back(new_connection_id());
        });
    for (auto& thread : threads)
        thread.join();
    std::vector<std::uint64_t> all;
    for (auto const& list : taken) {
        BOOST_TEST(std::is_sorted(list.begin(), list.end()));
        all.insert(all.end(), list.begin(), list.end());
    }
    std::sort(all.begin(), all.end());
    BOOST_TEST((std::adjacent_find(all.begin(), all.end()) == all.end()));
    BOOST_TEST(all.back() - all.front() == all.size() - 1);
}

BOOST_AUTO_TEST_CASE(an_accepted_socket_keeps_its_number_when_it_moves) {
    int ends[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    AcceptedSocket first(ends[0], AF_UNIX);
    AcceptedSocket second(ends[1], AF_UNIX);
    auto const id = first.id();
    BOOST_TEST(second.id() == id + 1);
    AcceptedSocket const moved(std::move(first));
    BOOST_TEST(moved.id() == id);
}

BOOST_AUTO_TEST_SUITE_END()
