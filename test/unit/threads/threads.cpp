// SPDX-License-Identifier: BSL-1.0
// Loops on threads: how they begin, how they end, and what crosses between them.
#include "tornado/threads.hpp"

#include "tornado/cpu_count.hpp"
#include "tornado/testing.hpp"

#include "support/descriptors.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <csignal>
#include <future>
#include <memory>
#include <optional>
#include <pthread.h>
#include <set>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::chrono_literals;

namespace {

/// Ends a group that a test has forgotten to end.
void bound(LoopGroup& loops, IOLoop& loop) {
    loop.call_later(20s, [&] {
        loops.stop(std::make_exception_ptr(std::runtime_error("the loops were not stopped")));
    });
}

/// What run() throws.
template <class Setup>
std::string failure_of(LoopGroup& loops, unsigned threads, Setup setup) {
    try {
        loops.run(threads, std::move(setup));
    } catch (std::exception const& e) {
        return e.what();
    }
    return "";
}

/// Says on which thread it was destroyed.
class Witness {
public:
    explicit Witness(std::promise<std::thread::id>& end) : end_(&end) {}
    Witness(Witness&& other) noexcept : end_(std::exchange(other.end_, nullptr)) {}
    ~Witness() {
        if (end_)
            end_->set_value(std::this_thread::get_id());
    }

private:
    std::promise<std::thread::id>* end_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(threads)

BOOST_AUTO_TEST_CASE(each_loop_has_a_thread_and_is_current_there) {
    LoopGroup loops;
    std::vector<std::thread::id> threads;
    std::vector<IOLoop*> members;
    std::atomic<int> right = 0;
    loops.run(4, [&](IOLoop& loop) {
        bound(loops, loop);
        threads.push_back(std::this_thread::get_id());
        members.push_back(&loop);
        right += IOLoop::current_if_any() == &loop;
        loop.add_callback([&, me = threads.back()] {
            right += IOLoop::current_if_any() == &loop && std::this_thread::get_id() == me;
            loop.stop();
        });
    });
    BOOST_TEST(right == 8);
    BOOST_TEST((threads.at(0) == std::this_thread::get_id()));
    BOOST_TEST((std::set(threads.begin(), threads.end()).size() == 4));
    BOOST_TEST((std::set(members.begin(), members.end()).size() == 4));
}

BOOST_AUTO_TEST_CASE(zero_is_a_thread_for_each_core) {
    unsigned count = 0;
    run_loops(0, [&](IOLoop& loop) {
        ++count;
        loop.stop();
    });
    BOOST_TEST(count == cpu_count());
}

BOOST_AUTO_TEST_CASE(one_thread_is_the_callers) {
    auto const here = std::this_thread::get_id();
    run_loops(1, [&](IOLoop& loop) {
        BOOST_TEST((std::this_thread::get_id() == here));
        BOOST_TEST(&IOLoop::current() == &loop);
        loop.stop();
    });
}

BOOST_AUTO_TEST_CASE(the_former_loop_is_current_afterwards) {
    IOLoop former;
    run_loops(2, [](IOLoop& loop) { loop.stop(); });
    BOOST_TEST(IOLoop::current_if_any() == &former);
    IOLoop::clear_current();
    run_loops(2, [](IOLoop& loop) { loop.stop(); });
    BOOST_TEST(IOLoop::current_if_any() == nullptr);
}

BOOST_AUTO_TEST_CASE(a_std_function_is_a_setup) {
    int count = 0;
    std::function<void(IOLoop&)> const setup = [&](IOLoop& loop) {
        ++count;
        loop.stop();
    };
    run_loops(2, setup);
    run_loops(2, setup);
    BOOST_TEST(count == 4);
}

BOOST_AUTO_TEST_CASE(loops_run_while_the_next_ones_are_set_up) {
    LoopGroup loops;
    IOLoop* former = nullptr;
    int answers = 0;
    loops.run(3, [&](IOLoop& loop) {
        bound(loops, loop);
        if (former) {
            std::promise<void> turned;
            former->add_callback([&] { turned.set_value(); });
            turned.get_future().wait();
            if (++answers == 2)
                loops.stop();
        }
        former = &loop;
    });
    BOOST_TEST(answers == 2);
}

// ---- how one loop ends

BOOST_AUTO_TEST_CASE(stop_ends_its_own_loop_only) {
    LoopGroup loops;
    std::promise<std::thread::id> dropped;
    IOLoop* ended = nullptr;
    std::thread::id its_thread;
    std::thread::id dropped_on;
    loops.run(3, [&](IOLoop& loop) {
        bound(loops, loop);
        if (!ended) {
            ended = &loop;
            return;
        }
        if (its_thread == std::thread::id()) {
            its_thread = std::this_thread::get_id();
            auto timer = std::make_shared<asio::steady_timer>(loop.context(), 1h);
            timer->async_wait([timer, witness = Witness(dropped)](error_code) {});
            loop.stop();
            ended = &loop;
            return;
        }
        auto end = dropped.get_future();
        if (end.wait_for(30s) == std::future_status::ready)
            dropped_on = end.get();
        ended->add_callback([&] { throw std::logic_error("a callback of a loop that has ended"); });
        ended->stop();
        loops.stop();
    });
    BOOST_TEST((dropped_on == its_thread));
    BOOST_TEST((dropped_on != std::this_thread::get_id()));
}

BOOST_AUTO_TEST_CASE(a_loop_ends_with_its_coroutine) {
    LoopGroup loops;
    std::atomic<int> ends = 0;
    loops.run(3, [&](IOLoop& loop) -> asio::awaitable<void> {
        bound(loops, loop);
        asio::steady_timer timer(loop.context(), 1ms);
        co_await timer.async_wait(asio::use_awaitable);
        ends += IOLoop::current_if_any() == &loop;
    });
    BOOST_TEST(ends == 3);
}

BOOST_AUTO_TEST_CASE(what_a_setup_returns_is_kept_until_its_loop_has_ended) {
    LoopGroup loops;
    std::array<std::promise<std::thread::id>, 3> promises;
    std::vector<std::future<std::thread::id>> ends;
    ends.reserve(promises.size()); // callbacks look at them
    std::vector<std::thread::id> threads;
    std::atomic<int> alive = 0;
    loops.run(3, [&, some = std::make_unique<int>()](IOLoop& loop) {
        bound(loops, loop);
        auto& promise = promises.at(threads.size());
        threads.push_back(std::this_thread::get_id());
        ends.push_back(promise.get_future());
        loop.add_callback([&loop, &alive, end = &ends.back()] {
            alive += end->wait_for(0s) == std::future_status::timeout;
            loop.stop();
        });
        return std::make_unique<Witness>(promise);
    });
    BOOST_TEST(alive == 3);
    for (std::size_t i = 0; i < 3; ++i)
        BOOST_TEST((ends.at(i).get() == threads.at(i)));
}

// ---- how all end

BOOST_AUTO_TEST_CASE(stop_from_any_thread_ends_all) {
    LoopGroup loops;
    std::thread other;
    int count = 0;
    loops.run(3, [&](IOLoop& loop) {
        bound(loops, loop);
        if (++count == 3)
            other = std::thread([&] { loops.stop(); });
    });
    other.join();
    BOOST_TEST(count == 3);
}

BOOST_AUTO_TEST_CASE(stop_before_run_ends_the_next_run_only) {
    LoopGroup loops;
    int count = 0;
    auto const setup = [&](IOLoop& loop) {
        bound(loops, loop);
        if (++count == 4)
            loops.stop();
    };
    loops.stop();
    loops.run(3, setup);
    BOOST_TEST(count == 1);
    loops.run(3, setup);
    BOOST_TEST(count == 4);
}

BOOST_AUTO_TEST_CASE(stop_waits_for_a_setup_and_sets_up_no_further_loop) {
    LoopGroup loops;
    std::string events;
    loops.run(3, [&](IOLoop& loop) {
        bound(loops, loop);
        loops.stop();
        events += loop.run_sync([] { return "ran"; });
    });
    BOOST_TEST(events == "ran");
}

BOOST_AUTO_TEST_CASE(a_signal_handler_of_one_loop_ends_all) {
    LoopGroup loops;
    std::atomic<int> ends = 0;
    int count = 0;
    loops.run(3, [&](IOLoop& loop) {
        bound(loops, loop);
        if (++count == 2)
            loop.add_signal_handler(SIGTERM, [&] { loops.shutdown(); });
        if (count == 3)
            loop.add_callback([] { std::raise(SIGTERM); });
        loops.wait_for_shutdown(loop, [&](error_code) {
            ++ends;
            loop.stop();
        });
    });
    BOOST_TEST(ends == 3);
}

BOOST_AUTO_TEST_CASE(a_signal_handler_on_every_loop_ends_all) {
    LoopGroup loops;
    std::atomic<int> ends = 0;
    int count = 0;
    loops.run(3, [&](IOLoop& loop) {
        bound(loops, loop);
        loop.add_signal_handler(SIGTERM, [&] { loops.shutdown(); });
        loops.wait_for_shutdown(loop, [&](error_code) {
            ++ends;
            loop.stop();
        });
        if (++count == 3)
            loop.add_callback([] { std::raise(SIGTERM); });
    });
    BOOST_TEST(ends == 3);
}

// ---- exceptions

BOOST_AUTO_TEST_CASE(an_exception_of_a_setup_ends_all_and_is_thrown) {
    for (int const bad : {1, 2, 3}) {
        LoopGroup loops;
        int count = 0;
        BOOST_TEST(failure_of(loops, 3, [&](IOLoop& loop) {
                       bound(loops, loop);
                       if (++count == bad)
                           throw std::runtime_error("port in use");
                   }) == "port in use");
        BOOST_TEST(count == bad);
    }
}

BOOST_AUTO_TEST_CASE(an_exception_of_a_coroutine_ends_all_and_is_thrown) {
    LoopGroup loops;
    std::atomic<int> count = 0;
    BOOST_TEST(failure_of(loops, 3, [&](IOLoop& loop) -> asio::awaitable<void> {
                   bound(loops, loop);
                   if (++count == 3)
                       throw std::runtime_error("no database");
                   co_await loops.wait_for_shutdown(loop);
               }) == "no database");
}

BOOST_AUTO_TEST_CASE(the_first_exception_is_thrown) {
    LoopGroup loops;
    int count = 0;
    BOOST_TEST(failure_of(loops, 2, [&](IOLoop& loop) {
                   bound(loops, loop);
                   if (++count == 2) {
                       loops.stop(std::make_exception_ptr(std::runtime_error("first")));
                       loops.stop();
                       throw std::runtime_error("second");
                   }
               }) == "first");
}

BOOST_AUTO_TEST_CASE(an_exception_of_a_callback_is_logged_or_made_the_groups_end) {
    CapturedLog const log;
    LoopGroup loops;
    int count = 0;
    BOOST_TEST(failure_of(loops, 2, [&](IOLoop& loop) {
                   bound(loops, loop);
                   if (++count == 1)
                       return loop.add_callback([] { throw std::runtime_error("harmless"); });
                   loop.set_exception_handler([&](std::exception_ptr e) { loops.stop(e); });
                   loop.add_callback([] { throw std::runtime_error("fatal"); });
               }) == "fatal");
    BOOST_TEST(log.count("harmless") == 1);
    BOOST_TEST(log.count("fatal") == 0);
}

BOOST_AUTO_TEST_CASE(a_group_that_failed_runs_again) {
    LoopGroup loops;
    BOOST_TEST(failure_of(loops, 2, [](IOLoop&) { throw std::runtime_error("x"); }) == "x");
    BOOST_TEST(failure_of(loops, 2, [](IOLoop& loop) { loop.stop(); }) == "");
}

BOOST_AUTO_TEST_CASE(a_thread_that_cannot_be_started_is_an_error_that_says_so) {
    pthread_attr_t former;
    pthread_attr_t vast;
    ::pthread_getattr_default_np(&former);
    ::pthread_attr_init(&vast);
    ::pthread_attr_setstacksize(&vast, std::size_t(1) << 46);
    LoopGroup loops;
    auto const failure = failure_of(loops, 4, [&](IOLoop& loop) {
        bound(loops, loop);
        BOOST_TEST(::pthread_setattr_default_np(&vast) == 0);
    });
    ::pthread_setattr_default_np(&former);
    BOOST_TEST(failure.find("cannot start thread 2 of 4") != failure.npos, failure);
}

BOOST_AUTO_TEST_CASE(a_loop_without_descriptors_is_an_error_and_leaves_none_open) {
    auto const before = open_descriptors();
    rlimit former{};
    ::getrlimit(RLIMIT_NOFILE, &former);
    LoopGroup loops;
    auto const failure = failure_of(loops, 2, [&](IOLoop& loop) {
        bound(loops, loop);
        rlimit none = former;
        none.rlim_cur = 0;
        ::setrlimit(RLIMIT_NOFILE, &none);
    });
    ::setrlimit(RLIMIT_NOFILE, &former);
    BOOST_TEST(failure.find("Too many open files") != failure.npos, failure);
    BOOST_TEST(open_descriptors() == before);
}

// ---- shutdown

BOOST_AUTO_TEST_CASE(shutdown_tells_every_loop_on_its_thread) {
    LoopGroup loops;
    std::atomic<int> told = 0;
    int count = 0;
    loops.run(3, [&](IOLoop& loop) {
        bound(loops, loop);
        loops.wait_for_shutdown(loop, [&](error_code ec) {
            told += !ec && IOLoop::current_if_any() == &loop;
            loop.stop();
        });
        if (++count == 3)
            loops.shutdown();
    });
    BOOST_TEST(told == 3);
}

BOOST_AUTO_TEST_CASE(a_wait_after_shutdown_completes_at_once) {
    LoopGroup loops;
    std::atomic<int> told = 0;
    int count = 0;
    loops.run(2, [&](IOLoop& loop) {
        return [](LoopGroup& all, IOLoop& mine, std::atomic<int>& ends,
                  bool last) -> asio::awaitable<void> {
            bound(all, mine);
            if (last)
                all.shutdown();
            co_await all.wait_for_shutdown(mine);
            co_await all.wait_for_shutdown(mine);
            all.shutdown();
            co_await all.wait_for_shutdown(mine);
            ++ends;
        }(loops, loop, told, ++count == 2);
    });
    BOOST_TEST(told == 2);
}

BOOST_AUTO_TEST_CASE(shutdown_stops_a_loop_on_which_nothing_waits) {
    LoopGroup loops;
    int count = 0;
    loops.run(3, [&](IOLoop& loop) {
        bound(loops, loop);
        if (++count == 3)
            loops.shutdown();
    });
    BOOST_TEST(count == 3);
}

BOOST_AUTO_TEST_CASE(shutdown_leaves_a_coroutine_that_does_not_wait_yet) {
    LoopGroup loops;
    bool ended = false;
    loops.run(1, [&](IOLoop& loop) -> asio::awaitable<void> {
        bound(loops, loop);
        loops.shutdown();
        asio::steady_timer timer(loop.context(), 5ms);
        co_await timer.async_wait(asio::use_awaitable);
        co_await loops.wait_for_shutdown(loop);
        ended = true;
    });
    BOOST_TEST(ended);
}

BOOST_AUTO_TEST_CASE(after_shutdown_no_further_loop_is_set_up) {
    LoopGroup loops;
    int count = 0;
    auto const setup = [&](IOLoop& loop) {
        bound(loops, loop);
        if (++count != 1)
            loops.shutdown();
    };
    loops.shutdown();
    loops.run(3, setup);
    BOOST_TEST(count == 1);
    loops.run(3, setup);
    BOOST_TEST(count == 2);
}

BOOST_AUTO_TEST_CASE(stop_drops_what_waits_for_shutdown) {
    LoopGroup loops;
    std::atomic<int> called = 0;
    std::vector<std::promise<std::thread::id>> ends(2);
    std::size_t count = 0;
    loops.run(2, [&](IOLoop& loop) {
        bound(loops, loop);
        loops.wait_for_shutdown(
            loop, [&called, witness = Witness(ends.at(count))](error_code) { ++called; });
        if (++count == 2)
            loops.stop();
    });
    BOOST_TEST(called == 0);
    for (auto& end : ends)
        BOOST_TEST((end.get_future().wait_for(0s) == std::future_status::ready));
}

BOOST_AUTO_TEST_CASE(a_wait_can_be_cancelled) {
    LoopGroup loops;
    error_code result;
    bool told = false;
    loops.run(1, [&](IOLoop& loop) -> asio::awaitable<void> {
        bound(loops, loop);
        asio::cancellation_signal cancel;
        loops.wait_for_shutdown(loop,
                                asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec) {
                                    result = ec;
                                    loops.shutdown();
                                }));
        loop.add_callback([&] { cancel.emit(asio::cancellation_type::terminal); });
        co_await loops.wait_for_shutdown(loop);
        told = true;
    });
    BOOST_TEST(result == asio::error::operation_aborted);
    BOOST_TEST(told);
}

