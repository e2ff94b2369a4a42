// SPDX-License-Identifier: BSL-1.0
// PeriodicCallback on a running loop; its arithmetic is in ioloop_time.cpp.
#include "tornado/ioloop.hpp"
#include "tornado/testing.hpp"

#include "ioloop/random.hpp"
#include "support/bounded_loop.hpp"
#include "support/processes.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/test/unit_test.hpp>

#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

using namespace tornado;
using namespace std::chrono_literals;
using test::run_bounded;

BOOST_AUTO_TEST_SUITE(ioloop_periodic)

BOOST_AUTO_TEST_CASE(T051_the_period_is_a_positive_duration) {
    PeriodicCallback const seconds([] {}, std::chrono::duration<double>(0.5));
    BOOST_CHECK_THROW(PeriodicCallback([] {}, 0s), std::invalid_argument);
    BOOST_CHECK_THROW(PeriodicCallback([] {}, -1ms), std::invalid_argument);
    BOOST_CHECK_THROW(PeriodicCallback([] {}, 1s, -0.1), std::invalid_argument);
    BOOST_CHECK_THROW(PeriodicCallback([] {}, 1s, 1.1), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(T047_T052_T055_it_repeats_until_stop_inside_the_callback) {
    IOLoop loop;
    int calls = 0;
    auto const began = loop.time();
    PeriodicCallback periodic(
        [&] {
            if (++calls == 3) {
                periodic.stop();
                loop.call_later(5ms, [&] { loop.stop(); });
            }
        },
        1ms);
    BOOST_TEST(!periodic.is_running());
    periodic.start();
    periodic.start();
    BOOST_TEST(periodic.is_running());
    run_bounded(loop);
    BOOST_TEST(calls == 3);
    BOOST_TEST(!periodic.is_running());
    BOOST_TEST((loop.time() - began >= 8ms));
}

BOOST_AUTO_TEST_CASE(T050_with_jitter_it_repeats_too) {
    IOLoop loop;
    int calls = 0;
    PeriodicCallback periodic(
        [&] {
            if (++calls == 5)
                loop.stop();
        },
        1ms, 1.0);
    periodic.start();
    run_bounded(loop);
    BOOST_TEST(calls == 5);
}

BOOST_AUTO_TEST_CASE(T053_a_coroutine_is_not_called_before_it_has_ended) {
    IOLoop loop;
    int inside = 0;
    int calls = 0;
    PeriodicCallback periodic(
        [&]() -> asio::awaitable<void> {
            BOOST_TEST(++inside == 1);
            asio::steady_timer timer(loop.get_executor(), 5ms);
            co_await timer.async_wait(asio::deferred);
            --inside;
            if (++calls == 3)
                loop.stop();
        },
        1ms);
    periodic.start();
    run_bounded(loop);
    BOOST_TEST(calls == 3);
}

BOOST_AUTO_TEST_CASE(T053_T055_stop_and_start_during_a_coroutine_make_one_schedule) {
    IOLoop loop;
    int calls = 0;
    int calls_at_stop = 0;
    asio::steady_timer gate(loop.get_executor(), 1h);
    PeriodicCallback periodic(
        [&]() -> asio::awaitable<void> {
            if (++calls == 1) {
                loop.add_callback([&] {
                    periodic.stop();
                    periodic.start();
                });
                co_await gate.async_wait(asio::as_tuple(asio::deferred));
                loop.add_callback([&] {
                    periodic.stop();
                    calls_at_stop = calls;
                    loop.call_later(25ms, [&] { loop.stop(); });
                });
            } else {
                gate.cancel();
            }
        },
        10ms);
    periodic.start();
    run_bounded(loop);
    BOOST_TEST(calls_at_stop >= 2);
    BOOST_TEST(calls == calls_at_stop);
}

BOOST_AUTO_TEST_CASE(T054_an_exception_is_logged_and_the_schedule_goes_on) {
    CapturedLog const captured;
    IOLoop loop;
    int calls = 0;
    PeriodicCallback plain(
        [&] {
            if (++calls >= 4)
                loop.stop();
            throw std::runtime_error("plain");
        },
        1ms);
    PeriodicCallback coroutine(
        [&]() -> asio::awaitable<void> {
            ++calls;
            throw std::runtime_error("coroutine");
            co_return;
        },
        1ms);
    plain.start();
    coroutine.start();
    run_bounded(loop);
    BOOST_TEST(captured.count("Exception in callback: std::runtime_error: plain") >= 1);
    BOOST_TEST(captured.count("Exception in callback: std::runtime_error: coroutine") >= 1);
    BOOST_TEST(calls >= 4);
}

BOOST_AUTO_TEST_CASE(T055_no_call_comes_after_stop_or_destruction) {
    IOLoop loop;
    {
        PeriodicCallback periodic([] { BOOST_ERROR("called"); }, 1ms);
        periodic.start();
        periodic.stop();
        PeriodicCallback destroyed([] { BOOST_ERROR("called"); }, 1ms);
        destroyed.start();
    }
    loop.call_later(5ms, [&] { loop.stop(); });
    run_bounded(loop);
}

BOOST_AUTO_TEST_CASE(T056_the_loop_is_that_of_start) {
    IOLoop loop;
    std::unique_ptr<PeriodicCallback> periodic;
    std::thread([&] {
        IOLoop const other;
        periodic = std::make_unique<PeriodicCallback>([&] { loop.stop(); }, 1ms);
    }).join();
    periodic->start();
    run_bounded(loop);
}

BOOST_AUTO_TEST_CASE(it_may_be_destroyed_in_its_callback) {
    IOLoop loop;
    std::unique_ptr<PeriodicCallback> plain;
    std::unique_ptr<PeriodicCallback> coroutine;
    plain = std::make_unique<PeriodicCallback>(
        [&, token = std::make_shared<int>(1)] {
            plain.reset();
            BOOST_TEST(*token == 1);
        },
        1ms);
    coroutine = std::make_unique<PeriodicCallback>(
        [&, token = std::make_shared<int>(1)]() -> asio::awaitable<void> {
            coroutine.reset();
            asio::steady_timer timer(loop.get_executor(), 1ms);
            co_await timer.async_wait(asio::deferred);
            BOOST_TEST(*token == 1);
            loop.call_later(5ms, [&] { loop.stop(); });
        },
        1ms);
    plain->start();
    coroutine->start();
    run_bounded(loop);
    BOOST_TEST(!plain);
    BOOST_TEST(!coroutine);
}

BOOST_AUTO_TEST_CASE(it_may_outlive_its_loop) {
    int calls = 0;
    PeriodicCallback stopped([&calls] { ++calls; }, 1ms);
    PeriodicCallback started_again([&calls] { ++calls; }, 1ms);
    PeriodicCallback destroyed([&calls] { ++calls; }, 1ms);
    {
        asio::io_context context;
        IOLoop loop(context);
        for (auto* const each : {&stopped, &started_again, &destroyed})
            each->start();
        BOOST_TEST(stopped.is_running());
    }
    BOOST_TEST(!stopped.is_running());
    stopped.stop();

    IOLoop loop;
    started_again.start();
    BOOST_TEST(started_again.is_running());
    loop.call_later(5ms, [&loop] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(calls > 0);
}

// A generator that was seeded before the fork would draw the same in each worker.
BOOST_AUTO_TEST_CASE(T050_the_jitter_of_each_process_is_its_own) {
    auto const draw = [] {
        std::string numbers;
        for (int i = 0; i < 3; ++i)
            numbers += std::to_string(detail::random_fraction()) + ' ';
        return numbers;
    };
    draw();
    test::Report report;
    auto const child = [&] {
        report.say(draw());
        return 0;
    };
    test::Forked const one(child);
    test::Forked const other(child);
    std::set<std::string> const sequences{report.line(), report.line(), draw()};
    BOOST_TEST(sequences.size() == 3U);
}

BOOST_AUTO_TEST_SUITE_END()
