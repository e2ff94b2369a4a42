// SPDX-License-Identifier: BSL-1.0
// What a loop says of itself: a line for each thing that it waits for, and the figures of stats().
#include "tornado/ioloop.hpp"

#include "support/bounded_loop.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

using namespace tornado;
using namespace std::chrono_literals;
using test::run_bounded;
using test::run_once;

namespace {

/// Whether `text` has this line, of which `*` stands for anything.
bool has_line(std::string const& text, std::string const& pattern) {
    auto const star = pattern.find('*');
    auto const begin = "\n" + pattern.substr(0, star);
    auto const end = star == pattern.npos ? "\n" : pattern.substr(star + 1) + "\n";
    auto const all = "\n" + text;
    for (auto at = all.find(begin); at != all.npos; at = all.find(begin, at + 1)) {
        auto const line_end = all.find('\n', at + 1);
        auto const line = all.substr(at, line_end + 1 - at);
        if (line.size() >= begin.size() + end.size() && line.ends_with(end))
            return true;
        if (star == pattern.npos && line == begin + end)
            return true;
    }
    return false;
}

struct Descriptor {
    int fd = ::eventfd(0, EFD_CLOEXEC);
    ~Descriptor() { ::close(fd); }
};

} // namespace

BOOST_AUTO_TEST_SUITE(ioloop_describe)

BOOST_AUTO_TEST_CASE(a_loop_that_waits_for_nothing) {
    IOLoop loop;
    BOOST_TEST(loop.describe() == "loop: not running, 0 callbacks queued, 0 coroutines spawned, 0 "
                                  "functions on other threads\n");
    auto const stats = loop.stats();
    BOOST_TEST(stats.iterations == 0U);
    BOOST_TEST(stats.timeouts + stats.handlers + stats.signals + stats.callbacks == 0U);
    BOOST_TEST(!stats.longest_block.has_value());
}

BOOST_AUTO_TEST_CASE(a_closed_loop_and_one_whose_context_has_gone) {
    auto context = std::make_unique<asio::io_context>();
    IOLoop loop(*context);
    loop.call_later(1h, [] {});
    context.reset();
    BOOST_TEST(loop.describe() == "loop: closed\n");
    BOOST_TEST(loop.stats().timeouts == 0U);
}

BOOST_AUTO_TEST_CASE(what_a_running_loop_waits_for) {
    IOLoop loop;
    Descriptor reads;
    Descriptor both;
    Descriptor neither;
    loop.add_handler(
        reads.fd, [](int, unsigned) {}, IOLoop::READ);
    loop.add_handler(
        both.fd, [](int, unsigned) {}, IOLoop::READ | IOLoop::WRITE);
    loop.update_handler(both.fd, IOLoop::NONE);
    loop.add_handler(
        neither.fd, [](int, unsigned) {}, IOLoop::READ);
    loop.update_handler(neither.fd, IOLoop::NONE);
    loop.add_signal_handler(SIGUSR1, [] {});
    loop.add_signal_handler(SIGTERM, [] {});
    auto const far = loop.call_later(1h, [] {});
    loop.call_later(30min, [] {});
    std::string text;
    IOLoopStats stats;
    loop.spawn_callback([&]() -> asio::awaitable<void> { // and this coroutine
        loop.add_callback([&] {
            text = loop.describe();
            stats = loop.stats();
            loop.stop();
        });
        loop.add_callback([] {});
        asio::steady_timer for_ever(loop.context(), 1h);
        co_await for_ever.async_wait(asio::use_awaitable);
    });
    loop.start();

    BOOST_TEST_INFO(text);
    BOOST_TEST(has_line(text, "loop: running, * queued, 1 coroutine spawned, 0 functions on other "
                              "threads"));
    BOOST_TEST(has_line(text, "timeouts: 2, the next is due in 1* s"));
    BOOST_TEST(has_line(text, "signals: 10 (User defined signal 1), 15 (Terminated)"));
    BOOST_TEST(
        has_line(text, "descriptor " + std::to_string(reads.fd) + ": its handler waits for READ"));
    BOOST_TEST(has_line(text, "descriptor " + std::to_string(neither.fd) +
                                  ": its handler waits for its hang-up"));
    BOOST_TEST(stats.coroutines == 1U);
    BOOST_TEST(stats.timeouts == 2U);
    BOOST_TEST(stats.handlers == 3U);
    BOOST_TEST(stats.signals == 2U);
    BOOST_TEST(stats.iterations >= 2U);

    loop.update_handler(both.fd, IOLoop::READ | IOLoop::WRITE);
    BOOST_TEST(has_line(loop.describe(), "descriptor " + std::to_string(both.fd) +
                                             ": its handler waits for READ and WRITE"));
    loop.remove_timeout(far);
    loop.remove_signal_handler(SIGTERM);
    loop.remove_handler(reads.fd);
    stats = loop.stats();
    BOOST_TEST(stats.timeouts == 1U);
    BOOST_TEST(stats.signals == 1U);
    BOOST_TEST(stats.handlers == 2U);
}

