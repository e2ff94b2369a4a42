// SPDX-License-Identifier: BSL-1.0
// Queues: Tornado's behaviours one by one, for callbacks and coroutines, and every way to leave a
// line.
#include "tornado/queues.hpp"

#include "tornado/gen.hpp"
#include "tornado/testing.hpp"

#include "support/allocations.hpp"
#include "support/io_events.hpp"
#include "support/uncalled.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/test/unit_test.hpp>

#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

BOOST_FIXTURE_TEST_SUITE(queues, IoEvents)

// ---- Order and size

BOOST_AUTO_TEST_CASE(the_oldest_item_first) {
    Queue<int> queue(executor());
    for (int const i : {1, 3, 2})
        queue.put_nowait(i);
    BOOST_TEST(queue.qsize() == 3u);
    for (int const i : {1, 3, 2})
        BOOST_TEST(queue.get_nowait() == i);
    BOOST_TEST(queue.empty());
}

BOOST_AUTO_TEST_CASE(items_that_are_not_made_out_of_nothing) {
    struct Given { // move-only, and never without a value
        explicit Given(int n) : value(std::make_unique<int>(n)) {}
        std::unique_ptr<int> value;
    };
    Queue<std::optional<Given>> queue(executor());
    run_test([&]() -> asio::awaitable<void> {
        co_await queue.put(Given(1));
        auto const item = co_await queue.get();
        BOOST_TEST(*item->value == 1);
    });
}

BOOST_AUTO_TEST_CASE(maxsize) {
    BOOST_CHECK_EXCEPTION(Queue<int>(executor(), -1), std::invalid_argument,
                          [](std::exception const& e) {
                              return std::string(e.what()).find("-1") != std::string::npos;
                          });
    Queue<int> unlimited(executor());
    BOOST_TEST(unlimited.maxsize() == 0u);
    BOOST_TEST(!unlimited.full());
    Queue<int> queue(executor(), 2);
    BOOST_TEST(queue.maxsize() == 2u);
    BOOST_TEST(queue.empty());
    BOOST_TEST(!queue.full());
    for (int const i : {0, 1, 2})
        queue.put(i, events.on("put " + std::to_string(i)));
    BOOST_TEST(now() == "put 0, put 1");
    BOOST_TEST(queue.full());
    BOOST_TEST(queue.qsize() == 2u);
    queue.get(events.on("get")); // makes room
    BOOST_TEST(now() == "put 2, get:0");
    BOOST_TEST(queue.full());
}

BOOST_AUTO_TEST_CASE(the_least_item_first) {
    using Item = std::pair<int, std::string>;
    PriorityQueue<Item> queue(executor(), 2);
    queue.put_nowait({1, "a"});
    queue.put_nowait({0, "b"});
    BOOST_TEST(queue.full());
    queue.put({3, "c"}, asio::detached);
    queue.put({2, "d"}, asio::detached);
    run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(queue.get_nowait().second == "b");
        auto const next = co_await queue.get();
        BOOST_TEST(next.second == "a");
        BOOST_TEST(queue.get_nowait().second == "d");
        auto const last = co_await queue.get();
        BOOST_TEST(last.second == "c");
    });
    BOOST_TEST(queue.empty());
    PriorityQueue<int, std::greater<>> greatest(executor());
    for (int const i : {2, 5, 1, 4, 3})
        greatest.put_nowait(i);
    for (int const i : {5, 4, 3, 2, 1})
        BOOST_TEST(greatest.get_nowait() == i);
}

BOOST_AUTO_TEST_CASE(the_newest_item_first) {
    LifoQueue<int> queue(executor(), 2);
    queue.put_nowait(1);
    queue.put_nowait(0);
    queue.put(3, asio::detached);
    queue.put(2, asio::detached);
    for (int const i : {3, 2, 0, 1})
        BOOST_TEST(queue.get_nowait() == i);
    BOOST_TEST(queue.empty());
}

