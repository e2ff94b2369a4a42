// SPDX-License-Identifier: BSL-1.0
// What users' tests are given: does it end, break and expect as it says?
#include "tornado/testing.hpp"

#include "tornado/gen.hpp"
#include "tornado/tcpserver.hpp"

#include "support/events.hpp"
#include "support/io.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

template <class F>
std::string thrown_by(F f) {
    try {
        f();
    } catch (std::exception const& e) {
        return e.what();
    }
    return "nothing";
}

} // namespace

BOOST_AUTO_TEST_SUITE(testing)

BOOST_AUTO_TEST_CASE(a_port_that_nobody_has) {
    LoopFixture fixture;
    auto [first, port] = bind_unused_port();
    auto [second, other] = bind_unused_port("::1");
    BOOST_TEST(port != 0);
    BOOST_TEST(other != 0);
    BOOST_TEST(first.local_address().to_string() == "127.0.0.1:" + std::to_string(port));
    TCPServer server([](IOStreamPtr stream, Address) { stream->write("hello\n"); });
    server.add_socket(std::move(first));
    BOOST_TEST(server.addresses().front().port() == port);
}

BOOST_AUTO_TEST_CASE(a_loop_with_an_end) {
    LoopFixture fixture(20ms);
    BOOST_TEST((IOLoop::current_if_any() == &fixture.loop));
    BOOST_TEST(fixture.run([] { return 7; }) == 7);
    BOOST_CHECK_EXCEPTION(
        fixture.run([]() -> asio::awaitable<void> { co_await tornado::sleep(1h); }), system_error,
        [](system_error const& e) { return e.code() == asio::error::timed_out; });
    BOOST_TEST((LoopFixture().limit == 5s));
    ::setenv("ASYNC_TEST_TIMEOUT", "2.5", 1);
    BOOST_TEST((LoopFixture().limit == 2500ms));
    ::unsetenv("ASYNC_TEST_TIMEOUT");
}

BOOST_FIXTURE_TEST_CASE(two_streams, LoopFixture) {
    auto const [client, server] = stream_pair();
    BOOST_TEST((client->remote_address() == server->local_address()));
    run([client = client, server = server]() -> asio::awaitable<void> {
        client->write("ping\n");
        auto const ping = co_await server->read_until("\n");
        server->write("pong\n");
        auto const pong = co_await client->read_until("\n");
        BOOST_TEST(ping + pong == "ping\npong\n");
    });
    Io plain;
    auto const pair = stream_pair(plain.executor(), {.max_buffer_size = 10});
    pair.first->write("more than ten bytes");
    Events events;
    pair.second->read_bytes(15, events.on("read"));
    plain.run_until([&] { return pair.second->closed(); });
    plain.poll();
    BOOST_TEST(events.take() == "read!full");
}

// ---- Faults

BOOST_FIXTURE_TEST_CASE(short_reads, LoopFixture) {
    FaultyPair pair;
    pair.short_reads(3);
    run([&]() -> asio::awaitable<void> {
        pair.far->write("0123456789");
        std::string pieces;
        for (int i = 0; i < 4; ++i)
            pieces += co_await pair.near->read_bytes(100, true) + "|";
        BOOST_TEST(pieces == "012|345|678|9|");
        pair.short_reads(FaultyPair::no_limit);
        pair.far->write("0123456789");
        auto const whole = co_await pair.near->read_bytes(100, true);
        BOOST_TEST(whole == "0123456789");
    });
    BOOST_CHECK_THROW(pair.short_reads(0), std::invalid_argument);
}

BOOST_FIXTURE_TEST_CASE(short_writes, LoopFixture) {
    FaultyPair pair;
    pair.short_writes(4);
    run([&]() -> asio::awaitable<void> {
        pair.near->write("0123456789");
        BOOST_TEST(pair.near->writing());
        auto const all = co_await pair.far->read_bytes(10);
        BOOST_TEST(all == "0123456789");
    });
    BOOST_CHECK_THROW(pair.short_writes(0), std::invalid_argument);
}

