// SPDX-License-Identifier: BSL-1.0
// Percentiles within the promised error.
#include "latency.hpp"

#include <boost/test/unit_test.hpp>

using namespace demo;
using std::chrono::nanoseconds;

BOOST_AUTO_TEST_SUITE(latency)

BOOST_AUTO_TEST_CASE(without_requests_there_is_no_time) {
    BOOST_TEST(Latencies().percentile(0.5).count() == 0);
}

BOOST_AUTO_TEST_CASE(a_single_time_is_every_percentile_within_an_eighth) {
    for (std::int64_t time = 8; time < std::int64_t(1) << 39; time = time * 9 / 7 + 1) {
        Latencies latencies;
        latencies.add(nanoseconds(time));
        for (double const share : {0.0, 0.5, 1.0}) {
            auto const found = latencies.percentile(share).count();
            BOOST_TEST(found > time);
            BOOST_TEST(found <= time + time / 8 + 1);
        }
    }
}

BOOST_AUTO_TEST_CASE(percentiles_divide_the_requests) {
    Latencies latencies;
    for (int i = 1; i <= 100; ++i)
        latencies.add(nanoseconds(i * 1000));
    BOOST_TEST(latencies.count() == 100u);
    BOOST_TEST(latencies.percentile(0.5).count() >= 50'000);
    BOOST_TEST(latencies.percentile(0.5).count() <= 57'000);
    BOOST_TEST(latencies.percentile(0.99).count() >= 99'000);
    latencies.clear();
    BOOST_TEST(latencies.count() == 0u);
}

BOOST_AUTO_TEST_CASE(the_absurd_is_counted_too) {
    Latencies latencies;
    latencies.add(nanoseconds(-5));
    latencies.add(nanoseconds::max());
    BOOST_TEST(latencies.count() == 2u);
    BOOST_TEST(latencies.percentile(1).count() > std::int64_t(1) << 39);
}

BOOST_AUTO_TEST_SUITE_END()
