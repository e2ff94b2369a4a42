// SPDX-License-Identifier: BSL-1.0
// So many at once, and then at the rate.
#include "allowance.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>

using scale::Allowance;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(allowance)

BOOST_AUTO_TEST_CASE(a_burst_and_then_the_rate) {
    Allowance::time_point now{};
    Allowance allowance(10, 3, now);
    for (int i = 0; i < 3; ++i)
        BOOST_TEST(allowance.take(now));
    BOOST_TEST(!allowance.take(now));
    BOOST_TEST(!allowance.take(now += 99ms));
    BOOST_TEST(allowance.take(now += 2ms));
    BOOST_TEST(!allowance.take(now));
    int taken = 0;
    for (int i = 0; i < 1000; ++i)
        taken += allowance.take(now += 10ms);
    BOOST_TEST(taken >= 99);
    BOOST_TEST(taken <= 100);
}

BOOST_AUTO_TEST_CASE(what_was_not_used_is_kept_up_to_a_burst) {
    Allowance::time_point now{};
    Allowance allowance(1, 2, now);
    now += 1h;
    BOOST_TEST(allowance.take(now));
    BOOST_TEST(allowance.take(now));
    BOOST_TEST(!allowance.take(now));
}

BOOST_AUTO_TEST_SUITE_END()
