// SPDX-License-Identifier: BSL-1.0
// with_timeout around tokens, operations and coroutines, and sleep.
#include "tornado/gen.hpp"
#include "tornado/ioloop.hpp"
#include "tornado/tcpserver.hpp"

#include "support/bounded_loop.hpp"
#include "support/events.hpp"
#include "support/stream_pairs.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

asio::awaitable<error_code> code_of(asio::awaitable<void> awaitable) {
    try {
        co_await std::move(awaitable);
    } catch (system_error const& e) {
        co_return e.code();
    }
    co_return error_code();
}

/// Move-only, and never without a value.
struct Given {
    explicit Given(int n) : value(std::make_unique<int>(n)) {}
    std::unique_ptr<int> value;
};

} // namespace

BOOST_AUTO_TEST_SUITE(with_timeout_and_sleep)

// ---- Codes

BOOST_AUTO_TEST_CASE(a_timeout_is_no_end_of_the_stream) {
    error_code const ec = error::timeout;
    BOOST_TEST((ec == std::errc::timed_out));
    BOOST_TEST((ec == boost::system::errc::timed_out));
    BOOST_TEST((ec != errc::stream_closed));
    BOOST_TEST((error_code(error::buffer_full) != std::errc::timed_out));
    BOOST_TEST(ec.message().find("with_timeout") != std::string::npos);
}

// ---- Tokens

BOOST_AUTO_TEST_CASE_TEMPLATE(T124_a_read_that_is_over_is_told_and_loses_no_byte, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    io.far->write("abc");
    do {
        io.near->read_bytes(5, with_timeout(1ms, events.on("read")));
        io.run_until([&] { return !io.near->reading(); });
        BOOST_TEST(events.take() == "read!timeout");
    } while (io.near->bytes_read() != 3);
    io.far->write("de");
    io.near->read_bytes(5, with_timeout(1h, events.on("read")));
    io.run_until([&] { return !io.near->reading(); });
    BOOST_TEST(events.take() == "read:abcde");
    BOOST_TEST(!io.near->closed());
}

BOOST_AUTO_TEST_CASE(every_form_of_it) {
    StreamPair<TcpKind> io;
    auto late = io.near->read_until("\n", with_timeout(1ms, asio::use_future));
    io.run_until([&] { return late.wait_for(0s) == std::future_status::ready; });
    BOOST_CHECK_EXCEPTION(late.get(), system_error,
                          [](system_error const& e) { return e.code() == error::timeout; });
    io.run_test([&]() -> asio::awaitable<void> {
        io.far->write("1\n2\n3\n4\n");
        BOOST_TEST(co_await io.near->read_until("\n", with_timeout(1h)) == "1\n");
        BOOST_TEST(co_await with_timeout(1h, io.near->read_until("\n")) == "2\n");
        BOOST_TEST(co_await with_timeout(1h, io.near->read_until("\n", asio::use_awaitable)) ==
                   "3\n");
        auto const [ok, line] =
            co_await io.near->read_until("\n", with_timeout(1h, asio::as_tuple(asio::deferred)));
        BOOST_TEST(!ok);
        BOOST_TEST(line == "4\n");
        auto const [over, none] =
            co_await io.near->read_until("\n", asio::as_tuple(with_timeout(1ms)));
        BOOST_TEST((over == error::timeout));
        BOOST_TEST(none.empty());
        auto const read = [&]() -> asio::awaitable<void> {
            static_cast<void>(co_await with_timeout(1ms, io.near->read_until("\n")));
        };
        BOOST_TEST(word(co_await code_of(read())) == "timeout");
    });
}

BOOST_AUTO_TEST_CASE(only_the_limit_is_told_as_such) {
    Io io;
    Events events;
    asio::cancellation_signal outer;
    asio::steady_timer timer(io.context, asio::steady_timer::duration::max());
    timer.async_wait(
        with_timeout(1h, asio::bind_cancellation_slot(outer.slot(), events.on("from outside"))));
    outer.emit(asio::cancellation_type::terminal);
    timer.async_wait(cancel_after(1ms, with_timeout(1h, events.on("by the inner limit"))));
    timer.async_wait(with_timeout(1ms, cancel_after(1h, events.on("by the outer limit"))));
    io.run_until([&, n = 0, text = std::string()]() mutable {
        text += events.take() + " ";
        static_cast<void>(n);
        if (text.find("outside!aborted") == text.npos || text.find("inner") == text.npos ||
            text.find("outer limit!timeout") == text.npos)
            return false;
        BOOST_TEST(text.find("inner limit!aborted") != text.npos);
        return true;
    });
}

BOOST_AUTO_TEST_CASE(an_error_of_its_own_stays) {
    StreamPair<TcpKind> io;
    Events events;
    io.near->read_until("\n", with_timeout(1h, events.on("read")));
    io.far->close();
    io.run_until([&] { return io.near->closed(); });
    io.poll();
    BOOST_TEST(events.take() == "read!eof");
}

// ---- Coroutines

BOOST_AUTO_TEST_CASE(a_coroutine_is_cancelled_and_waited_for) {
    Io io;
    Events events;
    io.run_test([&]() -> asio::awaitable<void> {
        auto const works = [&]() -> asio::awaitable<void> {
            try {
                co_await sleep(1h);
            } catch (system_error const& e) {
                events.add("inside " + word(e.code()));
                throw;
            }
        };
        auto const ec = co_await code_of(with_timeout(1ms, works()));
        events.add("outside " + word(ec));
    });
    BOOST_TEST(events.take() == "inside aborted, outside timeout");
    io.run(); // nothing is left of it
}