BOOST_AUTO_TEST_CASE(items_that_can_only_be_moved) {
    Queue<std::unique_ptr<int>> queue(executor(), 1);
    run_test([&]() -> asio::awaitable<void> {
        co_await queue.put(std::make_unique<int>(1));
        queue.put(std::make_unique<int>(2), asio::detached);
        auto const first = co_await queue.get();
        auto const second = co_await queue.get(with_timeout(1h));
        BOOST_TEST(*first == 1);
        BOOST_TEST(*second == 2);
    });
}

// ---- get

BOOST_AUTO_TEST_CASE(get_nowait_of_nothing) {
    Queue<int> queue(executor());
    BOOST_CHECK_THROW(queue.get_nowait(), QueueEmpty);
    queue.put_nowait(0);
    BOOST_TEST(queue.get_nowait() == 0);
    BOOST_CHECK_THROW(queue.get_nowait(), QueueEmpty);
}

BOOST_AUTO_TEST_CASE(get_waits_and_never_completes_inside_a_call) {
    Queue<int> queue(executor());
    bool inside = true;
    queue.get([&](error_code, int item) {
        BOOST_TEST(!inside);
        events.add(std::to_string(item));
    });
    queue.get(events.on("second"));
    BOOST_TEST(now() == "");
    queue.put_nowait(7);
    BOOST_TEST(queue.empty()); // it is the first getter's
    BOOST_CHECK_THROW(queue.get_nowait(), QueueEmpty);
    inside = false;
    BOOST_TEST(now() == "7");
    queue.put_nowait(8);
    BOOST_TEST(now() == "second:8");
    queue.put_nowait(9);
    inside = true;
    queue.get([&](error_code, int) { BOOST_TEST(!inside); });
    inside = false;
    run();
}

BOOST_AUTO_TEST_CASE(get_lets_a_putter_in) {
    Queue<int> queue(executor(), 1);
    queue.put_nowait(0);
    queue.put(1, events.on("put"));
    BOOST_TEST(now() == "");
    queue.get(events.on("get"));
    BOOST_TEST(now() == "put, get:0");
    BOOST_TEST(queue.get_nowait() == 1);
}

BOOST_AUTO_TEST_CASE(get_whose_time_is_over_leaves_its_item_to_the_next) {
    Queue<int> queue(executor());
    for (int i = 0; i < 10; ++i)
        queue.get(with_timeout(1ms, events.on("get")));
    queue.get(events.on("next"));
    std::string expected = "get!timeout";
    for (int i = 1; i < 10; ++i)
        expected += ", get!timeout";
    BOOST_TEST(later(expected) == expected);
    queue.put_nowait(5);
    BOOST_TEST(now() == "next:5");
}

BOOST_AUTO_TEST_CASE(get_in_time) {
    Queue<int> queue(executor());
    asio::cancellation_signal signal;
    queue.get(asio::bind_cancellation_slot(signal.slot(), events.on("get")));
    queue.put_nowait(0);
    signal.emit(asio::cancellation_type::terminal); // too late: the item is not lost
    BOOST_TEST(now() == "get:0");
}

// ---- put

BOOST_AUTO_TEST_CASE(put_nowait_without_room) {
    Queue<int> queue(executor(), 1);
    queue.put_nowait(0);
    BOOST_CHECK_EXCEPTION(queue.put_nowait(1), QueueFull, [](std::exception const& e) {
        return std::string(e.what()).find("holds 1 item") != std::string::npos;
    });
    BOOST_TEST(queue.qsize() == 1u);
}

BOOST_AUTO_TEST_CASE(put_with_getters) {
    Queue<int> queue(executor());
    queue.get(events.on("get0"));
    queue.get(events.on("get1"));
    queue.put(0, events.on("put0"));
    BOOST_TEST(now() == "get0:0, put0");
    queue.put(1, events.on("put1"));
    BOOST_TEST(now() == "get1:1, put1");
}

