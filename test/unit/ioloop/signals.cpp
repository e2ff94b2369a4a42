// SPDX-License-Identifier: BSL-1.0
// Signal handlers on the loop, and callbacks from real signal handlers.
#include "tornado/ioloop.hpp"
#include "tornado/testing.hpp"

#include "support/bounded_loop.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <csignal>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace tornado;
using namespace std::chrono_literals;
using test::run_bounded;
using test::run_once;

namespace {

IOLoop* signalled_loop = nullptr;
std::sig_atomic_t volatile errno_was_kept = 0;

/// Has SIGUSR2 stop `signalled_loop`, the way of Tornado 3.
class StopBySignal {
public:
    explicit StopBySignal(IOLoop& loop) {
        signalled_loop = &loop;
        struct sigaction action {};
        action.sa_handler = [](int) {
            auto const saved = errno;
            errno = ERANGE;
            signalled_loop->add_callback_from_signal([](IOLoop* stopped) { stopped->stop(); },
                                                     signalled_loop);
            errno_was_kept = errno == ERANGE;
            errno = saved;
        };
        ::sigaction(SIGUSR2, &action, &former_);
    }
    StopBySignal(StopBySignal const&) = delete;
    StopBySignal& operator=(StopBySignal const&) = delete;
    ~StopBySignal() { ::sigaction(SIGUSR2, &former_, nullptr); }

private:
    struct sigaction former_ {};
};

} // namespace

BOOST_AUTO_TEST_SUITE(ioloop_signals)

BOOST_AUTO_TEST_CASE(T010_a_callback_from_a_signal_handler_runs_on_the_loop) {
    IOLoop loop;
    StopBySignal const stop(loop);
    ::raise(SIGUSR2);
    BOOST_TEST(errno_was_kept == 1);
    run_bounded(loop);
    loop.call_later(1ms, [] { ::raise(SIGUSR2); });
    run_bounded(loop);
}

BOOST_AUTO_TEST_CASE(T011_also_when_the_loop_runs_in_another_thread) {
    IOLoop loop(false);
    StopBySignal const stop(loop);
    std::latch running(1);
    loop.add_callback([&] { running.count_down(); });
    std::thread other([&] { run_bounded(loop); });
    running.wait();
    ::raise(SIGUSR2);
    other.join();
}

BOOST_AUTO_TEST_CASE(T010_any_callable_is_taken) {
    CapturedLog const captured;
    IOLoop loop;
    std::vector<std::string> order;
    loop.add_callback_from_signal([&order] { order.push_back("small"); });
    loop.add_callback_from_signal([&](std::string const& text) { order.push_back(text); },
                                  "allocates");
    loop.add_callback_from_signal([] { throw std::runtime_error("caught"); });
    loop.add_callback_from_signal([&]() -> asio::awaitable<void> {
        order.push_back("coroutine");
        loop.stop();
        co_return;
    });
    run_bounded(loop);
    run_once(loop);
    BOOST_TEST(order.size() == 3U);
    BOOST_TEST(captured.count("Exception in callback: std::runtime_error: caught") == 1);
}

BOOST_AUTO_TEST_CASE(T010_too_many_are_dropped_with_a_warning) {
    CapturedLog const captured;
    IOLoop loop;
    int calls = 0;
    for (int round = 1; round <= 3; ++round) {
        for (int i = 0; i < 70; ++i)
            loop.add_callback_from_signal([&calls] { ++calls; });
        loop.call_later(1ms, [&] { loop.stop(); });
        run_bounded(loop);
        BOOST_TEST(calls == round * 64);
    }
    BOOST_TEST(captured.count("6 callbacks were dropped") == 3);
}

BOOST_AUTO_TEST_CASE(T010_if_the_application_runs_the_context_it_comes_with_the_next_callback) {
    asio::io_context context;
    IOLoop loop(context);
    int calls = 0;
    loop.add_callback_from_signal([&calls] { ++calls; });
    context.run();
    context.restart();
    loop.add_callback([] {});
    context.run();
    BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(signal_callbacks_come_from_several_threads_at_once) {
    IOLoop loop;
    constexpr int threads = 4;
    constexpr int each = 2000;
    std::atomic<int> calls = 0;
    std::vector<std::thread> senders;
    loop.add_callback([&] {
        for (int i = 0; i < threads; ++i)
            senders.emplace_back([&] {
                for (int n = 0; n < each; ++n) {
                    loop.add_callback_from_signal([&calls] { ++calls; });
                    if (n % 8 == 0)
                        std::this_thread::yield();
                }
            });
        loop.add_callback([&] {
            for (auto& sender : senders)
                sender.join();
            loop.call_later(1ms, [&] { loop.stop(); });
        });
    });
    CapturedLog const captured;
    run_bounded(loop);
    BOOST_TEST(calls > 0);
    BOOST_TEST(calls <= threads * each);
}

BOOST_AUTO_TEST_CASE(a_signal_handler_is_called_each_time_until_replaced_or_removed) {
    IOLoop loop;
    struct sigaction const ignore{};
    struct sigaction former {};
    std::vector<int> order;
    loop.add_signal_handler(SIGUSR1, [] { BOOST_ERROR("replaced"); });
    loop.add_signal_handler(SIGUSR1, [&](int signal) {
        order.push_back(signal);
        if (order.size() == 2) {
            loop.remove_signal_handler(SIGUSR1);
            loop.stop();
        }
    });
    for (int i = 0; i < 2; ++i)
        loop.call_later(1ms * i, [] { ::raise(SIGUSR1); });
    run_bounded(loop);
    BOOST_TEST(order == (std::vector<int>{SIGUSR1, SIGUSR1}));
    ::sigaction(SIGUSR1, nullptr, &former);
    BOOST_TEST((former.sa_handler == ignore.sa_handler));
    loop.remove_signal_handler(SIGUSR1);
}

BOOST_AUTO_TEST_CASE(a_signal_handler_may_be_a_coroutine_and_throw) {
    CapturedLog const captured;
    IOLoop loop;
    loop.add_signal_handler(
        SIGUSR1, [&, text = std::string("outlives its removal")]() -> asio::awaitable<void> {
            loop.remove_signal_handler(SIGUSR1);
            loop.call_later(1ms, [&] { loop.stop(); });
            throw std::runtime_error(text);
            co_return;
        });
    loop.add_callback([] { ::raise(SIGUSR1); });
    run_bounded(loop);
    BOOST_TEST(captured.count("outlives its removal") == 1);
}

BOOST_AUTO_TEST_CASE(a_signal_that_cannot_be_handled_is_refused_by_number) {
    IOLoop loop;
    try {
        loop.add_signal_handler(SIGKILL, [] {});
        BOOST_ERROR("not refused");
    } catch (system_error const& e) {
        BOOST_TEST(std::string(e.what()).find("signal 9") != std::string::npos, e.what());
    }
}

BOOST_AUTO_TEST_CASE(close_removes_signal_handlers_from_a_foreign_context) {
    asio::io_context context;
    IOLoop loop(context);
    loop.add_signal_handler(SIGUSR1, [] {});
    loop.close();
    context.run();
}

BOOST_AUTO_TEST_SUITE_END()
