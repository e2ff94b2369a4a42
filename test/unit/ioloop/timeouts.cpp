// SPDX-License-Identifier: BSL-1.0
// Timeouts: forms, order, removal.
#include "tornado/ioloop.hpp"

#include "support/allocations.hpp"
#include "support/bounded_loop.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace tornado;
using namespace std::chrono_literals;
using test::run_bounded;

namespace {

template <class Deadline>
concept is_deadline = requires(IOLoop& loop, Deadline deadline) {
    loop.add_timeout(deadline, [] {});
};

} // namespace

BOOST_AUTO_TEST_SUITE(ioloop_timeouts)

BOOST_AUTO_TEST_CASE(T006_any_duration_is_a_deadline) {
    IOLoop loop;
    int fired = 0;
    loop.add_timeout(1us, [&] { ++fired; });
    loop.add_timeout(std::chrono::duration<double>(0.001), [&] { ++fired; });
    loop.add_timeout(-1h, [&] { ++fired; });
    loop.call_at(loop.time() + std::chrono::duration<double>(0.001), [&] { ++fired; });
    loop.add_timeout(std::chrono::hours::max(), [] { BOOST_ERROR("called"); });
    loop.call_later(5ms, [&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(fired == 4);
}

BOOST_AUTO_TEST_CASE(T007_nothing_else_is_a_deadline) {
    static_assert(is_deadline<IOLoop::clock::time_point> && is_deadline<std::chrono::minutes>);
    static_assert(!is_deadline<int> && !is_deadline<double> && !is_deadline<char const*>);
    static_assert(!is_deadline<std::chrono::system_clock::time_point>);
}

BOOST_AUTO_TEST_CASE(T007_a_time_that_is_no_number_is_refused) {
    IOLoop loop;
    auto const nan = std::numeric_limits<double>::quiet_NaN();
    std::chrono::duration<double> const delay(nan);
    std::chrono::duration<float, std::milli> const millis(std::numeric_limits<float>::quiet_NaN());
    std::chrono::time_point<IOLoop::clock, std::chrono::duration<double>> const deadline(delay);
    auto const never = [] { BOOST_ERROR("called"); };
    auto const says_so = [](std::invalid_argument const& e) {
        return std::string(e.what()).find("NaN") != std::string::npos;
    };
    BOOST_CHECK_EXCEPTION(loop.add_timeout(delay, never), std::invalid_argument, says_so);
    BOOST_CHECK_EXCEPTION(loop.call_later(millis, never), std::invalid_argument, says_so);
    BOOST_CHECK_EXCEPTION(loop.call_at(deadline, never), std::invalid_argument, says_so);
    BOOST_CHECK_EXCEPTION(PeriodicCallback(never, delay), std::invalid_argument, says_so);
    BOOST_CHECK_THROW(PeriodicCallback(never, 1s, nan), std::invalid_argument);
    // What is too long is for ever.
    auto const infinity = std::numeric_limits<double>::infinity();
    loop.call_later(std::chrono::duration<double>(infinity), never);
    loop.call_later(std::chrono::duration<double>(-infinity), [&] { loop.stop(); });
    run_bounded(loop);
}

BOOST_AUTO_TEST_CASE(T014_removal_after_the_call_twice_and_inside_it_is_harmless) {
    IOLoop loop;
    Timeout inside;
    bool removed_itself = false;
    auto const fired = loop.call_later(0ms, [] {});
    auto const never = loop.call_later(1h, [] {});
    inside = loop.call_later(0ms, [&, token = std::make_unique<int>(1)] {
        loop.remove_timeout(inside);
        removed_itself = *token == 1;
    });
    loop.call_later(1ms, [&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(removed_itself);
    for (int i = 0; i < 2; ++i) {
        loop.remove_timeout(fired);
        loop.remove_timeout(never);
        loop.remove_timeout(Timeout());
    }
    IOLoop(false).remove_timeout(fired);
}

BOOST_AUTO_TEST_CASE(T015_thousands_of_far_timeouts_leave_nothing) {
    asio::io_context context;
    IOLoop loop(context);
    std::vector<Timeout> timeouts;
    auto const token = std::make_shared<int>();
    for (int i = 0; i < 2000; ++i)
        timeouts.push_back(loop.call_later(1h, [token] {}));
    for (auto const& timeout : timeouts)
        loop.remove_timeout(timeout);
    BOOST_TEST(token.use_count() == 1);
    context.run(); // would last an hour
}

BOOST_AUTO_TEST_CASE(T016_a_timeout_removes_another_that_is_due) {
    IOLoop loop;
    Timeout first;
    Timeout second;
    int calls = 0;
    auto const deadline = loop.time();
    auto const remove_both = [&] {
        ++calls;
        loop.remove_timeout(first);
        loop.remove_timeout(second);
    };
    first = loop.call_at(deadline, remove_both);
    second = loop.call_at(deadline, remove_both);
    loop.call_later(1ms, [&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(T017_T018_every_form_passes_arguments_and_returns_a_handle) {
    IOLoop loop;
    std::vector<std::string> seen;
    auto const note = [&](std::string what, int n) { seen.push_back(what + std::to_string(n)); };
    auto const now = loop.time();
    std::vector<Timeout> const handles{
        loop.add_timeout(now, note, "absolute", 1), loop.add_timeout(1ms, note, "relative", 2),
        loop.call_at(now, note, "at", 3), loop.call_later(1ms, note, "later", 4),
        loop.call_later(20ms, [&] { loop.stop(); })};
    for (auto const& handle : handles)
        BOOST_TEST(static_cast<bool>(handle));
    BOOST_TEST(!Timeout());
    run_bounded(loop);
    BOOST_TEST((seen == std::vector<std::string>{"absolute1", "at3", "relative2", "later4"}));
}

BOOST_AUTO_TEST_CASE(T026_a_timeout_may_be_a_coroutine) {
    IOLoop loop;
    loop.call_later(
        0ms,
        [&](std::string text) -> asio::awaitable<void> {
            BOOST_TEST(text == "kept until the coroutine ends");
            loop.stop();
            co_return;
        },
        "kept until the coroutine ends");
    run_bounded(loop);
}

BOOST_AUTO_TEST_CASE(an_earlier_timeout_comes_before_one_that_is_waited_for) {
    IOLoop loop;
    loop.call_later(1h, [] { BOOST_ERROR("called"); });
    loop.add_callback([&] { loop.call_later(1ms, [&] { loop.stop(); }); });
    run_bounded(loop);
}

BOOST_AUTO_TEST_CASE(a_timeout_that_adds_a_due_one_does_not_keep_the_loop_from_turning) {
    IOLoop loop;
    int passes = 0;
    std::function<void()> again = [&] {
        ++passes;
        loop.call_later(0ms, again);
    };
    loop.call_later(0ms, again);
    loop.call_later(2ms, [&] { loop.add_callback([&] { loop.stop(); }); });
    run_bounded(loop);
    BOOST_TEST(passes > 1);
}

BOOST_AUTO_TEST_CASE(a_removed_callable_is_destroyed_at_once_and_may_come_back) {
    struct Remover {
        IOLoop* loop;
        Timeout other;
        ~Remover() { loop->remove_timeout(other); }
    };
    IOLoop loop;
    auto const token = std::make_shared<int>();
    auto const other = loop.call_later(1h, [token] {});
    auto remover = std::unique_ptr<Remover>(new Remover{&loop, other});
    auto const timeout = loop.call_later(1h, [remover = std::move(remover)] {});
    loop.remove_timeout(timeout);
    BOOST_TEST(token.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(equal_deadlines_come_in_the_order_in_which_they_were_set) {
    IOLoop loop;
    auto const deadline = loop.time() + 1ms;
    std::vector<int> seen;
    std::vector<int> expected;
    std::vector<Timeout> timeouts;
    for (int i = 0; i < 100; ++i)
        timeouts.push_back(loop.call_at(deadline, [&, i] { seen.push_back(i); }));
    for (int i = 0; i < 100; ++i)
        if (i % 3 == 0)
            loop.remove_timeout(timeouts[static_cast<std::size_t>(i)]);
        else
            expected.push_back(i);
    for (int i = 100; i < 110; ++i) { // in places that others have left
        loop.call_at(deadline, [&, i] { seen.push_back(i); });
        expected.push_back(i);
    }
    loop.call_at(deadline, [&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(seen == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_handle_of_the_past_names_nobody_elses_timeout) {
    IOLoop loop;
    auto const removed = loop.call_later(1h, [] { BOOST_ERROR("called"); });
    loop.remove_timeout(removed);
    int calls = 0;
    Timeout const called = loop.call_later(0ms, [&] { // where the other was
        ++calls;
        loop.remove_timeout(called);
        loop.call_later(0ms, [&] { // where this was
            ++calls;
            loop.stop();
        });
        loop.remove_timeout(called);
    });
    loop.remove_timeout(removed);
    run_bounded(loop);
    BOOST_TEST(calls == 2);
}

BOOST_AUTO_TEST_CASE(a_callback_may_run_the_context_and_the_other_timeouts_with_it) {
    IOLoop loop;
    std::string seen;
    auto const now = loop.time();
    loop.call_at(now, [&] {
        seen += 'a';
        loop.call_at(now, [&] { seen += 'd'; });
        loop.context().poll();
        seen += 'e';
    });
    loop.call_at(now, [&] { seen += 'b'; });
    loop.call_at(now, [&] { seen += 'c'; });
    loop.call_later(2ms, [&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(seen.size() == 5U);
    std::sort(seen.begin(), seen.end());
    BOOST_TEST(seen == "abcde"); // each once
}

BOOST_AUTO_TEST_CASE(a_callback_may_close_the_loop_and_those_that_are_due_with_it) {
    IOLoop loop;
    auto const now = loop.time();
    auto const token = std::make_shared<int>();
    loop.call_at(now, [&] { loop.close(); });
    loop.call_at(now, [token] { BOOST_ERROR("called"); });
    loop.call_later(1h, [token] { BOOST_ERROR("called"); });
    run_bounded(loop);
    BOOST_TEST(token.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(after_many_timeouts_few_work_as_before) {
    IOLoop loop;
    std::vector<Timeout> timeouts;
    for (int i = 0; i < 20'000; ++i)
        timeouts.push_back(loop.call_later(1h, [] { BOOST_ERROR("called"); }));
    for (auto const& timeout : timeouts)
        loop.remove_timeout(timeout);
    loop.call_later(0ms, [&] { loop.stop(); });
    for (auto const& timeout : timeouts) // of slots that are no more, or another's
        loop.remove_timeout(timeout);
    run_bounded(loop);
}

BOOST_AUTO_TEST_CASE(one_that_is_set_and_removed_allocates_nothing) {
    IOLoop loop;
    std::vector<Timeout> timeouts;
    auto const set = [&] { timeouts.push_back(loop.call_later(1h, [] {})); };
    for (int i = 0; i < 100; ++i)
        set();
    auto const before = test::allocations();
    for (std::size_t i = 0; i < 1000; ++i) {
        loop.remove_timeout(timeouts[i % 100]);
        timeouts[i % 100] = loop.call_later(std::chrono::seconds(3600 + i * 7919 % 1000), [] {});
    }
    BOOST_TEST(test::allocations() == before);
}

BOOST_AUTO_TEST_SUITE_END()