BOOST_AUTO_TEST_CASE(coroutines_are_counted_until_they_end_or_are_destroyed) {
    IOLoop loop;
    auto const timer =
        std::make_shared<std::optional<asio::steady_timer>>(std::in_place, loop.context(), 1h);
    for (int i = 0; i < 3; ++i)
        loop.spawn_callback([timer]() -> asio::awaitable<void> {
            co_await (*timer)->async_wait(asio::use_awaitable);
        });
    loop.spawn_callback([]() -> asio::awaitable<void> { co_return; });
    run_once(loop);
    run_once(loop);
    BOOST_TEST(loop.stats().coroutines == 3U);
    (*timer)->cancel_one(); // one ends by an exception
    run_once(loop);
    run_once(loop);
    BOOST_TEST(loop.stats().coroutines == 2U);
}

BOOST_AUTO_TEST_CASE(callbacks_and_functions_of_executors_are_counted) {
    IOLoop loop;
    loop.add_callback([] {});
    loop.add_callback([] {});
    loop.run_in_executor(
        nullptr, [] {}, [](std::exception_ptr const&) {});
    BOOST_TEST(loop.stats().callbacks >= 2U);
    BOOST_TEST(loop.stats().executor_calls == 1U);
    BOOST_TEST(has_line(loop.describe(), "loop: not running, * queued, 0 coroutines spawned, 1 "
                                         "function on other threads"));
}

BOOST_AUTO_TEST_CASE(a_timeout_that_is_overdue_is_due_in_no_time) {
    IOLoop loop;
    loop.call_at(IOLoop::clock::time_point::min(), [] {});
    BOOST_TEST(has_line(loop.describe(), "timeouts: 1, the next is due in 0.000 s"));
}

BOOST_AUTO_TEST_CASE(each_kind_of_pass_counts_as_an_iteration) {
    IOLoop loop;
    auto const passes = [&](auto const& begin) {
        auto const before = loop.stats().iterations;
        begin();
        run_bounded(loop);
        return loop.stats().iterations - before;
    };
    auto const stop = passes([&] { loop.add_callback([&] { loop.stop(); }); });
    BOOST_TEST(stop >= 1U);
    BOOST_TEST(passes([&] {
                   loop.add_callback([&] { loop.add_callback([&] { loop.stop(); }); });
               }) == stop + 1);
    auto const timeout = passes([&] { loop.call_later(1ms, [&] { loop.stop(); }); });
    BOOST_TEST(passes([&] {
                   loop.call_later(1ms, [&] { loop.call_later(1ms, [&] { loop.stop(); }); });
               }) == timeout + 1);
    Descriptor ready;
    BOOST_TEST(passes([&] {
                   loop.add_handler(
                       ready.fd,
                       [&](int fd, unsigned) {
                           loop.remove_handler(fd);
                           loop.stop();
                       },
                       IOLoop::WRITE);
               }) >= 2U);
}

BOOST_AUTO_TEST_CASE(the_longest_block_is_known_where_there_is_a_threshold) {
    IOLoop loop;
    loop.set_blocking_log_threshold(1s); // which is not reached
    loop.call_later(1ms, [&] {
        BOOST_TEST(loop.stats().longest_block.has_value());
        std::this_thread::sleep_for(600ms); // more than the pause of a quarter, so that it is asked
        loop.call_later(1ms, [&] { loop.stop(); });
    });
    run_bounded(loop);
    auto const longest = loop.stats().longest_block;
    BOOST_TEST_REQUIRE(longest.has_value());
    BOOST_CHECK(*longest >= 300ms);
    BOOST_CHECK(*longest < 30s);

    std::this_thread::sleep_for(20ms);
    loop.set_blocking_log_threshold({});
    loop.add_callback([&] { loop.stop(); });
    run_bounded(loop);
    BOOST_CHECK(loop.stats().longest_block == longest); // standing still is not blocked
}

BOOST_AUTO_TEST_SUITE_END()
