// SPDX-License-Identifier: BSL-1.0
// Bytes are counted, the limit holds, and the one that is being sent stays.
#include "outbox.hpp"

#include <boost/test/unit_test.hpp>

#include <memory>
#include <string>

using namespace scale;

namespace {

Frame frame(std::size_t size) {
    return std::make_shared<std::string const>(size, 'x');
}

} // namespace

BOOST_AUTO_TEST_SUITE(outbox)

BOOST_AUTO_TEST_CASE(first_in_first_out_up_to_the_limit) {
    Outbox outbox(10);
    BOOST_TEST(outbox.empty());
    BOOST_TEST(outbox.push(frame(4)));
    BOOST_TEST(outbox.push(frame(6)));
    BOOST_TEST(!outbox.push(frame(1)));
    BOOST_TEST(outbox.bytes() == 10u);
    BOOST_TEST(outbox.front()->size() == 4u);
    outbox.pop();
    BOOST_TEST(outbox.front()->size() == 6u);
    BOOST_TEST(outbox.push(frame(4)));
    BOOST_TEST(!outbox.push(frame(1)));
}

BOOST_AUTO_TEST_CASE(a_single_one_always_finds_room) {
    Outbox outbox(10);
    BOOST_TEST(outbox.push(frame(11)));
    BOOST_TEST(!outbox.push(frame(0)));
    outbox.pop();
    BOOST_TEST(outbox.bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(all_but_the_first_are_given_up) {
    Outbox outbox(10);
    outbox.keep_first();
    BOOST_TEST(outbox.empty());
    outbox.push(frame(2));
    outbox.push(frame(3));
    outbox.push(frame(4));
    outbox.keep_first();
    BOOST_TEST(outbox.bytes() == 2u);
    BOOST_TEST(outbox.front()->size() == 2u);
    outbox.pop();
    BOOST_TEST(outbox.empty());
}

BOOST_AUTO_TEST_SUITE_END()