BOOST_AUTO_TEST_CASE(put_in_the_order_of_waiting) {
    Queue<int> queue(executor(), 1);
    queue.put_nowait(0);
    queue.put(1, events.on("put1"));
    queue.put(2, events.on("put2"));
    BOOST_TEST(now() == "");
    BOOST_TEST(queue.get_nowait() == 0);
    BOOST_TEST(now() == "put1");
    BOOST_TEST(queue.get_nowait() == 1);
    BOOST_TEST(now() == "put2");
    BOOST_TEST(queue.get_nowait() == 2);
}

BOOST_AUTO_TEST_CASE(put_whose_time_is_over_never_put) {
    Queue<int> queue(executor(), 1);
    queue.put_nowait(0);
    queue.put(1, with_timeout(1ms, events.on("put1")));
    queue.put(2, events.on("put2"));
    BOOST_TEST(later("put1!timeout") == "put1!timeout");
    BOOST_TEST(queue.get_nowait() == 0);
    BOOST_TEST(queue.get_nowait() == 2);
    BOOST_TEST(now() == "put2");
    BOOST_TEST(queue.empty());
    queue.task_done();
    queue.task_done();
    BOOST_CHECK_THROW(queue.task_done(), std::logic_error); // 1 counts for nothing
}

BOOST_AUTO_TEST_CASE(put_in_time) {
    Queue<int> queue(executor(), 1);
    queue.put_nowait(0);
    asio::cancellation_signal signal;
    queue.put(1, asio::bind_cancellation_slot(signal.slot(), events.on("put")));
    BOOST_TEST(queue.get_nowait() == 0);
    signal.emit(asio::cancellation_type::terminal);
    BOOST_TEST(now() == "put");
    BOOST_TEST(queue.get_nowait() == 1);
}

BOOST_AUTO_TEST_CASE(put_that_nobody_awaits_puts_nothing) {
    Queue<int> queue(executor());
    {
        auto const put = queue.put(1);
        static_cast<void>(put);
    }
    BOOST_TEST(queue.empty());
}

// ---- join

BOOST_AUTO_TEST_CASE(task_done_too_often) {
    Queue<int> queue(executor());
    BOOST_CHECK_THROW(queue.task_done(), std::logic_error);
    queue.put_nowait(0);
    queue.task_done();
    BOOST_CHECK_THROW(queue.task_done(), std::logic_error);
}

BOOST_AUTO_TEST_CASE(join_waits_for_task_done_and_not_for_get) {
    Queue<int> queue(executor());
    queue.join(events.on("empty"));
    queue.join(events.on("twice"));
    BOOST_TEST(now() == "empty, twice");
    queue.put_nowait(0);
    queue.join(events.on("join"));
    queue.join(events.on("too"));
    queue.get(events.on("get"));
    BOOST_TEST(now() == "get:0");
    queue.put_nowait(1);
    queue.task_done();
    BOOST_TEST(now() == "");
    queue.task_done();
    BOOST_TEST(events.take() == "");
    BOOST_TEST(now() == "join, too");
}

BOOST_AUTO_TEST_CASE(join_whose_time_is_over) {
    Queue<int> queue(executor());
    queue.put_nowait(0);
    queue.join(with_timeout(1ms, events.on("join")));
    BOOST_TEST(later("join!timeout") == "join!timeout");
    queue.task_done();
    BOOST_TEST(now() == "");
}

BOOST_AUTO_TEST_CASE(two_workers_share_the_work) {
    Queue<int> queue(executor());
    int sum = 0;
    auto const worker = [&](std::chrono::microseconds pause) -> asio::awaitable<void> {
        for (;;) {
            sum += co_await queue.get();
            queue.task_done();
            co_await sleep(pause);
        }
    };
    for (int i = 0; i < 100; ++i)
        queue.put_nowait(i);
    run_test([&]() -> asio::awaitable<void> {
        for (auto const pause : {10us, 25us})
            asio::co_spawn(context, worker(pause), asio::detached);
        co_await queue.join();
        BOOST_TEST(sum == 4950);
    });
}

