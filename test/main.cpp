// SPDX-License-Identifier: BSL-1.0
// The one main() of every test executable.
#define BOOST_TEST_MODULE tornado_asio
#include <boost/test/unit_test.hpp>
