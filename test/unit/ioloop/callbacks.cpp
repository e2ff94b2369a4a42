// SPDX-License-Identifier: BSL-1.0
// add_callback and its kin: order, iterations, exceptions, coroutines, threads.
#include "tornado/ioloop.hpp"
#include "tornado/testing.hpp"

#include "support/allocations.hpp"
#include "support/bounded_loop.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace tornado;
using namespace std::chrono_literals;
using test::run_bounded;
using test::run_once;

namespace {

struct Counter {
    int calls = 0;
    void add(int n) { calls += n; }
};

asio::awaitable<void> throw_later(std::string text) {
    co_await asio::post(co_await asio::this_coro::executor, asio::deferred);
    throw std::runtime_error(text);
}

/// Queues one callback of its size after the other.
struct Chain {
    IOLoop& loop;
    int& left;
    std::array<void*, 4> ballast{};

    void operator()() {
        if (--left > 0)
            loop.add_callback(Chain{loop, left});
        else
            loop.stop();
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(ioloop_callbacks)

BOOST_AUTO_TEST_CASE(T001_T002_callbacks_run_later_and_in_order) {
    IOLoop loop;
    std::vector<int> order;
    for (int i : {1, 2, 3})
        loop.add_callback([&, i] { order.push_back(i); });
    order.push_back(0);
    loop.add_callback([&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(order == (std::vector<int>{0, 1, 2, 3}));
}

BOOST_AUTO_TEST_CASE(T003_a_result_is_ignored) {
    IOLoop loop;
    int calls = 0;
    loop.add_callback([&] { return std::vector<int>(static_cast<std::size_t>(++calls)); });
    loop.add_callback([&]() -> asio::awaitable<int> { co_return ++calls; });
    run_once(loop);
    run_once(loop);
    BOOST_TEST(calls == 2);
}

BOOST_AUTO_TEST_CASE(T004_a_callback_from_a_callback_wakes_the_loop) {
    IOLoop loop;
    loop.add_callback([&] { loop.add_callback([&] { loop.stop(); }); });
    run_bounded(loop);
}

BOOST_AUTO_TEST_CASE(T005_a_callback_from_another_thread_wakes_the_loop) {
    IOLoop loop;
    std::thread other;
    auto const loop_thread = std::this_thread::get_id();
    loop.add_callback([&] {
        other = std::thread([&] {
            loop.add_callback([&] {
                BOOST_TEST((std::this_thread::get_id() == loop_thread));
                loop.stop();
            });
        });
    });
    run_bounded(loop);
    other.join();
}

BOOST_AUTO_TEST_CASE(T012_callbacks_may_race_with_close) {
    for (int round = 0; round < 50; ++round) {
        IOLoop loop;
        std::atomic<bool> begun = false;
        std::atomic<bool> ended = false;
        std::thread other([&] {
            while (!ended) {
                loop.add_callback([] {});
                begun = true;
                begun.notify_one();
            }
        });
        begun.wait(false);
        loop.close();
        ended = true;
        other.join();
    }
}

BOOST_AUTO_TEST_CASE(T012_late_callbacks_are_dropped_and_destroyed) {
    IOLoop loop;
    auto const token = std::make_shared<int>();
    loop.add_callback([token] { BOOST_ERROR("called"); });
    loop.close();
    BOOST_TEST(token.use_count() == 1);
    loop.add_callback([token] { BOOST_ERROR("called"); });
    loop.call_later(0ms, [token] { BOOST_ERROR("called"); });
    BOOST_TEST(token.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(T024_an_exception_is_logged_and_the_others_run) {
    CapturedLog const captured;
    IOLoop loop;
    int calls = 0;
    loop.add_callback([] { throw std::runtime_error("first"); });
    loop.add_callback([&] { ++calls; });
    loop.add_callback([] { throw 5; });
    loop.add_callback([&] { ++calls; });
    loop.add_callback([&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(calls == 2);
    BOOST_TEST((captured.lines() ==
                std::vector<std::string>{"Exception in callback: std::runtime_error: first",
                                         "Exception in callback: int"}));
}

BOOST_AUTO_TEST_CASE(T024_an_exception_of_any_asio_handler_is_logged) {
    CapturedLog const captured;
    IOLoop loop;
    asio::post(loop.get_executor(), [] { throw std::runtime_error("plain handler"); });
    asio::post(loop.get_executor(), [&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(captured.count("Exception in callback: std::runtime_error: plain handler") == 1);
}

BOOST_AUTO_TEST_CASE(T025_T026_an_exception_of_a_coroutine_is_logged) {
    CapturedLog const captured;
    IOLoop loop;
    loop.add_callback(throw_later, "argument");
    loop.add_callback([&, text = std::string("a capture that must outlive the callback")]()
                          -> asio::awaitable<void> {
        co_await asio::post(loop.get_executor(), asio::deferred);
        loop.call_later(1ms, [&] { loop.stop(); });
        throw std::runtime_error(text);
    });
    run_bounded(loop);
    BOOST_TEST(captured.count("Exception in callback: std::runtime_error: argument") == 1);
    BOOST_TEST(captured.count("a capture that must outlive the callback") == 1);
}

BOOST_AUTO_TEST_CASE(T027_spawn_callback_has_the_same_rule) {
    CapturedLog const captured;
    IOLoop loop;
    loop.spawn_callback(throw_later, "later");
    loop.spawn_callback([] { throw std::runtime_error("at once"); });
    loop.call_later(1ms, [&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(captured.count("Exception in callback") == 2);
}

BOOST_AUTO_TEST_CASE(T035_add_future_calls_back_later) {
    IOLoop loop;
    std::vector<std::string> order;
    auto const value = [](int n) -> asio::awaitable<int> { co_return n; };
    auto const nothing = []() -> asio::awaitable<void> { co_return; };
    auto const fail = []() -> asio::awaitable<std::string> {
        throw std::runtime_error("failed");
        co_return "";
    };
    loop.add_future(value(7), [&](std::exception_ptr e, int n) {
        order.push_back(e ? "error" : std::to_string(n));
    });
    loop.add_future(nothing(),
                    [&](std::exception_ptr e) { order.push_back(e ? "error" : "void"); });
    loop.add_future(fail(), [&](std::exception_ptr e, std::string const&) {
        order.push_back(describe(e));
        loop.stop();
    });
    BOOST_TEST(order.empty());
    run_bounded(loop);
    BOOST_TEST((order == std::vector<std::string>{"7", "void", "std::runtime_error: failed"}));
}

BOOST_AUTO_TEST_CASE(T035_an_exception_of_add_futures_callback_is_logged) {
    CapturedLog const captured;
    IOLoop loop;
    loop.add_future([]() -> asio::awaitable<void> { co_return; }(),
                    [](std::exception_ptr) { throw std::runtime_error("told"); });
    loop.call_later(1ms, [&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(captured.count("Exception in callback: std::runtime_error: told") == 1);
}

BOOST_AUTO_TEST_CASE(T034_add_future_of_another_threads_work_calls_back_on_the_loop) {
    IOLoop loop;
    IOLoop worker(false);
    std::thread thread([&] { worker.start(); });
    auto const loop_thread = std::this_thread::get_id();
    std::thread::id worked_on;
    auto const work = [&]() -> asio::awaitable<int> {
        worked_on = std::this_thread::get_id();
        co_return 5;
    };
    loop.add_future(asio::co_spawn(worker.get_executor(), work, asio::use_awaitable),
                    [&](std::exception_ptr, int n) {
                        BOOST_TEST(n == 5);
                        BOOST_TEST((std::this_thread::get_id() == loop_thread));
                        loop.stop();
                    });
    run_bounded(loop);
    worker.stop();
    thread.join();
    BOOST_TEST((worked_on != loop_thread));
}

BOOST_AUTO_TEST_CASE(T057_the_program_takes_exceptions) {
    CapturedLog const captured;
    IOLoop loop;
    std::vector<std::string> seen;
    loop.set_exception_handler([&](std::exception_ptr e) {
        seen.push_back(describe(e));
        if (seen.size() == 2)
            throw std::runtime_error("the handler itself");
    });
    loop.add_callback([] { throw std::runtime_error("one"); });
    loop.add_callback([] { throw std::runtime_error("two"); });
    loop.add_callback(throw_later, "three");
    loop.call_later(1ms, [&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(
        (seen == std::vector<std::string>{"std::runtime_error: one", "std::runtime_error: two",
                                          "std::runtime_error: three"}));
    BOOST_TEST(captured.count("exception handler") == 1);

    loop.set_exception_handler({});
    loop.add_callback([] { throw std::runtime_error("four"); });
    run_once(loop);
    BOOST_TEST(captured.count("Exception in callback: std::runtime_error: four") == 1);
}

BOOST_AUTO_TEST_CASE(T058_io_has_its_turn_between_rounds_of_callbacks) {
    IOLoop loop;
    int const ready = ::eventfd(1, EFD_CLOEXEC);
    int rounds = 0;
    std::function<void()> again = [&] {
        if (++rounds < 1000)
            loop.add_callback(again);
        else
            loop.stop();
    };
    loop.add_callback(again);
    loop.add_handler(
        ready,
        [&](int, unsigned) {
            BOOST_TEST(rounds < 10);
            loop.stop();
        },
        IOLoop::READ);
    run_bounded(loop);
    BOOST_TEST(rounds < 10);
    loop.close();
    ::close(ready);
}

BOOST_AUTO_TEST_CASE(arguments_may_be_move_only_large_or_member_functions) {
    IOLoop loop;
    Counter counter;
    loop.add_callback([](std::unique_ptr<int> n, Counter& c) { c.calls += *n; },
                      std::make_unique<int>(1), std::ref(counter));
    loop.add_callback([&counter, large = std::array<char, 500>{2}] { counter.calls += large[0]; });
    loop.add_callback(&Counter::add, &counter, 4);
    run_once(loop);
    BOOST_TEST(counter.calls == 7);
}

BOOST_AUTO_TEST_CASE(a_callback_is_destroyed_after_its_call) {
    IOLoop loop;
    auto const token = std::make_shared<int>();
    loop.add_callback([token] {});
    loop.add_callback([&] { BOOST_TEST(token.use_count() == 1); });
    run_once(loop);
}

BOOST_AUTO_TEST_CASE(a_small_callback_costs_no_allocation) {
    IOLoop loop;
    int left = 0;
    auto const run = [&](int callbacks) {
        left = callbacks;
        loop.add_callback(Chain{loop, left});
        loop.start();
    };
    run(100);
    auto const before = test::allocations();
    run(100);
    auto const of_few = test::allocations() - before;
    run(10'000);
    auto const of_many = test::allocations() - before - of_few;
    BOOST_TEST(of_many == of_few);
}

BOOST_AUTO_TEST_CASE(on_a_foreign_context_callbacks_are_work_and_the_loop_is_not) {
    asio::io_context context;
    IOLoop loop(context);
    BOOST_TEST(context.run() == 0U);
    context.restart();
    CapturedLog const captured;
    int calls = 0;
    loop.add_callback([&] { loop.add_callback([&] { ++calls; }); });
    loop.add_callback([] { throw std::runtime_error("not for run()"); });
    loop.add_callback(throw_later, "nor this");
    loop.call_later(1ms, [&] { ++calls; });
    context.run();
    BOOST_TEST(calls == 2);
    BOOST_TEST(captured.count("Exception in callback") == 2);
}

BOOST_AUTO_TEST_SUITE_END()
