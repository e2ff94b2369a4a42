// SPDX-License-Identifier: BSL-1.0
// The header's version is the project's, which packages are called by.
#include "tornado/version.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

BOOST_AUTO_TEST_SUITE(version)

BOOST_AUTO_TEST_CASE(the_text_is_the_projects_version) {
    BOOST_TEST(TORNADO_ASIO_VERSION_STRING == std::string(PROJECT_VERSION));
}

BOOST_AUTO_TEST_CASE(the_number_says_what_the_text_does) {
    auto const part = [](int unit) { return std::to_string(TORNADO_ASIO_VERSION / unit % 100); };
    BOOST_TEST(TORNADO_ASIO_VERSION_STRING == part(10000) + '.' + part(100) + '.' + part(1));
}

BOOST_AUTO_TEST_SUITE_END()
