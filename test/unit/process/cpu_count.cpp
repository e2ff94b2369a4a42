// SPDX-License-Identifier: BSL-1.0
// cpu_count: the processors that this process may use.
#include "tornado/cpu_count.hpp"

#include <boost/test/unit_test.hpp>

#include <sched.h>
#include <thread>

using namespace tornado;

BOOST_AUTO_TEST_SUITE(process_cpu_count)

BOOST_AUTO_TEST_CASE(there_is_one_at_least_and_no_more_than_the_machine_has) {
    BOOST_TEST(cpu_count() >= 1U);
    BOOST_TEST(cpu_count() <= std::thread::hardware_concurrency());
}

BOOST_AUTO_TEST_CASE(the_affinity_mask_counts) {
    cpu_set_t all;
    BOOST_TEST_REQUIRE(::sched_getaffinity(0, sizeof all, &all) == 0);
    std::size_t first = 0;
    while (!CPU_ISSET(first, &all))
        ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    BOOST_TEST_REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    BOOST_TEST(cpu_count() == 1U);
    BOOST_TEST_REQUIRE(::sched_setaffinity(0, sizeof all, &all) == 0);
}

BOOST_AUTO_TEST_SUITE_END()
