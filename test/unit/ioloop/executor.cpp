// SPDX-License-Identifier: BSL-1.0
// run_in_executor: where it runs, how it completes, who may end first.
#include "tornado/ioloop.hpp"

#include "support/bounded_loop.hpp"
#include "support/no_threads.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <future>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

using namespace tornado;
using namespace std::chrono_literals;
using test::run_bounded;

BOOST_AUTO_TEST_SUITE(ioloop_executor)

BOOST_AUTO_TEST_CASE(T036_functions_run_in_parallel_and_complete_on_the_loop) {
    IOLoop loop;
    std::latch both(2);
    auto const loop_thread = std::this_thread::get_id();
    int ended = 0;
    auto const call = [&](int n) -> asio::awaitable<void> {
        auto const result = co_await loop.run_in_executor(nullptr, [&both, n] {
            both.arrive_and_wait();
            return std::make_unique<int>(n);
        });
        BOOST_TEST(*result == n);
        BOOST_TEST((std::this_thread::get_id() == loop_thread));
        if (++ended == 2)
            loop.stop();
    };
    loop.add_callback(call, 1);
    loop.add_callback(call, 2);
    run_bounded(loop);
    BOOST_TEST(ended == 2);
}

BOOST_AUTO_TEST_CASE(T036_an_exception_reaches_the_awaiting_coroutine) {
    IOLoop loop;
    auto const call = [&]() -> asio::awaitable<void> {
        co_await loop.run_in_executor(nullptr, [] { throw std::out_of_range("in the pool"); });
    };
    BOOST_CHECK_THROW(loop.run_sync(call), std::out_of_range);
}

BOOST_AUTO_TEST_CASE(T036_it_takes_callbacks_and_their_executor) {
    asio::io_context context;
    IOLoop loop(context);
    asio::thread_pool elsewhere(1);
    std::promise<std::thread::id> completed;
    bool done = false;
    loop.run_in_executor(
        nullptr, [] { return 3; },
        [&](std::exception_ptr e, int n) {
            BOOST_TEST(!e);
            BOOST_TEST(n == 3);
            done = true;
        });
    loop.run_in_executor(
        nullptr, [] {}, asio::bind_executor(elsewhere, [&](std::exception_ptr) {
            completed.set_value(std::this_thread::get_id());
        }));
    BOOST_TEST(!done);
    context.run(); // the calls are work
    BOOST_TEST(done);
    BOOST_TEST((completed.get_future().get() != std::this_thread::get_id()));
}

BOOST_AUTO_TEST_CASE(T037_the_default_executor_can_be_replaced) {
    asio::thread_pool pool(1);
    std::promise<std::thread::id> identity;
    asio::post(pool, [&] { identity.set_value(std::this_thread::get_id()); });
    auto const pool_thread = identity.get_future().get();
    IOLoop loop;
    loop.set_default_executor(pool);
    auto const call = [&](asio::thread_pool* given) -> asio::awaitable<std::thread::id> {
        co_return co_await loop.run_in_executor(given, [] { return std::this_thread::get_id(); });
    };
    BOOST_TEST((loop.run_sync([&] { return call(nullptr); }) == pool_thread));
    asio::thread_pool other(1);
    BOOST_TEST((loop.run_sync([&] { return call(&other); }) != pool_thread));
}

BOOST_AUTO_TEST_CASE(cancelling_completes_before_the_function_ends) {
    IOLoop loop;
    asio::cancellation_signal cancel;
    std::promise<void> gate;
    std::exception_ptr failure;
    loop.run_in_executor(
        nullptr, [&] { gate.get_future().wait(); },
        asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr e) {
            failure = e;
            loop.stop();
        }));
    loop.add_callback([&] {
        cancel.emit(asio::cancellation_type::terminal);
        BOOST_TEST(!failure);
    });
    run_bounded(loop);
    gate.set_value();
    BOOST_REQUIRE(failure);
    try {
        std::rethrow_exception(failure);
    } catch (system_error const& e) {
        BOOST_TEST((e.code() == asio::error::operation_aborted));
    }
}

BOOST_AUTO_TEST_CASE(a_call_for_which_no_thread_can_be_made_completes_with_the_reason) {
    IOLoop loop;
    error_code told;
    auto const call = [&]() -> asio::awaitable<int> {
        try {
            test::NoThreads const none;
            static_cast<void>(co_await loop.run_in_executor(nullptr, [] { return 1; }));
        } catch (system_error const& e) {
            told = e.code();
        }
        // Later there may be some.
        co_return co_await loop.run_in_executor(nullptr, [] { return 2; });
    };
    BOOST_TEST(loop.run_sync(call, 10s) == 2);
    BOOST_TEST((told == error_code(EAGAIN, boost::system::system_category())));
}

BOOST_AUTO_TEST_CASE(a_call_that_the_pool_drops_completes_as_aborted) {
    IOLoop loop;
    std::optional<asio::thread_pool> pool(std::in_place, 1);
    pool->stop();
    bool failed = false;
    loop.run_in_executor(
        &*pool, [] { BOOST_ERROR("called"); },
        [&](std::exception_ptr e) {
            failed = e != nullptr;
            loop.stop();
        });
    pool.reset();
    run_bounded(loop);
    BOOST_TEST(failed);
}

BOOST_AUTO_TEST_CASE(a_loop_that_is_destroyed_drops_completions_on_its_own_thread) {
    struct Witness {
        std::thread::id& destroyed_on;
        ~Witness() { destroyed_on = std::this_thread::get_id(); }
    };
    asio::thread_pool pool(1);
    std::latch begun(1);
    std::promise<void> gate;
    std::thread::id destroyed_on;
    {
        IOLoop loop;
        loop.run_in_executor(
            &pool,
            [&] {
                begun.count_down();
                gate.get_future().wait();
            },
            [witness = std::unique_ptr<Witness>(new Witness{destroyed_on})](std::exception_ptr) {
                BOOST_ERROR("completed");
            });
        begun.wait();
    }
    BOOST_TEST((destroyed_on == std::this_thread::get_id()));
    gate.set_value();
    pool.join();
}

BOOST_AUTO_TEST_CASE(a_loop_waits_for_functions_in_its_own_pool) {
    bool ended = false;
    std::latch begun(1);
    {
        IOLoop loop;
        loop.run_in_executor(
            nullptr,
            [&] {
                begun.count_down();
                loop.add_callback([] { BOOST_ERROR("called"); });
                ended = true;
            },
            [](std::exception_ptr) { BOOST_ERROR("completed"); });
        begun.wait();
    }
    BOOST_TEST(ended);
}

BOOST_AUTO_TEST_SUITE_END()
