// SPDX-License-Identifier: BSL-1.0
// Which lines of a flood are written.
#include "tcpserver/line_limit.hpp"

#include <boost/test/unit_test.hpp>

using tornado::detail::LineLimit;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(line_limit)

BOOST_AUTO_TEST_CASE(the_first_at_once_then_one_a_minute_that_tells_of_the_others) {
    for (auto const begin : {LineLimit::time_point(), LineLimit::time_point(1h)}) {
        LineLimit lines;
        BOOST_TEST(lines.pass(begin).value() == 0U);
        BOOST_TEST(!lines.pass(begin));
        for (auto at = 1s; at != 60s; ++at)
            BOOST_TEST(!lines.pass(begin + at));
        BOOST_TEST(!lines.pass(begin + 60s - 1ns));
        BOOST_TEST(lines.pass(begin + 60s).value() == 61U);
        BOOST_TEST(!lines.pass(begin + 119s));
        BOOST_TEST(lines.pass(begin + 200s).value() == 1U);
        BOOST_TEST(lines.pass(begin + 260s).value() == 0U);
    }
}

BOOST_AUTO_TEST_SUITE_END()
