// SPDX-License-Identifier: BSL-1.0
// Locks: Tornado's behaviours one by one, for callbacks and coroutines, and every way to leave a
// line.
#include "tornado/locks.hpp"

#include "tornado/gen.hpp"
#include "tornado/ioloop.hpp"
#include "tornado/testing.hpp"

#include "support/allocations.hpp"
#include "support/bounded_loop.hpp"
#include "support/io_events.hpp"
#include "support/uncalled.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/strand.hpp>
#include <boost/test/unit_test.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

template <class Primitive>
auto wait_for(Primitive& lock, auto&& token) {
    if constexpr (requires { lock.wait(std::forward<decltype(token)>(token)); })
        return lock.wait(std::forward<decltype(token)>(token));
    else
        return lock.acquire(std::forward<decltype(token)>(token));
}

struct FullSemaphore : Semaphore {
    explicit FullSemaphore(asio::any_io_executor const& executor) : Semaphore(executor, 0) {}
};

struct FullLock : Lock {
    explicit FullLock(asio::any_io_executor const& executor) : Lock(executor) {
        acquire([](error_code) {});
    }
};

/// All that nobody passes at first.
using Closed = std::tuple<Event, Condition, FullSemaphore, FullLock>;

void open_one(Event& event) {
    event.set();
}
void open_one(Condition& condition) {
    condition.notify();
}
void open_one(auto& lock) {
    lock.release();
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(locks, IoEvents)

// ---- Every one of them

BOOST_AUTO_TEST_CASE_TEMPLATE(completion_is_never_inside_a_call, Primitive, Closed) {
    IoEvents io;
    Primitive lock(io.executor());
    bool inside = true;
    int calls = 0;
    auto const handler = [&](error_code ec) {
        BOOST_TEST(!inside);
        BOOST_TEST(!ec);
        ++calls;
    };
    wait_for(lock, handler);
    io.poll();
    BOOST_TEST(calls == 0);
    asio::post(io.context, [&] {
        inside = true;
        open_one(lock);
        inside = false;
    });
    io.run();
    BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_waiter_is_work_until_it_has_completed, Primitive, Closed) {
    IoEvents io;
    Primitive lock(io.executor());
    io.poll();
    wait_for(lock, io.events.on("wait"));
    io.poll();
    BOOST_TEST(!io.context.stopped());
    open_one(lock); // outside of any handler: the context is not to stop in between
    io.context.run_for(30s);
    BOOST_TEST(io.context.stopped());
    BOOST_TEST(io.events.take() == "wait");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_cancelled_waiter_leaves_the_line, Primitive, Closed) {
    IoEvents io;
    Primitive lock(io.executor());
    for (auto const type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                            asio::cancellation_type::total}) {
        asio::cancellation_signal signal;
        wait_for(lock, io.events.on("first"));
        wait_for(lock, asio::bind_cancellation_slot(signal.slot(), io.events.on("second")));
        wait_for(lock, io.events.on("third"));
        signal.emit(type);
        signal.emit(type); // harmless
        BOOST_TEST(io.events.take() == "");
        BOOST_TEST(io.now() == "second!aborted");
        signal.emit(type);
        open_one(lock);
        if constexpr (!std::is_same_v<Primitive, Event>) {
            BOOST_TEST(io.now() == "first");
            open_one(lock);
            BOOST_TEST(io.now() == "third");
        } else {
            BOOST_TEST(io.now() == "first, third");
            lock.clear();
        }
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(whose_turn_has_come_is_not_cancelled_any_more, Primitive, Closed) {
    IoEvents io;
    Primitive lock(io.executor());
    asio::cancellation_signal signal;
    wait_for(lock, asio::bind_cancellation_slot(signal.slot(), io.events.on("wait")));
    open_one(lock);
    signal.emit(asio::cancellation_type::terminal);
    BOOST_TEST(io.now() == "wait");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_time_limit, Primitive, Closed) {
    IoEvents io;
    Primitive lock(io.executor());
    wait_for(lock, cancel_after(1ms, io.events.on("callback")));
    BOOST_TEST(io.later("callback!aborted") == "callback!aborted");
    io.run_test([&]() -> asio::awaitable<void> {
        error_code ec;
        try {
            co_await wait_for(lock, with_timeout(1ms));
        } catch (system_error const& e) {
            ec = e.code();
        }
        BOOST_TEST((ec == error::timeout));
        open_one(lock); // in time, though nobody reads it yet
        if constexpr (!std::is_same_v<Primitive, Condition>)
            co_await wait_for(lock, with_timeout(1h));
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(destroyed_while_somebody_waits, Primitive, Closed) {
    IoEvents io;
    std::optional<Primitive> lock(std::in_place, io.executor());
    asio::cancellation_signal signal;
    wait_for(*lock, asio::bind_cancellation_slot(signal.slot(), io.events.on("first")));
    wait_for(*lock, io.events.on("second"));
    lock.reset();
    signal.emit(asio::cancellation_type::terminal);
    BOOST_TEST(io.events.take() == "");
    BOOST_TEST(io.now() == "first!aborted, second!aborted");
    io.run();
}

BOOST_AUTO_TEST_CASE_TEMPLATE(destroyed_by_the_one_that_was_let_in, Primitive, Closed) {
    IoEvents io;
    auto lock = std::make_unique<Primitive>(io.executor());
    wait_for(*lock, [&](error_code) { lock.reset(); });
    wait_for(*lock, io.events.on("second"));
    open_one(*lock);
    auto const text = io.now();
    BOOST_TEST(
        (text == "second!aborted" || (std::is_same_v<Primitive, Event> && text == "second")));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(whose_context_ends_first, Primitive, Closed) {
    std::optional<Primitive> lock;
    Uncalled uncalled;
    asio::cancellation_signal signal;
    {
        Io io;
        lock.emplace(io.executor());
        wait_for(*lock, asio::bind_cancellation_slot(signal.slot(), uncalled.handler()));
        wait_for(*lock, uncalled.handler());
        asio::co_spawn(
            io.context,
            [&]() -> asio::awaitable<void> {
                auto const held = uncalled.handler();
                co_await wait_for(*lock, asio::deferred);
            },
            asio::detached);
        io.poll();
        BOOST_TEST(uncalled.left() == 3);
    }
    BOOST_TEST(uncalled.left() == 0);
    wait_for(*lock, uncalled.handler());
    open_one(*lock);
    wait_for(*lock, uncalled.handler());
    BOOST_TEST(uncalled.left() == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(owned_by_its_waiter_alone_when_the_context_ends, Primitive, Closed) {
    auto const held = std::make_shared<int>(1);
    {
        Io io;
        auto lock = std::make_shared<Primitive>(io.executor());
        auto& waits = *lock;
        wait_for(waits, [held, lock](error_code) {});
        wait_for(waits, [held](error_code) {});
    }
    BOOST_TEST(held.use_count() == 1);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_handler_runs_on_its_own_executor, Primitive, Closed) {
    IoEvents io;
    auto const strand = asio::make_strand(io.context);
    Primitive lock(io.executor());
    bool on_strand = false;
    wait_for(lock, asio::bind_executor(
                       strand, [&](error_code) { on_strand = strand.running_in_this_thread(); }));
    open_one(lock);
    io.run();
    BOOST_TEST(on_strand);
}

BOOST_AUTO_TEST_CASE(on_the_current_loop) {
    LoopFixture test(30s);
    Event event;
    Condition condition;
    Semaphore semaphore;
    BoundedSemaphore bounded;
    Lock lock;
    test.run([&]() -> asio::awaitable<void> {
        co_await semaphore.acquire();
        co_await bounded.acquire();
        co_await lock.acquire();
        event.set();
        co_await event.wait();
        test.loop.add_callback([&] { condition.notify_all(); });
        co_await condition.wait();
    });
    BOOST_TEST((event.get_executor() == asio::any_io_executor(test.loop.get_executor())));
    BOOST_TEST((lock.get_executor() == event.get_executor()));
    Event elsewhere(test.loop);
    BOOST_TEST((elsewhere.get_executor() == event.get_executor()));
}

BOOST_AUTO_TEST_CASE(a_wait_costs_no_allocation) {
    Semaphore semaphore(executor(), 0);
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
            for (;;)
                co_await semaphore.acquire();
        },
        asio::detached);
    auto const allocated = allocations_once_settled(*this, [&](auto next) {
        semaphore.release();
        asio::post(context, [next]() mutable { next(error_code()); });
    });
    BOOST_TEST(allocated == 0u);
}

// ---- Event

BOOST_AUTO_TEST_CASE(event_set_wakes_all_and_clear_does_not_take_that_back) {
    Event event(executor());
    event.wait(events.on("0"));
    event.wait(events.on("1"));
    event.set();
    event.wait(events.on("2"));
    event.clear();
    event.wait(events.on("3"));
    BOOST_TEST(now() == "0, 1, 2");
    event.set();
    event.set();
    BOOST_TEST(event.is_set());
    BOOST_TEST(now() == "3");
    event.clear();
    BOOST_TEST(!event.is_set());
}

BOOST_AUTO_TEST_CASE(event_wait_and_clear) {
    Event event(executor());
    event.wait(events.on("0"));
    event.clear();
    event.wait(events.on("1"));
    event.set();
    BOOST_TEST(now() == "0, 1");
}

// ---- Condition

BOOST_AUTO_TEST_CASE(condition_notify_one_by_one_in_the_order_of_waiting) {
    Condition condition(executor());
    condition.notify(); // nobody waits: it is not kept
    condition.wait(events.on("wait1"));
    condition.wait(events.on("wait2"));
    BOOST_TEST(now() == "");
    condition.notify(1);
    BOOST_TEST(now() == "wait1");
    condition.notify(1);
    BOOST_TEST(now() == "wait2");
}

BOOST_AUTO_TEST_CASE(condition_notify_n_and_all) {
    Condition condition(executor());
    for (int i = 0; i < 8; ++i)
        condition.wait(events.on(std::to_string(i)));
    condition.notify(3);
    BOOST_TEST(now() == "0, 1, 2");
    condition.notify(0);
    BOOST_TEST(now() == "");
    condition.notify(2);
    BOOST_TEST(now() == "3, 4");
    condition.notify_all();
    BOOST_TEST(now() == "5, 6, 7");
    condition.notify(100);
}

BOOST_AUTO_TEST_CASE(condition_a_waiter_whose_time_is_over_does_not_count) {
    Condition condition(executor());
    condition.wait(events.on("0"));
    condition.wait(cancel_after(1ms, events.on("1")));
    condition.wait(events.on("2"));
    condition.wait(events.on("3"));
    BOOST_TEST(later("1!aborted") == "1!aborted");
    condition.notify(2);
    BOOST_TEST(now() == "0, 2");
    condition.notify_all();
    BOOST_TEST(now() == "3");
}

BOOST_AUTO_TEST_CASE(condition_notified_in_time) {
    Condition condition(executor());
    condition.wait(with_timeout(1h, events.on("wait")));
    condition.notify();
    BOOST_TEST(now() == "wait");
}

BOOST_AUTO_TEST_CASE(condition_a_waiter_that_notifies) {
    Condition condition(executor());
    condition.wait(events.on("0"));
    condition.wait([&](error_code) { condition.notify(); });
    condition.wait(events.on("2"));
    condition.notify(2);
    BOOST_TEST(now() == "0, 2");
}

// ---- Semaphore

BOOST_AUTO_TEST_CASE(semaphore_refuses_a_negative_value) {
    BOOST_CHECK_THROW(Semaphore(executor(), -1), std::invalid_argument);
    BOOST_CHECK_THROW(BoundedSemaphore(executor(), -1), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(semaphore_acquire_and_release) {
    Semaphore semaphore(executor());
    semaphore.acquire(events.on("0"));
    semaphore.acquire(events.on("1"));
    semaphore.acquire(events.on("2"));
    BOOST_TEST(now() == "0");
    semaphore.release();
    BOOST_TEST(now() == "1");
    semaphore.release();
    BOOST_TEST(now() == "2");
    semaphore.release();
    semaphore.acquire(events.on("3"));
    BOOST_TEST(now() == "3");
}

BOOST_AUTO_TEST_CASE(semaphore_released_by_nobody_in_particular) {
    Semaphore semaphore(executor());
    semaphore.release();
    semaphore.release();
    for (int i = 0; i < 4; ++i)
        semaphore.acquire(events.on(std::to_string(i)));
    BOOST_TEST(now() == "0, 1, 2");
}

BOOST_AUTO_TEST_CASE(semaphore_what_a_late_release_gives_is_not_lost_to_one_who_left) {
    Semaphore semaphore(executor(), 0);
    semaphore.acquire(cancel_after(1ms, events.on("gone")));
    BOOST_TEST(later("gone!aborted") == "gone!aborted");
    semaphore.release();
    semaphore.acquire(events.on("next"));
    BOOST_TEST(now() == "next");
}

BOOST_AUTO_TEST_CASE(semaphore_nobody_overtakes_the_line) {
    Semaphore semaphore(executor(), 0);
    semaphore.acquire(events.on("first"));
    semaphore.release();
    semaphore.acquire(events.on("second")); // before the first one has run
    BOOST_TEST(now() == "first");
    semaphore.release();
    BOOST_TEST(now() == "second");
}

BOOST_AUTO_TEST_CASE(semaphore_a_permit_is_released_at_the_end_of_its_scope) {
    Semaphore semaphore(executor());
    auto const work = [&](int i) -> asio::awaitable<void> {
        auto const permit = co_await semaphore.acquire_scoped();
        events.add("acquired " + std::to_string(i));
        co_await sleep(1ms);
        events.add("release " + std::to_string(i));
    };
    run_test([&]() -> asio::awaitable<void> {
        co_await multi(work(0), work(1));
        try {
            auto const permit = co_await semaphore.acquire_scoped(with_timeout(1h));
            throw std::runtime_error("x");
        } catch (std::runtime_error const&) {
        }
        co_await semaphore.acquire();
        error_code ec;
        try {
            auto const none = co_await semaphore.acquire_scoped(with_timeout(1ms));
        } catch (system_error const& e) {
            ec = e.code();
        }
        BOOST_TEST((ec == error::timeout));
    });
    BOOST_TEST(events.take() == "acquired 0, release 0, acquired 1, release 1");
    semaphore.acquire(events.on("still none"));
    BOOST_TEST(now() == "");
}

BOOST_AUTO_TEST_CASE(semaphore_a_race_that_drops_the_permit_gives_it_back) {
    using namespace asio::experimental::awaitable_operators;
    Semaphore semaphore(executor(), 0);
    Event first(executor());
    run_test([&]() -> asio::awaitable<void> {
        asio::post(context, [&] { // both at once
            first.set();
            semaphore.release();
        });
        auto const won = co_await (first.wait(asio::use_awaitable) ||
                                   semaphore.acquire_scoped(asio::use_awaitable));
        BOOST_TEST(won.index() == 0u);
    });
    semaphore.acquire(events.on("next"));
    BOOST_TEST(now() == "next");
}

BOOST_AUTO_TEST_CASE(semaphore_a_permit_alone) {
    std::optional<Semaphore> semaphore(std::in_place, executor());
    Permit kept;
    BOOST_TEST(!kept);
    semaphore->acquire_scoped([&](error_code, Permit permit) { kept = std::move(permit); });
    poll();
    BOOST_TEST(static_cast<bool>(kept));
    semaphore->acquire(events.on("next"));
    auto moved = std::move(kept);
    kept.release(); // NOLINT: it has nothing
    BOOST_TEST(now() == "");
    moved = Permit();
    BOOST_TEST(now() == "next");
    semaphore->release();
    semaphore->acquire_scoped([&](error_code, Permit permit) { kept = std::move(permit); });
    poll();
    semaphore.reset();
    BOOST_TEST(!kept);
    kept.release();
}

BOOST_AUTO_TEST_CASE(semaphore_a_permit_on_its_way_to_a_handler_that_is_destroyed) {
    Semaphore semaphore(executor());
    {
        asio::io_context other;
        semaphore.acquire_scoped(
            asio::bind_executor(other, [](error_code, Permit const&) { BOOST_ERROR("called"); }));
        semaphore.acquire(events.on("next"));
        BOOST_TEST(now() == "");
    }
    BOOST_TEST(now() == "next");
}

BOOST_AUTO_TEST_CASE(semaphore_callbacks_and_permits_stand_in_one_line) {
    Semaphore semaphore(executor(), 0);
    semaphore.acquire(events.on("0"));
    semaphore.acquire_scoped([&](error_code, Permit const&) { events.add("1"); });
    semaphore.acquire(events.on("2"));
    semaphore.release();
    BOOST_TEST(now() == "0");
    semaphore.release();
    BOOST_TEST(now() == "1, 2");
}

// ---- BoundedSemaphore and Lock

BOOST_AUTO_TEST_CASE(bounded_semaphore_is_not_released_more_often_than_acquired) {
    BoundedSemaphore semaphore(executor());
    BOOST_CHECK_THROW(semaphore.release(), std::logic_error);
    semaphore.acquire(events.on("0"));
    semaphore.acquire(events.on("1"));
    BOOST_TEST(now() == "0");
    semaphore.release();
    BOOST_TEST(now() == "1");
    semaphore.release();
    BOOST_CHECK_THROW(semaphore.release(), std::logic_error);
}

BOOST_AUTO_TEST_CASE(bounded_semaphore_a_permit_too_many_is_logged) {
    CapturedLog log;
    BoundedSemaphore semaphore(executor());
    semaphore.acquire_scoped([&](error_code, Permit const&) { semaphore.release(); });
    poll();
    BOOST_TEST(log.count("released more often than acquired (of 1 all are free)") == 1);
}

BOOST_AUTO_TEST_CASE(lock_in_the_order_of_asking) {
    Lock lock(executor());
    std::string history;
    auto const work = [&](int i) -> asio::awaitable<void> {
        auto const held = co_await lock.acquire_scoped();
        history += std::to_string(i);
    };
    lock.acquire(asio::detached);
    run_test([&]() -> asio::awaitable<void> {
        std::vector<asio::awaitable<void>> all;
        for (int i = 0; i < 5; ++i)
            all.push_back(work(i));
        asio::post(context, [&] {
            BOOST_TEST(history == "");
            lock.release();
        });
        co_await multi(std::move(all));
    });
    BOOST_TEST(history == "01234");
}

BOOST_AUTO_TEST_CASE(lock_after_a_time_limit_it_is_still_locked) {
    Lock lock(executor());
    lock.acquire(asio::detached);
    lock.acquire(with_timeout(1ms, events.on("late")));
    BOOST_TEST(later("late!timeout") == "late!timeout");
    lock.acquire(events.on("next"));
    BOOST_TEST(now() == "");
    lock.release();
    BOOST_TEST(now() == "next");
}

BOOST_AUTO_TEST_CASE(lock_released_twice) {
    Lock lock(executor());
    BOOST_CHECK_THROW(lock.release(), std::logic_error);
    lock.acquire(events.on("0"));
    BOOST_TEST(now() == "0");
    lock.release();
    BOOST_CHECK_THROW(lock.release(), std::logic_error);
}

BOOST_AUTO_TEST_SUITE_END()