BOOST_AUTO_TEST_CASE(a_wait_that_is_over_is_not_cancelled_any_more) {
    LoopGroup loops;
    std::optional<error_code> result;
    asio::cancellation_signal cancel;
    loops.run(1, [&](IOLoop& loop) {
        bound(loops, loop);
        loops.wait_for_shutdown(loop,
                                asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec) {
                                    result = ec;
                                    loop.stop();
                                }));
        loop.add_callback([&] {
            loops.shutdown(); // tells of it in the next iteration, and right behind that:
            loop.add_callback([&] { cancel.emit(asio::cancellation_type::terminal); });
        });
    });
    BOOST_TEST((result == error_code()));
}

BOOST_AUTO_TEST_CASE(a_second_shutdown_stops_no_loop_that_was_told_of_the_first) {
    LoopGroup loops;
    bool ended = false;
    loops.run(1, [&](IOLoop& loop) {
        bound(loops, loop);
        loops.wait_for_shutdown(loop, [&](error_code) {
            loops.shutdown();
            loop.call_later(1ms, [&] {
                ended = true;
                loop.stop();
            });
        });
        loops.shutdown();
    });
    BOOST_TEST(ended);
}

BOOST_AUTO_TEST_CASE(waiting_on_a_loop_of_others_is_an_error_at_once) {
    LoopGroup loops;
    IOLoop stranger(false);
    run_loops(1, [&](IOLoop& loop) {
        BOOST_CHECK_THROW(static_cast<void>(loops.wait_for_shutdown(loop)), std::invalid_argument);
        loop.stop();
    });
    BOOST_CHECK_THROW(static_cast<void>(loops.wait_for_shutdown(stranger)), std::invalid_argument);
}

