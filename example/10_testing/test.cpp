// SPDX-License-Identifier: BSL-1.0
// How a user's server is tested: a port of its own, an end to waiting, faults, and the log.
#define BOOST_TEST_MODULE counter
#include <tornado/testing.hpp>

#include "counter.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/test/unit_test.hpp>

#include <string>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using tornado::ExpectLog;
using tornado::FaultyPair;

namespace {

/// A server that listens, and a loop that no test can hang on.
struct Fixture : tornado::LoopFixture {
    demo::Counter server{loop};
    std::uint16_t port;

    Fixture() {
        auto [socket, number] = tornado::bind_unused_port();
        server.add_socket(std::move(socket));
        port = number;
    }

    /// A connection that need not be one: the server's end has faults.
    void serve(FaultyPair const& pair) {
        asio::co_spawn(loop.context(), server.handle_stream(pair.near, tornado::Address()),
                       asio::detached);
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(counter, Fixture)

BOOST_AUTO_TEST_CASE(adds_up) {
    run([&]() -> asio::awaitable<void> {
        tornado::TCPClient client;
        auto const stream = co_await client.connect("127.0.0.1", port);
        stream->write("1\n20\n-300\n+\n");
        auto const sum = co_await stream->read_until("\n");
        BOOST_TEST(sum == "-279\n");
        stream->write("+\n");
        auto const nothing = co_await stream->read_until("\n");
        BOOST_TEST(nothing == "0\n");
    });
}

BOOST_AUTO_TEST_CASE(what_is_no_number_is_logged_and_ends_the_connection) {
    ExpectLog const expected(tornado::Logger::application,
                             "Error in connection callback of .* sent what is no number");
    run([&]() -> asio::awaitable<void> {
        tornado::TCPClient client;
        auto const stream = co_await client.connect("127.0.0.1", port);
        stream->write("1\ntwo\n");
        auto const rest = co_await stream->read_until_close();
        BOOST_TEST(rest == "");
    });
}

BOOST_AUTO_TEST_CASE(a_network_that_carries_a_byte_at_a_time) {
    FaultyPair pair;
    pair.short_reads(1);
    pair.short_writes(1);
    serve(pair);
    run([&]() -> asio::awaitable<void> {
        pair.far->write("12\n30\n+\n");
        auto const sum = co_await pair.far->read_until("\n");
        BOOST_TEST(sum == "42\n");
    });
}

BOOST_AUTO_TEST_CASE(a_network_that_stands_still_for_a_while) {
    FaultyPair pair;
    pair.stall_writes();
    serve(pair);
    run([&]() -> asio::awaitable<void> {
        pair.far->write("7\n+\n");
        bool late = false;
        try {
            static_cast<void>(co_await pair.far->read_until("\n", tornado::with_timeout(20ms)));
        } catch (tornado::system_error const& e) {
            late = e.code() == tornado::error::timeout;
        }
        BOOST_TEST(late);
        pair.resume_writes();
        auto const sum = co_await pair.far->read_until("\n");
        BOOST_TEST(sum == "7\n");
    });
}

BOOST_AUTO_TEST_CASE(a_peer_that_is_gone_leaves_nothing_behind) {
    FaultyPair pair;
    serve(pair);
    run([&]() -> asio::awaitable<void> {
        pair.far->write("7\n");
        co_await tornado::sleep(1ms);
        pair.reset();
        tornado::Event gone;
        pair.near->set_close_callback([&] { gone.set(); });
        co_await gone.wait();
    });
    BOOST_TEST(pair.near.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