BOOST_FIXTURE_TEST_CASE(slow, LoopFixture) {
    FaultyPair pair;
    pair.slow(10ms);
    pair.short_reads(1);
    run([&]() -> asio::awaitable<void> {
        auto const start = IOLoop::clock::now();
        pair.far->write("abc");
        auto const all = co_await pair.near->read_bytes(3);
        BOOST_TEST(all == "abc");
        BOOST_TEST((IOLoop::clock::now() - start >= 30ms));
        auto const later = IOLoop::clock::now();
        co_await pair.near->write(std::string(100'000, 'x')); // more than the low-water mark
        BOOST_TEST((IOLoop::clock::now() - later >= 10ms));
    });
}

BOOST_FIXTURE_TEST_CASE(stalled_reads, LoopFixture) {
    FaultyPair pair;
    pair.stall_reads();
    run([&]() -> asio::awaitable<void> {
        pair.far->write("abc");
        error_code ec;
        try {
            static_cast<void>(co_await pair.near->read_bytes(3, with_timeout(10ms)));
        } catch (system_error const& e) {
            ec = e.code();
        }
        BOOST_TEST((ec == error::timeout));
        pair.resume_reads();
        auto const all = co_await pair.near->read_bytes(3);
        BOOST_TEST(all == "abc");
    });
}

BOOST_FIXTURE_TEST_CASE(stalled_writes, LoopFixture) {
    FaultyPair pair;
    pair.stall_writes();
    run([&]() -> asio::awaitable<void> {
        pair.near->write("abc");
        co_await tornado::sleep(5ms);
        BOOST_TEST(pair.near->writing());
        BOOST_TEST(pair.far->bytes_read() == 0u);
        pair.resume_writes();
        auto const all = co_await pair.far->read_bytes(3);
        BOOST_TEST(all == "abc");
        BOOST_TEST(!pair.near->writing());
    });
}

BOOST_FIXTURE_TEST_CASE(a_reset, LoopFixture) {
    FaultyPair pair;
    run([&]() -> asio::awaitable<void> {
        error_code ec;
        loop.add_callback([&] { pair.reset(); });
        try {
            static_cast<void>(co_await pair.near->read_bytes(3));
        } catch (system_error const& e) {
            ec = e.code();
        }
        BOOST_TEST((ec == asio::error::connection_reset));
        BOOST_TEST(pair.near->closed());
    });
}

BOOST_FIXTURE_TEST_CASE(faults_and_every_end, LoopFixture) {
    for (bool const is_slow : {false, true}) {
        Events events;
        FaultyPair pair;
        if (is_slow)
            pair.slow(1h);
        else
            pair.stall_reads();
        pair.near->read_bytes(3, events.on("read"));
        run([&]() -> asio::awaitable<void> { co_await tornado::sleep(1ms); });
        pair.near->close();
        run([&]() -> asio::awaitable<void> { co_await tornado::sleep(1ms); });
        BOOST_TEST(events.take() == "read!closed");
        pair.near.reset();
        pair.resume_reads(); // there is nothing any more
        pair.stall_writes();
        pair.resume_writes();
    }
    auto const held = std::make_shared<int>(1);
    std::optional<FaultyPair> left;
    {
        Io io;
        left.emplace(io.executor());
        left->stall_reads();
        left->slow(1h);
        left->near->read_bytes(3, [held](error_code, std::string const&) {});
        left->near->write(std::string(1'000'000, 'x'), [held](error_code) {});
        io.poll();
        BOOST_TEST(held.use_count() > 1);
    }
    BOOST_TEST(held.use_count() == 1);
    left->resume_reads();
}

// ---- ExpectLog

BOOST_AUTO_TEST_CASE(a_line_that_is_expected_goes_nowhere_and_others_go_on) {
    CapturedLog log;
    {
        ExpectLog const expected(Logger::application, "it broke: \\d+");
        tornado::log(Logger::application, LogLevel::error, "it broke: 42 times");
        tornado::log(Logger::application, LogLevel::error, "I say: it broke: 42");
        tornado::log(Logger::general, LogLevel::error, "it broke: 43");
        BOOST_TEST(expected.count() == 1u);
    }
    tornado::log(Logger::application, LogLevel::error, "it broke: 44");
    BOOST_TEST(log.lines() == (std::vector<std::string>{"I say: it broke: 42", "it broke: 43",
                                                        "it broke: 44"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_line_that_does_not_come) {
    CapturedLog log;
    auto const text = thrown_by([] { ExpectLog const expected(Logger::general, "never"); });
    BOOST_TEST(text == "ExpectLog: no line of tornado.general began with \"never\": look at what "
                       "was logged instead");
    BOOST_TEST(thrown_by([] {
                   ExpectLog const expected(Logger::general, "never");
                   throw std::runtime_error("the test's own");
               }) == "the test's own");
    BOOST_TEST(thrown_by([] {
                   ExpectLog const expected(Logger::general, "never", {.required = false});
               }) == "nothing");
    std::string told;
    {
        ExpectLog const expected(Logger::general, "x", {.failed = [&](auto& why) { told = why; }});
    }
    BOOST_TEST(told.find("began with \"x\"") != std::string::npos);
    BOOST_CHECK_THROW(ExpectLog(Logger::general, "("), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(the_level_counts_when_it_is_given) {
    CapturedLog log;
    {
        ExpectLog const expected(Logger::general, "words", {.level = LogLevel::debug});
        tornado::log(Logger::general, LogLevel::warning, "words");
        BOOST_TEST(expected.count() == 0u);
        tornado::log(Logger::general, LogLevel::debug, "words");
        BOOST_TEST(expected.count() == 1u);
    }
    tornado::log(Logger::general, LogLevel::debug, "words");
    BOOST_TEST(log.lines().size() == 1u);
}

BOOST_AUTO_TEST_CASE(several_at_a_time) {
    CapturedLog log;
    {
        ExpectLog const outer(Logger::general, "a");
        ExpectLog const inner(Logger::general, "ab");
        tornado::log(Logger::general, LogLevel::info, "abc");
        BOOST_TEST(outer.count() == 0u);
        BOOST_TEST(inner.count() == 1u);
        tornado::log(Logger::general, LogLevel::info, "ac");
        BOOST_TEST(outer.count() == 1u);
    }
    BOOST_TEST(log.lines().empty());
}

// ---- CapturedLog

BOOST_AUTO_TEST_CASE(every_line_comes_to_the_last_one_that_captures) {
    std::vector<std::string> before;
    set_log_sink([&](LogRecord const& record) { before.emplace_back(record.message); });
    {
        CapturedLog const outer;
        tornado::log(Logger::general, LogLevel::info, "one");
        {
            CapturedLog const inner;
            BOOST_TEST(inner.lines().empty());
            std::thread([] { tornado::log(Logger::access, LogLevel::error, "two"); }).join();
            tornado::log(Logger::application, LogLevel::warning, "two and three");
            BOOST_TEST(inner.lines() == (std::vector<std::string>{"two", "two and three"}),
                       boost::test_tools::per_element());
            BOOST_TEST(inner.count("two") == 2);
            BOOST_TEST(inner.count("three") == 1);
            BOOST_TEST(inner.count("four") == 0);
        }
        tornado::log(Logger::general, LogLevel::info, "four");
        BOOST_TEST(outer.lines() == (std::vector<std::string>{"one", "four"}),
                   boost::test_tools::per_element());
    }
    tornado::log(Logger::general, LogLevel::info, "five");
    set_log_sink({});
    BOOST_TEST(before == std::vector<std::string>{"five"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