// ---- groups beside each other

BOOST_AUTO_TEST_CASE(a_loop_that_runs_cannot_run_others) {
    IOLoop loop;
    bool refused = false;
    loop.add_callback([&] {
        try {
            run_loops(1, [](IOLoop& inner) { inner.stop(); });
        } catch (std::logic_error const& e) {
            refused = std::string(e.what()).find("a loop runs on this thread") != std::string::npos;
        }
        loop.stop();
    });
    loop.start();
    BOOST_TEST(refused);
}

BOOST_AUTO_TEST_CASE(a_setup_may_run_others) {
    int inner = 0;
    run_loops(2, [&](IOLoop& loop) {
        run_loops(2, [&](IOLoop& other) {
            ++inner;
            other.stop();
        });
        BOOST_TEST(IOLoop::current_if_any() == &loop);
        loop.stop();
    });
    BOOST_TEST(inner == 4);
}

BOOST_AUTO_TEST_CASE(one_group_runs_once_at_a_time) {
    LoopGroup loops;
    loops.run(1, [&](IOLoop& loop) {
        BOOST_CHECK_THROW(loops.run(1, [](IOLoop&) {}), std::logic_error);
        loop.stop();
    });
}

BOOST_AUTO_TEST_CASE(groups_run_beside_each_other) {
    std::atomic<int> count = 0;
    auto const one = [&] {
        run_loops(2, [&](IOLoop& loop) {
            loop.add_callback([&] {
                ++count;
                loop.stop();
            });
        });
    };
    std::thread other(one);
    one();
    other.join();
    BOOST_TEST(count == 4);
}

