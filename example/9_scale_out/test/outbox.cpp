// SPDX-License-Identifier: BSL-1.0
// The limit holds, and the one that is being sent stays.
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
    Outbox outbox(2);
    BOOST_TEST(outbox.empty());
    BOOST_TEST(outbox.push(frame(4)));
    BOOST_TEST(outbox.push(frame(6)));
    BOOST_TEST(!outbox.push(frame(1)));
    BOOST_TEST(outbox.front()->size() == 4u);
    outbox.pop();
    BOOST_TEST(outbox.front()->size() == 6u);
    BOOST_TEST(outbox.push(frame(4)));
    BOOST_TEST(!outbox.push(frame(1)));
}

BOOST_AUTO_TEST_CASE(all_but_the_first_are_given_up) {
    Outbox outbox(3);
    outbox.keep_first();
    BOOST_TEST(outbox.empty());
    for (std::size_t size = 1; size <= 3; ++size)
        outbox.push(frame(size));
    outbox.keep_first();
    BOOST_TEST(outbox.front()->size() == 1u);
    outbox.pop();
    BOOST_TEST(outbox.empty());
}

BOOST_AUTO_TEST_SUITE_END()