BOOST_AUTO_TEST_CASE(a_producer_and_a_consumer) {
    Queue<int> queue(executor(), 3);
    std::vector<int> history;
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
            for (;;) {
                history.push_back(co_await queue.get());
                queue.task_done();
            }
        },
        asio::detached);
    run_test([&]() -> asio::awaitable<void> {
        for (int i = 0; i < 10; ++i)
            co_await queue.put(i);
        co_await queue.join();
    });
    std::vector<int> expected(10);
    std::iota(expected.begin(), expected.end(), 0);
    BOOST_TEST(history == expected, boost::test_tools::per_element());
}

// ---- Ends

BOOST_AUTO_TEST_CASE(destroyed_while_somebody_waits) {
    std::optional<Queue<std::string>> getters(std::in_place, executor());
    std::optional<Queue<int>> putters(std::in_place, executor(), 1);
    getters->get(events.on("get"));
    putters->put_nowait(0);
    putters->put(1, events.on("put"));
    putters->join(events.on("join"));
    getters.reset();
    putters.reset();
    BOOST_TEST(events.take() == "");
    BOOST_TEST(now() == "get!aborted, join!aborted, put!aborted");
    run();
}

BOOST_AUTO_TEST_CASE(destroyed_inside_a_handler) {
    auto queue = std::make_unique<Queue<int>>(executor());
    queue->get([&](error_code, int) { queue.reset(); });
    queue->get(events.on("other"));
    queue->put_nowait(1);
    BOOST_TEST(now() == "other!aborted");
}

BOOST_AUTO_TEST_CASE(whose_context_ends_first) {
    std::optional<Queue<int>> queue;
    std::optional<Queue<int>> full;
    Uncalled uncalled;
    {
        Io io;
        queue.emplace(io.executor());
        full.emplace(io.executor(), 1);
        queue->get(uncalled.handler());
        full->put_nowait(1);
        full->put(2, uncalled.handler());
        full->join(uncalled.handler());
        BOOST_TEST(uncalled.left() == 3);
    }
    BOOST_TEST(uncalled.left() == 0);
    queue->get(uncalled.handler());
    queue->put_nowait(1);
    queue->get(uncalled.handler());
    BOOST_TEST(full->get_nowait() == 1);
    BOOST_TEST(uncalled.left() == 0);
}

BOOST_AUTO_TEST_CASE(owned_by_its_getter_alone_when_the_context_ends) {
    auto const held = std::make_shared<int>(1);
    {
        Io io;
        auto const queue = std::make_shared<Queue<int>>(io.executor());
        queue->get([queue, held](error_code, int) {});
        queue->put_nowait(1);
        queue->put_nowait(1);
        queue->join([queue, held](error_code) {});
    }
    BOOST_TEST(held.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(on_the_current_loop) {
    LoopFixture test(30s);
    Queue<int> queue;
    test.loop.add_callback([&] { queue.put_nowait(3); });
    BOOST_TEST(test.run([&] { return queue.get(asio::use_awaitable); }) == 3);
    BOOST_TEST((queue.get_executor() == asio::any_io_executor(test.loop.get_executor())));
}

BOOST_AUTO_TEST_CASE(waiting_for_an_item_costs_no_allocation) {
    LifoQueue<int> queue(executor());
    queue.put_nowait(1);
    static_cast<void>(queue.get_nowait());
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
            for (;;)
                static_cast<void>(co_await queue.get());
        },
        asio::detached);
    auto const allocated = allocations_once_settled(*this, [&](auto next) {
        queue.put_nowait(1);
        asio::post(context, [next]() mutable { next(error_code()); });
    });
    BOOST_TEST(allocated == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
