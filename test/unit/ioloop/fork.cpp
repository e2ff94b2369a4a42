// SPDX-License-Identifier: BSL-1.0
// A loop that crosses a fork works in both processes, and neither is heard of in the other.
#include "tornado/ioloop.hpp"
#include "tornado/iostream.hpp"
#include "tornado/testing.hpp"

#include "support/bounded_loop.hpp"
#include "support/child.hpp"
#include "support/stream_pairs.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

#ifdef __has_feature
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED_THREADS
#endif
#endif

using namespace tornado;
using namespace std::chrono_literals;
using test::fork_with;
using test::run_bounded;
using test::run_once;

namespace {

/// Two connected sockets.
struct Pair {
    Pair() {
        BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    }
    Pair(Pair const&) = delete;
    Pair& operator=(Pair const&) = delete;
    ~Pair() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    int ours() const { return ends[0]; }
    bool send() const { return ::write(ends[1], "x", 1) == 1; }
    bool receive() const {
        char c = 0;
        return ::read(ends[0], &c, 1) == 1;
    }

    std::array<int, 2> ends;
};

/// Counts calls, and stops the loop with each.
struct Counter {
    IOLoop& loop;
    int calls = 0;
    auto handler() {
        return [this](auto...) {
            ++calls;
            loop.stop();
        };
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(ioloop_fork)

BOOST_AUTO_TEST_CASE(a_childs_handlers_are_not_its_parents) {
    IOLoop loop;
    Pair const mine;
    Pair const childs;
    Counter counter{loop};
    loop.add_handler(mine.ours(), counter.handler(), IOLoop::READ);
    loop.add_handler(childs.ours(), counter.handler(), IOLoop::READ);
    run_once(loop);
    auto child = fork_with(loop.context(), [&] {
        loop.remove_handler(mine.ours());
        loop.update_handler(childs.ours(), IOLoop::READ | IOLoop::ERROR);
        childs.send();
        run_bounded(loop);
        bool const received = childs.receive();
        loop.add_handler(mine.ours(), counter.handler(), IOLoop::READ);
        loop.close();
        return received && counter.calls == 1;
    });
    BOOST_TEST(child.succeeded());
    mine.send();
    run_bounded(loop);
    BOOST_TEST(counter.calls == 1);
    BOOST_TEST(mine.receive());
    loop.update_handler(mine.ours(), IOLoop::READ);
    loop.remove_handler(childs.ours());
}

BOOST_AUTO_TEST_CASE(close_with_all_fds_in_a_child_closes_them_there) {
    IOLoop loop;
    Pair const pair;
    loop.add_handler(
        pair.ours(), [](int, unsigned) {}, IOLoop::READ);
    auto child = fork_with(loop.context(), [&] {
        loop.close(true);
        return ::fcntl(pair.ours(), F_GETFD) == -1;
    });
    BOOST_TEST(child.succeeded());
    BOOST_TEST(::fcntl(pair.ours(), F_GETFD) != -1);
}

// A number that was closed before the fork, and is an innocent one's in the child.
BOOST_AUTO_TEST_CASE(a_handler_that_was_lost_before_stays_so) {
    IOLoop loop;
    auto lost = std::make_unique<Pair>();
    auto const number = lost->ours();
    loop.add_handler(
        number, [](int, unsigned) { ::_exit(7); }, IOLoop::READ);
    run_once(loop);
    lost.reset();
    Pair const innocent;
    BOOST_REQUIRE(innocent.ours() == number);
    auto child = fork_with(loop.context(), [&] {
        innocent.send();
        for (int i = 0; i < 5; ++i)
            run_once(loop);
        return true;
    });
    BOOST_TEST(child.succeeded());
}

// The child keeps the file of what its parent closes.
BOOST_AUTO_TEST_CASE(what_the_parent_closes_is_not_heard_of_in_it_while_a_child_has_it) {
    asio::io_context context;
    IOLoop loop(context);
    Pair const other;
    auto pair = std::make_unique<Pair>();
    Pair const sync;
    loop.add_handler(
        other.ours(), [](int, unsigned) { BOOST_ERROR("called"); }, IOLoop::READ);
    loop.add_handler(
        pair->ours(), [](int, unsigned) { BOOST_ERROR("called"); }, IOLoop::READ);
    auto child = fork_with(context, [&] { return sync.receive(); });
    int const theirs = ::dup(pair->ends[1]);
    pair.reset();
    BOOST_TEST(::write(theirs, "x", 1) == 1);
    for (int i = 0; i < 10; ++i)
        context.poll_one();
    BOOST_TEST(context.poll_one() == 0U, "the loop spins");
    sync.send();
    BOOST_TEST(child.succeeded());
    ::close(theirs);
}

BOOST_AUTO_TEST_CASE(timeouts_and_callbacks_come_in_both) {
    IOLoop loop;
    int timeouts = 0;
    int callbacks = 0;
    loop.call_later(10ms, [&] {
        ++timeouts;
        loop.add_callback([&] { loop.stop(); });
    });
    loop.add_callback([&] { ++callbacks; });
    auto const both = [&] {
        run_bounded(loop);
        return timeouts == 1 && callbacks == 1;
    };
    auto child = fork_with(loop.context(), both);
    BOOST_TEST(both());
    BOOST_TEST(child.succeeded());
}

BOOST_AUTO_TEST_CASE(a_signal_comes_to_the_process_that_was_sent_it) {
    IOLoop loop;
    Counter counter{loop};
    loop.add_signal_handler(SIGUSR1, counter.handler());
    auto const received = [&] {
        ::raise(SIGUSR1);
        run_bounded(loop);
        return counter.calls == 1;
    };
    auto child = fork_with(loop.context(), received);
    BOOST_TEST(child.succeeded());
    BOOST_TEST(counter.calls == 0);
    BOOST_TEST(received());
}

BOOST_AUTO_TEST_CASE(a_running_loop_goes_on_in_both) {
    IOLoop loop;
    Pair const mine;
    Pair const childs;
    std::string seen;
    pid_t pid = -1;
    auto const note = [&](char const* what) {
        seen += what;
        if (seen.size() == 4)
            loop.stop();
    };
    loop.add_signal_handler(SIGUSR1, [&] { note("s"); });
    for (auto const* pair : {&mine, &childs})
        loop.add_handler(
            pair->ours(),
            [&, pair](int fd, unsigned) {
                note(pair->receive() ? "h" : "?");
                loop.remove_handler(fd);
            },
            IOLoop::READ);
    loop.call_later(20ms, [&] { note("t"); });
    loop.add_callback([&] {
        pid = test::fork_and_tell(loop.context());
        loop.remove_handler((pid == 0 ? mine : childs).ours()); // what comes there is the other's
        loop.add_callback([&] { note("c"); });
        ::raise(SIGUSR1);
        (pid == 0 ? childs : mine).send();
    });
    run_bounded(loop);
    std::sort(seen.begin(), seen.end());
    if (pid == 0)
        ::_exit(seen == "chst" ? 0 : 1);
    BOOST_TEST(seen == "chst");
    BOOST_TEST(test::Child(pid).succeeded());
}

BOOST_AUTO_TEST_CASE(a_callback_from_a_signal_handler_wakes_its_own_process) {
    static IOLoop* target = nullptr;
    static std::atomic<int> calls = 0;
    IOLoop loop;
    target = &loop;
    calls = 0;
    auto const former = ::signal(SIGUSR2, [](int) {
        target->add_callback_from_signal([] {
            ++calls;
            target->stop();
        });
    });
    Pair const ready;
    auto child = fork_with(loop.context(), [&] {
        // The parent waits in its loop: what wakes it would take this one's call.
        loop.call_later(50ms, [] { ::raise(SIGUSR2); });
        ready.send();
        run_bounded(loop);
        return calls == 1;
    });
    ready.receive();
    loop.call_later(100ms, [&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(calls == 0);
    BOOST_TEST(child.succeeded());
    loop.call_later(1ms, [] { ::raise(SIGUSR2); });
    run_bounded(loop);
    BOOST_TEST(calls == 1);
    ::signal(SIGUSR2, former);
}

BOOST_AUTO_TEST_CASE(a_callback_from_a_signal_before_the_fork_runs_in_both) {
    IOLoop loop;
    Counter counter{loop};
    loop.add_callback_from_signal([c = &counter] { c->handler()(); });
    auto const called = [&] {
        run_bounded(loop);
        return counter.calls == 1;
    };
    auto child = fork_with(loop.context(), called);
    BOOST_TEST(called());
    BOOST_TEST(child.succeeded());
}

// The thread sanitizer knows no threads in a child; that of addresses, in clang 14, forks while a
// thread that starts holds the lock of its allocator.
#ifndef SANITIZED_THREADS

BOOST_AUTO_TEST_CASE(a_watched_loop_is_watched_in_both) {
    CapturedLog const log;
    IOLoop loop;
    pid_t pid = -1;
    loop.set_blocking_log_threshold(20ms);
    loop.add_callback([&] {
        pid = test::fork_and_tell(loop.context());
        auto const end = std::chrono::steady_clock::now() + 8s; // until the watchdog has run
        while (log.count("IOLoop blocked for") == 0 && std::chrono::steady_clock::now() < end)
            std::this_thread::yield();
        loop.stop();
    });
    run_bounded(loop);
    bool const told = log.count("IOLoop blocked for") == 1;
    if (pid == 0)
        ::_exit(told ? 0 : 1);
    BOOST_TEST(told);
    BOOST_TEST(test::Child(pid).succeeded());
}

BOOST_AUTO_TEST_CASE(a_function_in_an_executor_is_the_parents_alone) {
    auto loop = std::make_unique<IOLoop>();
    std::atomic<bool> go = false;
    std::exception_ptr failure;
    int value = 0;
    loop->run_in_executor(
        nullptr,
        [&] {
            while (!go)
                std::this_thread::sleep_for(1ms);
            return 5;
        },
        [&](std::exception_ptr e, int result) {
            failure = e;
            value = result;
            loop->stop();
        });
    auto child = fork_with(loop->context(), [&] {
        run_bounded(*loop);
        bool const aborted = failure != nullptr;
        int const again = loop->run_sync([&]() -> asio::awaitable<int> {
            co_return co_await loop->run_in_executor(nullptr, [] { return 7; });
        });
        loop.reset();
        return aborted && again == 7;
    });
    BOOST_TEST(child.succeeded());
    go = true;
    run_bounded(*loop);
    BOOST_TEST(!failure);
    BOOST_TEST(value == 5);
}
#endif

BOOST_AUTO_TEST_CASE_TEMPLATE(a_childs_end_of_a_stream_is_not_its_parents, Kind, test::PairKinds) {
    test::StreamPair<Kind> io;
    auto const exchange = [&] {
        std::string got;
        io.run_test([&]() -> asio::awaitable<void> {
            io.far->write("hello");
            got = co_await io.near->read_bytes(5);
        });
        return got == "hello";
    };
    io.poll(); // both wait
    auto child = fork_with(io.context, [&] {
        bool const well = exchange();
        io.near.reset();
        io.far.reset();
        io.poll();
        return well;
    });
    BOOST_TEST(child.succeeded());
    if constexpr (!std::is_same_v<Kind, test::TlsKind>) // TLS is a dialogue of two, not of three
        BOOST_TEST(exchange());
}

BOOST_AUTO_TEST_SUITE_END()
