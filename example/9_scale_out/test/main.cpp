// SPDX-License-Identifier: BSL-1.0
// The tests of the chat's decisions, which need no connection.
#define BOOST_TEST_MODULE example_9_scale_out
#include <boost/test/unit_test.hpp>
