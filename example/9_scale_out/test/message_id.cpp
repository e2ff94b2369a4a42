// SPDX-License-Identifier: BSL-1.0
// Ids are read strictly, and ordered as Redis orders them.
#include "message_id.hpp"

#include <boost/test/unit_test.hpp>

using namespace scale;

BOOST_AUTO_TEST_SUITE(message_id)

BOOST_AUTO_TEST_CASE(there_and_back) {
    for (auto const* const text : {"0-0", "1732600000000-0", "1-18446744073709551615"}) {
        auto const id = parse_id(text);
        BOOST_REQUIRE(id.has_value());
        BOOST_TEST(to_string(*id) == text);
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_id) {
    for (auto const* const text : {"", "1", "1-", "-1", "1-2-3", "1-2 ", " 1-2", "a-1", "1-b",
                                   "+1-1", "18446744073709551616-0", "1--1"})
        BOOST_TEST(!parse_id(text), text);
}

BOOST_AUTO_TEST_CASE(time_first_then_the_number) {
    BOOST_TEST((MessageId{1, 9} < MessageId{2, 0}));
    BOOST_TEST((MessageId{2, 0} < MessageId{2, 1}));
    BOOST_TEST((MessageId() < MessageId{0, 1}));
}

BOOST_AUTO_TEST_SUITE_END()
