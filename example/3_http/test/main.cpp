// SPDX-License-Identifier: BSL-1.0
// The tests of the demo's decisions, which need no connection.
#define BOOST_TEST_MODULE example_3_http
#include <boost/test/unit_test.hpp>
