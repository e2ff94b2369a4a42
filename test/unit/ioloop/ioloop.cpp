// SPDX-License-Identifier: BSL-1.0
// The life of a loop: current, start and stop, run_sync, close, its io_context.
#include "tornado/ioloop.hpp"

#include "tornado/testing.hpp"

#include "support/bounded_loop.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <exception>
#include <future>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace tornado;
using namespace std::chrono_literals;
using test::run_bounded;
using test::run_once;

namespace {

asio::awaitable<void> wait_for(IOLoop::clock::duration time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::deferred);
}

/// Tells that it was destroyed.
struct Trace {
    bool& ended;
    ~Trace() { ended = true; }
};

} // namespace

BOOST_AUTO_TEST_SUITE(ioloop)

BOOST_AUTO_TEST_CASE(T023_start_inside_start_is_an_error) {
    IOLoop loop;
    int refused = 0;
    auto const start_again = [&] {
        try {
            loop.start();
        } catch (std::logic_error const&) {
            ++refused;
        }
    };
    loop.add_callback(start_again);
    asio::post(loop.get_executor(), start_again);
    loop.add_callback([&] { BOOST_CHECK_THROW(loop.run_sync([] {}), std::logic_error); });
    loop.call_later(0ms, [&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(refused == 2);
}

BOOST_AUTO_TEST_CASE(T023_start_inside_a_context_that_the_application_runs_is_an_error) {
    asio::io_context context;
    IOLoop loop(context);
    bool refused = false;
    asio::post(context, [&] {
        try {
            loop.start();
        } catch (std::logic_error const&) {
            refused = true;
        }
    });
    context.run();
    BOOST_TEST(refused);
}

BOOST_AUTO_TEST_CASE(T029_loops_come_and_go_in_several_threads) {
    constexpr int count = 4;
    std::latch together(count);
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i)
        threads.emplace_back([&] {
            together.arrive_and_wait();
            for (int round = 0; round < 50; ++round) {
                IOLoop loop;
                int calls = 0;
                loop.add_callback([&] { ++calls; });
                loop.add_callback([&] { loop.stop(); });
                loop.start();
                loop.close();
                if (calls != 1)
                    std::terminate();
            }
        });
    for (auto& thread : threads)
        thread.join();
}

BOOST_AUTO_TEST_CASE(T030_a_loop_on_a_foreign_context) {
    asio::io_context context;
    BOOST_TEST(IOLoop::of(context) == nullptr);
    {
        IOLoop loop(context, false);
        BOOST_TEST(&loop.context() == &context);
        BOOST_TEST(IOLoop::of(context) == &loop);
        BOOST_CHECK_THROW(IOLoop(context, false), std::logic_error);
        BOOST_TEST(IOLoop::of(context) == &loop);
        int calls = 0;
        loop.add_callback([&] { ++calls; });
        loop.add_callback([&] { loop.stop(); });
        run_bounded(loop);
        BOOST_TEST(calls == 1);
    }
    BOOST_TEST(IOLoop::of(context) == nullptr);
    IOLoop const next(context, false);
}

BOOST_AUTO_TEST_CASE(T030_stop_stops_a_context_that_the_application_runs) {
    asio::io_context context;
    IOLoop loop(context);
    auto const work = asio::make_work_guard(context);
    loop.call_later(1ms, [&] { loop.stop(); });
    context.run();
    BOOST_TEST(context.stopped());
}

BOOST_AUTO_TEST_CASE(T031_T046_a_loop_is_current_while_it_runs_and_runs_again) {
    IOLoop loop(false);
    for (int round = 0; round < 3; ++round) {
        BOOST_TEST(IOLoop::current_if_any() == nullptr);
        IOLoop* inside = nullptr;
        loop.add_callback([&] {
            inside = &IOLoop::current();
            loop.stop();
        });
        run_bounded(loop);
        BOOST_TEST(inside == &loop);
    }
    BOOST_TEST(IOLoop::current_if_any() == nullptr);
}

BOOST_AUTO_TEST_CASE(T031_the_former_current_loop_is_restored) {
    IOLoop outer;
    IOLoop inner(false);
    inner.add_callback([&] {
        BOOST_TEST(IOLoop::current_if_any() == &inner);
        inner.stop();
    });
    outer.add_callback([&] {
        inner.start();
        BOOST_TEST(IOLoop::current_if_any() == &outer);
        outer.stop();
    });
    run_bounded(outer);
}

BOOST_AUTO_TEST_CASE(T032_make_current_is_at_once) {
    IOLoop first;
    BOOST_TEST(&IOLoop::current() == &first);
    {
        IOLoop const second;
        BOOST_TEST(&IOLoop::current() == &second);
    }
    BOOST_TEST(IOLoop::current_if_any() == nullptr);
    first.make_current();
    BOOST_TEST(&IOLoop::current() == &first);
}

BOOST_AUTO_TEST_CASE(T033_clear_current_without_one_does_nothing) {
    IOLoop::clear_current();
    BOOST_TEST(IOLoop::current_if_any() == nullptr);
    std::thread([] { IOLoop::clear_current(); }).join();
}

BOOST_AUTO_TEST_CASE(current_is_created_for_a_thread_that_has_none) {
    std::thread([] {
        auto& loop = IOLoop::current();
        if (&loop != &IOLoop::current() || loop.run_sync([] { return 3; }) != 3)
            std::terminate();
        loop.close();
        if (IOLoop::current_if_any() || IOLoop::current().run_sync([] { return 4; }) != 4)
            std::terminate();
    }).join();
}

BOOST_AUTO_TEST_CASE(a_current_loop_that_closes_while_it_runs_is_there_until_it_has_run) {
    bool is_another = false;
    std::thread([&] {
        auto& loop = IOLoop::current();
        loop.add_callback([&] {
            loop.close();
            is_another = &IOLoop::current() != &loop;
        });
        loop.start();
    }).join();
    BOOST_TEST(is_another);
}

BOOST_AUTO_TEST_CASE(instance_is_the_main_threads_loop) {
    IOLoop loop;
    BOOST_TEST(&IOLoop::instance() == &loop);
    IOLoop* seen = nullptr;
    std::thread([&] {
        IOLoop const own;
        seen = &IOLoop::instance();
    }).join();
    BOOST_TEST(seen == &loop);

    IOLoop::clear_current();
    std::thread([&] { seen = &IOLoop::instance(); }).join();
    BOOST_TEST(&IOLoop::current() == seen);
    IOLoop::clear_current();
}

BOOST_AUTO_TEST_CASE(T038_T039_T040_run_sync_returns_or_throws) {
    IOLoop loop;
    BOOST_TEST(loop.run_sync([] { return 42; }) == 42);
    loop.run_sync([] {});
    BOOST_TEST(*loop.run_sync([] { return std::make_unique<int>(5); }) == 5);
    BOOST_TEST(loop.run_sync([text = std::string("captured")]() -> asio::awaitable<std::string> {
        co_await wait_for(1ms);
        co_return text;
    }) == "captured");
    BOOST_CHECK_THROW(loop.run_sync([] { throw std::out_of_range("at once"); }), std::out_of_range);
    BOOST_CHECK_THROW(loop.run_sync([]() -> asio::awaitable<void> {
        co_await wait_for(1ms);
        throw std::out_of_range("later");
    }),
                      std::out_of_range);
}

BOOST_AUTO_TEST_CASE(T041_inside_run_sync_the_loop_is_current) {
    IOLoop loop(false);
    BOOST_TEST(&loop.run_sync([] { return std::ref(IOLoop::current()); }).get() == &loop);
}

BOOST_AUTO_TEST_CASE(T042_a_timeout_throws_and_has_cancelled) {
    IOLoop loop;
    bool ended = false;
    try {
        loop.run_sync(
            [&]() -> asio::awaitable<void> {
                Trace const trace{ended};
                co_await wait_for(1h);
            },
            20ms);
        BOOST_ERROR("did not throw");
    } catch (system_error const& e) {
        BOOST_TEST((e.code() == asio::error::timed_out));
        BOOST_TEST(std::string(e.what()).find("after 0.02 seconds") != std::string::npos, e.what());
    }
    BOOST_TEST(ended);
    BOOST_TEST(loop.run_sync([] { return 1; }, 10s) == 1);
}

BOOST_AUTO_TEST_CASE(T042_a_coroutine_that_has_ended_has_not_timed_out) {
    IOLoop loop;
    BOOST_TEST(loop.run_sync(
                   [&]() -> asio::awaitable<int> {
                       asio::steady_timer timer(loop.context(), 1ms);
                       // Both the timer and the limit are over when the loop comes to look.
                       asio::post(loop.context(), [] { std::this_thread::sleep_for(20ms); });
                       co_await timer.async_wait(asio::deferred);
                       co_return 5;
                   },
                   10ms) == 5);
}

BOOST_AUTO_TEST_CASE(T042_a_coroutine_that_cannot_be_cancelled_is_left_behind) {
    CapturedLog const captured;
    IOLoop loop;
    asio::steady_timer gate(loop.get_executor(), 1h);
    auto const stubborn = [&]() -> asio::awaitable<int> {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await gate.async_wait(asio::as_tuple(asio::deferred));
        throw std::runtime_error("after all");
    };
    BOOST_CHECK_THROW(loop.run_sync(stubborn, 1ms), system_error);
    gate.cancel();
    loop.call_later(1ms, [&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(captured.count("Exception in callback: std::runtime_error: after all") == 1);
}

BOOST_AUTO_TEST_CASE(T043_a_stop_before_the_end_is_an_error) {
    IOLoop loop;
    asio::steady_timer gate(loop.context(), 1h);
    bool ended = false;
    loop.call_later(1ms, [&] { loop.stop(); });
    try {
        loop.run_sync([&]() -> asio::awaitable<void> {
            co_await gate.async_wait(asio::as_tuple(asio::deferred));
            ended = true;
            loop.stop();
        });
        BOOST_ERROR("did not throw");
    } catch (std::runtime_error const& e) {
        BOOST_TEST(std::string(e.what()).find("Event loop stopped before") == 0U, e.what());
    }
    BOOST_TEST(!ended);
    gate.cancel();
    run_bounded(loop);
    BOOST_TEST(ended);
}

BOOST_AUTO_TEST_CASE(T042_T043_what_run_sync_leaves_behind_stops_no_later_run) {
    for (bool const by_stop : {false, true}) {
        asio::io_context context;
        IOLoop loop(context);
        asio::steady_timer gate(context, asio::steady_timer::time_point::max());
        std::optional<bool> cancelled;
        auto const wait = [&]() -> asio::awaitable<void> {
            co_await gate.async_wait(asio::as_tuple(asio::deferred));
            cancelled = !by_stop;
        };
        if (by_stop) {
            loop.add_callback([&] { loop.stop(); });
            BOOST_CHECK_THROW(loop.run_sync(wait, 1h), std::runtime_error);
            gate.cancel();
        } else {
            BOOST_CHECK_THROW(loop.run_sync(wait, 1ms), system_error);
            BOOST_TEST(cancelled.has_value());
        }
        // Neither the limit nor the second of grace is there to stop anything.
        context.restart();
        context.poll();
        BOOST_TEST(cancelled.has_value());
        BOOST_TEST(context.stopped(), "work is left");
        BOOST_TEST(loop.run_sync([]() -> asio::awaitable<int> {
            co_await wait_for(2ms);
            co_return 5;
        }) == 5);
    }
}

namespace {

/// An operation that is started by calling `start` with its handler.
template <class Start>
auto operation(Start start) {
    asio::deferred_t token;
    return asio::async_initiate<asio::deferred_t, void(error_code)>(start, token);
}

} // namespace

BOOST_AUTO_TEST_CASE(run_sync_ends_when_its_coroutine_was_destroyed_before_its_end) {
    asio::io_context context;
    IOLoop loop(context);
    bool ended = false;
    auto const unfinished = [&](auto start) {
        return [&ended, start]() -> asio::awaitable<int> {
            Trace const trace{ended};
            try {
                co_await operation(start);
            } catch (...) {
                BOOST_ERROR("there is nothing to catch");
            }
            BOOST_ERROR("went on");
            co_return 1;
        };
    };
    auto const text_of = [&](auto run) -> std::string {
        ended = false;
        try {
            run();
        } catch (std::runtime_error const& e) {
            BOOST_TEST(ended);
            return e.what();
        }
        return "did not throw";
    };
    CapturedLog const log; // has what the start threw
    auto const throws = unfinished([](auto&&) { throw std::out_of_range("at the start"); });
    auto const forgets = unfinished([](auto handler) { static_cast<void>(std::move(handler)); });
    auto const nested = [&]() -> asio::awaitable<void> { static_cast<void>(co_await throws()); };
    for (auto const& text :
         {text_of([&] { loop.run_sync(throws); }), text_of([&] { loop.run_sync(throws, 10s); }),
          text_of([&] { loop.run_sync(forgets); }), text_of([&] { loop.run_sync(nested); })})
        BOOST_TEST(text.find("the coroutine was destroyed before its end") != text.npos, text);
    context.restart();
    context.poll();
    BOOST_TEST(context.stopped(), "work is left");
    BOOST_TEST(loop.run_sync([] { return 3; }) == 3);
}

BOOST_AUTO_TEST_CASE(a_coroutine_that_run_sync_has_left_behind_may_be_destroyed_at_any_time) {
    bool ended = false;
    {
        IOLoop loop;
        loop.add_callback([&] { loop.stop(); });
        BOOST_CHECK_THROW(loop.run_sync([&]() -> asio::awaitable<void> {
            Trace const trace{ended};
            co_await wait_for(1h);
        }),
                          std::runtime_error);
        BOOST_TEST(!ended);
    }
    BOOST_TEST(ended);
}

BOOST_AUTO_TEST_CASE(T044_stop_before_start_makes_it_return) {
    IOLoop loop;
    std::vector<std::string> order;
    loop.add_callback([&] {
        order.push_back("before");
        loop.add_callback([&] { order.push_back("next start"); });
    });
    loop.stop();
    loop.add_callback([&] { order.push_back("after"); });
    loop.start();
    BOOST_TEST((order == std::vector<std::string>{"before", "after"}));
    run_once(loop);
    BOOST_TEST(order.back() == "next start");
}

BOOST_AUTO_TEST_CASE(T045_stop_lets_the_iteration_finish_and_no_more) {
    IOLoop loop;
    std::vector<int> order;
    loop.add_callback([&] {
        order.push_back(1);
        loop.add_callback([&] { order.push_back(3); });
        loop.stop();
        loop.add_callback([&] { order.push_back(4); });
    });
    loop.add_callback([&] { order.push_back(2); });
    run_bounded(loop);
    BOOST_TEST(order == (std::vector<int>{1, 2}));
    run_once(loop);
    BOOST_TEST(order == (std::vector<int>{1, 2, 3, 4}));
}

BOOST_AUTO_TEST_CASE(T045_a_stop_that_the_contexts_own_has_overtaken_stops_no_later_run) {
    IOLoop loop;
    asio::post(loop.context(), [&] {
        loop.stop();
        loop.context().stop();
    });
    loop.start();
    bool later = false;
    loop.call_later(1ms, [&] {
        later = true;
        loop.stop();
    });
    loop.start();
    BOOST_TEST(later);
}

BOOST_AUTO_TEST_CASE(T045_stop_from_another_thread_runs_what_was_queued_before) {
    IOLoop loop;
    bool queued_before = false;
    std::latch queued(1);
    std::thread other;
    loop.add_callback([&] {
        other = std::thread([&] {
            loop.add_callback([&] { queued_before = true; });
            loop.stop();
            loop.add_callback([&] { loop.stop(); });
            queued.count_down();
        });
        queued.wait();
    });
    run_bounded(loop);
    other.join();
    BOOST_TEST(queued_before);
    run_bounded(loop);
}

BOOST_AUTO_TEST_CASE(a_closed_loop_cannot_start) {
    IOLoop loop;
    loop.close();
    loop.close();
    BOOST_TEST(IOLoop::current_if_any() == nullptr);
    BOOST_CHECK_THROW(loop.start(), std::logic_error);
    BOOST_CHECK_THROW(loop.run_sync([] {}), std::logic_error);
    loop.stop();
}

BOOST_AUTO_TEST_CASE(close_inside_a_callback_ends_start) {
    IOLoop loop;
    loop.add_callback([&] { loop.close(); });
    loop.add_callback([] { BOOST_ERROR("called after close"); });
    loop.start();
}

BOOST_AUTO_TEST_CASE(a_loop_may_be_destroyed_in_each_kind_of_callback) {
    for (int kind = 0; kind < 4; ++kind) {
        auto loop = std::make_unique<IOLoop>();
        auto const destroy = [&loop] { loop.reset(); };
        loop->call_later(1h, [] {});
        switch (kind) {
        case 0:
            loop->add_callback(destroy);
            break;
        case 1:
            loop->call_later(0ms, destroy);
            break;
        case 2:
            asio::post(loop->get_executor(), destroy);
            break;
        case 3:
            loop->add_callback([&]() -> asio::awaitable<void> {
                co_await wait_for(1ms);
                loop.reset();
            });
        }
        loop->add_callback([] {});
        loop->start();
        BOOST_TEST(!loop);
        BOOST_TEST(IOLoop::current_if_any() == nullptr);
    }
}

BOOST_AUTO_TEST_CASE(a_loop_on_a_foreign_context_is_destroyed_in_its_callback) {
    asio::io_context context;
    auto loop = std::make_unique<IOLoop>(context);
    loop->add_callback([&] { loop.reset(); });
    loop->call_later(1h, [] {});
    context.run();
    BOOST_TEST(!loop);
}

BOOST_AUTO_TEST_CASE(the_former_current_loop_may_be_destroyed_meanwhile) {
    auto former = std::make_unique<IOLoop>();
    IOLoop loop(false);
    loop.add_callback([&] {
        former.reset();
        loop.stop();
    });
    run_bounded(loop);
    BOOST_TEST(IOLoop::current_if_any() == nullptr);
}

BOOST_AUTO_TEST_CASE(a_loop_with_everything_pending_is_destroyed) {
    auto const token = std::make_shared<int>();
    {
        IOLoop loop;
        loop.add_callback([token] {});
        loop.call_later(1h, [token] {});
        loop.add_callback([token, &loop]() -> asio::awaitable<void> {
            loop.add_callback([token] {});
            co_await wait_for(1h);
        });
        run_once(loop);
    }
    BOOST_TEST(token.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(a_loop_whose_context_has_ended_is_closed) {
    auto context = std::make_unique<asio::io_context>();
    IOLoop loop(*context);
    asio::thread_pool pool(1);
    int pipe[2];
    BOOST_TEST_REQUIRE(::pipe(pipe) == 0);
    auto const token = std::make_shared<int>();
    auto const callback = [token] { BOOST_ERROR("called after the end of the context"); };
    auto const on_event = [callback](int, unsigned) { callback(); };
    auto const on_signal = [callback](int) { callback(); };
    auto const on_result = [callback](std::exception_ptr, int) { callback(); };

    auto const timeout = loop.call_later(1h, callback);
    loop.add_callback(callback);
    loop.add_handler(pipe[0], on_event, IOLoop::READ);
    loop.add_signal_handler(SIGUSR1, on_signal);
    std::promise<void> finish;
    loop.run_in_executor(
        &pool, [&] { return finish.get_future().wait(), 1; }, on_result);
    BOOST_TEST(IOLoop::current_if_any() == &loop);
    context.reset();
    finish.set_value();
    BOOST_TEST(token.use_count() == 5); // the callables above
    BOOST_TEST(IOLoop::current_if_any() == nullptr);

    loop.remove_timeout(timeout);
    loop.remove_timeout(loop.call_later(1h, callback));
    loop.add_callback(callback);
    loop.add_callback_from_signal([] {});
    loop.remove_handler(pipe[0]);
    loop.add_handler(pipe[0], on_event, IOLoop::READ);
    loop.update_handler(pipe[0], IOLoop::WRITE);
    loop.add_signal_handler(SIGUSR1, on_signal);
    loop.remove_signal_handler(SIGUSR1);
    loop.run_in_executor(
        &pool, [] { return 1; }, on_result);
    loop.set_blocking_log_threshold(1s);
    loop.set_exception_handler([token](std::exception_ptr) {});
    loop.set_exception_handler({});
    BOOST_CHECK_THROW(loop.start(), std::logic_error);
    BOOST_CHECK_THROW(loop.run_sync([] {}), std::logic_error);
    loop.stop();
    loop.close();
    pool.join();
    BOOST_TEST(token.use_count() == 5);
    ::close(pipe[0]);
    ::close(pipe[1]);
}

BOOST_AUTO_TEST_CASE(callbacks_of_other_threads_race_with_the_end_of_the_context) {
    auto const token = std::make_shared<int>();
    for (int round = 0; round < 100; ++round) {
        auto context = std::make_unique<asio::io_context>();
        IOLoop loop(*context);
        std::latch begun(2);
        std::thread other([&] {
            begun.arrive_and_wait();
            for (int n = 0; n < 10; ++n)
                loop.add_callback([token] {});
            loop.stop();
        });
        begun.arrive_and_wait();
        context.reset();
        other.join();
    }
    BOOST_TEST(token.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
