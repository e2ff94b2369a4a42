// SPDX-License-Identifier: BSL-1.0
// Twice as long each time, and never all at once.
#include "backoff.hpp"

#include <boost/test/unit_test.hpp>

using example::Backoff;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(backoff)

BOOST_AUTO_TEST_CASE(it_doubles_up_to_the_most) {
    Backoff backoff(100ms, 500ms);
    for (auto const expected : {100, 200, 400, 500, 500})
        BOOST_TEST(backoff.next(1).count() == expected);
    backoff.reset();
    BOOST_TEST(backoff.next(1).count() == 100);
}

BOOST_AUTO_TEST_CASE(a_half_is_left_to_chance) {
    for (double const chance : {0.0, 0.25, 0.5, 1.0}) {
        Backoff backoff(100ms, 1000ms);
        BOOST_TEST(backoff.next(chance).count() == 50 + static_cast<int>(50 * chance));
        BOOST_TEST(backoff.next(chance).count() == 100 + static_cast<int>(100 * chance));
    }
}

BOOST_AUTO_TEST_SUITE_END()