BOOST_AUTO_TEST_CASE(a_coroutine_in_time_gives_its_result_and_its_exceptions) {
    Io io;
    io.run_test([&]() -> asio::awaitable<void> {
        auto const text = [&](bool fails) -> asio::awaitable<std::unique_ptr<std::string>> {
            co_await sleep(0s);
            if (fails)
                throw std::runtime_error("its own");
            co_return std::make_unique<std::string>("text");
        };
        BOOST_TEST(*co_await with_timeout(1h, text(false)) == "text");
        bool thrown = false;
        try {
            co_await with_timeout(1h, text(true));
        } catch (std::runtime_error const& e) {
            thrown = e.what() == "its own"s;
        }
        BOOST_TEST(thrown);
    });
}

BOOST_AUTO_TEST_CASE(a_coroutine_whose_result_is_not_made_out_of_nothing) {
    Io io;
    io.run_test([&]() -> asio::awaitable<void> {
        auto const give = [](std::chrono::nanoseconds after) -> asio::awaitable<Given> {
            co_await sleep(after);
            co_return Given(7);
        };
        BOOST_TEST(*(co_await with_timeout(1h, give(0s))).value == 7);
        auto const late = [&]() -> asio::awaitable<void> { co_await with_timeout(1ms, give(1h)); };
        BOOST_TEST(word(co_await code_of(late())) == "timeout");
    });
}

BOOST_AUTO_TEST_CASE(a_coroutine_that_makes_the_best_of_it) {
    Io io;
    io.run_test([&]() -> asio::awaitable<void> {
        auto const partial = []() -> asio::awaitable<int> {
            try {
                co_await sleep(1h);
            } catch (system_error const&) {
            }
            co_return 7;
        };
        BOOST_TEST(co_await with_timeout(1ms, partial()) == 7);
    });
}

BOOST_AUTO_TEST_CASE(a_limit_within_a_limit) {
    Io io;
    io.run_test([&]() -> asio::awaitable<void> {
        auto const inner = []() -> asio::awaitable<void> { co_await with_timeout(1h, sleep(1h)); };
        BOOST_TEST(word(co_await code_of(with_timeout(1ms, inner()))) == "timeout");
        auto const shorter = []() -> asio::awaitable<void> {
            co_await with_timeout(1ms, sleep(1h));
        };
        BOOST_TEST(word(co_await code_of(with_timeout(1h, shorter()))) == "timeout");
    });
}

// ---- sleep

BOOST_AUTO_TEST_CASE(sleep_takes_its_time) {
    Io io;
    io.run_test([&]() -> asio::awaitable<void> {
        auto const start = std::chrono::steady_clock::now();
        co_await sleep(20ms);
        BOOST_TEST((std::chrono::steady_clock::now() - start >= 20ms));
        co_await sleep(std::chrono::duration<double>(0.001));
        co_await sleep(0s);
        co_await sleep(-1h);
    });
    BOOST_CHECK_THROW(static_cast<void>(sleep(std::chrono::duration<double>(NAN))),
                      std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(sleep_for_a_callback_is_on_the_current_loop) {
    IOLoop loop;
    Events events;
    bool inside = true;
    sleep(0s, [&](error_code ec) {
        BOOST_TEST(!inside);
        BOOST_TEST((IOLoop::current_if_any() == &loop));
        events.add(word(ec));
        loop.stop();
    });
    inside = false;
    run_bounded(loop);
    BOOST_TEST(events.take() == "ok");
}

BOOST_AUTO_TEST_CASE(a_limit_to_a_sleep_that_a_callback_waits_for) {
    IOLoop loop;
    Events events;
    sleep(1h, cancel_after(1ms, events.on("cancelled")));
    sleep(0s, cancel_after(1h, events.on("slept")));
    sleep(1h, with_timeout(2ms, [&](error_code ec) {
              events.add("late " + word(ec));
              loop.stop();
          }));
    run_bounded(loop);
    BOOST_TEST(events.take() == "slept, cancelled!aborted, late timeout");
}

BOOST_AUTO_TEST_CASE(a_limit_to_a_sleep_is_kept_where_its_handler_runs) {
    Io io;
    IOLoop elsewhere; // current, and not run
    Events events;
    auto const strand = asio::make_strand(io.context);
    sleep(1h, cancel_after(1ms, asio::bind_executor(strand, events.on("callback"))));
    io.run();
    BOOST_TEST(events.take() == "callback!aborted");
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(word(co_await code_of(sleep(1h, cancel_after(1ms, asio::use_awaitable)))) ==
                   "aborted");
    });
}

BOOST_AUTO_TEST_CASE(sleep_on_a_strand) {
    Io io;
    auto const strand = asio::make_strand(io.context);
    bool on_strand = false;
    sleep(1ms, asio::bind_executor(
                   strand, [&](error_code) { on_strand = strand.running_in_this_thread(); }));
    io.run();
    BOOST_TEST(on_strand);
}

BOOST_AUTO_TEST_CASE(a_sleep_that_is_cancelled_or_loses_its_context) {
    auto const held = std::make_shared<int>(1);
    {
        Io io;
        Events events;
        asio::cancellation_signal signal;
        sleep(1h, asio::bind_cancellation_slot(
                      signal.slot(), asio::bind_executor(io.context, events.on("sleep"))));
        signal.emit(asio::cancellation_type::total);
        BOOST_TEST(events.take() == "");
        io.run();
        BOOST_TEST(events.take() == "sleep!aborted");
        sleep(1h, asio::bind_executor(io.context, [held](error_code) {}));
        sleep(std::chrono::hours::max(), asio::bind_executor(io.context, [held](error_code) {}));
        BOOST_TEST(held.use_count() == 3);
    }
    BOOST_TEST(held.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
