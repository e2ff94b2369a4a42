// SPDX-License-Identifier: BSL-1.0
// The arithmetic of periods and deadlines, with Tornado's own series.
#include "ioloop/time.hpp"

#include "tornado/detail/loop_calls.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <vector>

using namespace tornado::detail;
using namespace std::chrono_literals;

namespace {

using Seconds = std::vector<double>;

/// When a callback with a period of ten seconds that began at 1000 is called, if its calls last as
/// long as given.
Seconds simulate(Seconds const& durations, double jitter = 0, Seconds const& randoms = {}) {
    Seconds calls;
    auto now = Clock::time_point(1000s);
    auto next = now;
    for (std::size_t i = 0; i < durations.size(); ++i) {
        next = next_call(next, now, 10s, jitter, randoms.empty() ? 0.5 : randoms[i]);
        calls.push_back(std::chrono::duration<double>(next.time_since_epoch()).count());
        now = next + to_duration(std::chrono::duration<double>(durations[i]));
    }
    return calls;
}

} // namespace

BOOST_AUTO_TEST_SUITE(ioloop_time)

BOOST_AUTO_TEST_CASE(T047_calls_that_fit_keep_the_grid) {
    BOOST_TEST(simulate({0, 0, 0, 0, 0}) == (Seconds{1010, 1020, 1030, 1040, 1050}));
}

BOOST_AUTO_TEST_CASE(T048_overruns_skip_whole_periods) {
    BOOST_TEST(simulate({9, 9, 10, 11, 20, 20, 35, 35, 0, 0, 0}) ==
               (Seconds{1010, 1020, 1030, 1050, 1070, 1100, 1130, 1170, 1210, 1220, 1230}));
}

BOOST_AUTO_TEST_CASE(T049_a_clock_that_goes_back_is_ignored) {
    BOOST_TEST(simulate({-2, -1, -3, -2, 0}) == (Seconds{1010, 1020, 1030, 1040, 1050}));
    BOOST_TEST(simulate({-100, 0, 0}) == (Seconds{1010, 1020, 1030}));
}

BOOST_AUTO_TEST_CASE(T050_jitter_spreads_evenly_around_the_period) {
    BOOST_TEST(simulate({0, 0, 0, 0}, 0.5, {0.5, 1, 0, 0.75}) ==
               (Seconds{1010, 1022.5, 1030, 1041.25}));
}

BOOST_AUTO_TEST_CASE(deadlines_beyond_the_clock_are_its_end) {
    auto const end = Clock::time_point::max();
    BOOST_TEST((add_clamped(Clock::now(), Clock::duration::max()) == end));
    BOOST_TEST((add_clamped(end - 5s, 4s) == end - 1s));
    BOOST_TEST((next_call(Clock::now(), Clock::now(), Clock::duration::max(), 0, 0.5) == end));
}

BOOST_AUTO_TEST_CASE(durations_beyond_the_clock_are_its_longest) {
    BOOST_TEST((to_duration(std::chrono::hours::max()) == Clock::duration::max()));
    BOOST_TEST((to_duration(std::chrono::hours::min()) == Clock::duration::min()));
    BOOST_TEST((to_duration(std::chrono::duration<double>(1.5)) == 1500ms));
    BOOST_TEST((to_duration(-3ms) == -3ms));
}

BOOST_AUTO_TEST_SUITE_END()