// ---- what crosses

BOOST_AUTO_TEST_CASE(callbacks_and_timers_cross_and_run_on_every_loop) {
    constexpr unsigned threads = 4;
    constexpr int rounds = 500;
    LoopGroup loops;
    std::vector<IOLoop*> members;
    std::array<int, threads> ticks{}; // each belongs to its loop
    std::array<int, threads> calls{};
    std::atomic<unsigned> done = 0;
    loops.run(threads, [&](IOLoop& loop) {
        bound(loops, loop);
        auto const me = members.size();
        members.push_back(&loop);
        if (members.size() < threads)
            return;
        for (unsigned from = 0; from < threads; ++from)
            members[from]->add_callback([&, from] {
                auto const tick = std::make_shared<std::function<void()>>();
                *tick = [&, from, weak = std::weak_ptr(tick)] {
                    auto const again = weak.lock();
                    for (unsigned to = 0; to < threads; ++to)
                        members[to]->add_callback([&, to] {
                            if (++calls[to] == rounds * static_cast<int>(threads) &&
                                ++done == threads)
                                loops.stop();
                        });
                    if (++ticks[from] < rounds)
                        members[from]->call_later(1us, [again] { (*again)(); });
                };
                (*tick)();
            });
        BOOST_TEST(me == threads - 1);
    });
    BOOST_TEST(done == threads);
    for (unsigned i = 0; i < threads; ++i)
        BOOST_TEST(ticks[i] == rounds);
}

BOOST_AUTO_TEST_SUITE_END()
