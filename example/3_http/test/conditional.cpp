// SPDX-License-Identifier: BSL-1.0
// RFC 9110's tables of conditions, dates and ranges.
#include "conditional.hpp"

#include <boost/test/unit_test.hpp>

using namespace demo;

namespace {

Validators const current{"\"tag\"", 784111777};
auto const date = "Sun, 06 Nov 1994 08:49:37 GMT";
auto const earlier = "Sun, 06 Nov 1994 08:49:36 GMT";

char outcome(Conditions const& conditions) {
    switch (evaluate(conditions, current)) {
    case Precondition::holds:
        return 'h';
    case Precondition::not_modified:
        return 'n';
    case Precondition::failed:
        return 'f';
    }
    return '?';
}

Conditions with(std::string Conditions::*field, std::string value, Conditions conditions = {}) {
    conditions.*field = std::move(value);
    return conditions;
}

// "first+length", or "none".
std::string part(std::string range, std::string if_range = {}, std::uint64_t size = 100) {
    auto const found = select_range(with(&Conditions::if_range, std::move(if_range),
                                         with(&Conditions::range, std::move(range))),
                                    current, size);
    return found ? std::to_string(found->first) + "+" + std::to_string(found->length) : "none";
}

} // namespace

BOOST_AUTO_TEST_SUITE(conditional)

BOOST_AUTO_TEST_CASE(the_three_forms_of_a_date_mean_the_same) {
    std::string written;
    append_date(written, 784111777);
    BOOST_TEST(written == date);
    for (auto const* text : {date, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"})
        BOOST_TEST(parse_date(text).value_or(0) == 784111777, text);
    for (auto const* bad : {"", "yesterday", "Sun, 06 Nov 1994 08:49:37 GMT+1", "0"})
        BOOST_TEST(!parse_date(bad), bad);
}

BOOST_AUTO_TEST_CASE(if_none_match_compares_weakly_and_hides_if_modified_since) {
    for (auto const* same : {"\"tag\"", "W/\"tag\"", "\"a\", \"tag\"", "*", "\"a,b\" ,W/\"tag\""})
        BOOST_TEST(outcome(with(&Conditions::if_none_match, same)) == 'n', same);
    for (auto const* other : {"\"a\"", "tag", "\"tag", "\"a\" x \"tag\""})
        BOOST_TEST(outcome(with(&Conditions::if_none_match, other)) == 'h', other);
    BOOST_TEST(outcome(with(&Conditions::if_none_match, "\"a\"",
                            with(&Conditions::if_modified_since, date))) == 'h');
}

BOOST_AUTO_TEST_CASE(if_modified_since_is_by_the_second) {
    BOOST_TEST(outcome(with(&Conditions::if_modified_since, date)) == 'n');
    BOOST_TEST(outcome(with(&Conditions::if_modified_since, earlier)) == 'h');
    BOOST_TEST(outcome(with(&Conditions::if_modified_since, "never")) == 'h');
}

BOOST_AUTO_TEST_CASE(if_match_compares_strongly_and_comes_first) {
    BOOST_TEST(outcome(with(&Conditions::if_match, "\"tag\"")) == 'h');
    BOOST_TEST(outcome(with(&Conditions::if_match, "*")) == 'h');
    BOOST_TEST(outcome(with(&Conditions::if_match, "W/\"tag\"")) == 'f');
    BOOST_TEST(outcome(with(&Conditions::if_match, "\"a\"",
                            with(&Conditions::if_none_match, "\"tag\""))) == 'f');
    BOOST_TEST(outcome(with(&Conditions::if_unmodified_since, date)) == 'h');
    BOOST_TEST(outcome(with(&Conditions::if_unmodified_since, earlier)) == 'f');
}

BOOST_AUTO_TEST_CASE(a_range_is_cut_to_what_there_is) {
    BOOST_TEST(part("bytes=0-9") == "0+10");
    BOOST_TEST(part("bytes=90-") == "90+10");
    BOOST_TEST(part("bytes=90-1000") == "90+10");
    BOOST_TEST(part("bytes=-10") == "90+10");
    BOOST_TEST(part("bytes=-1000") == "0+100");
    BOOST_TEST(part("bytes=0-99999999999999999999") == "0+100");
}

BOOST_AUTO_TEST_CASE(a_range_outside_is_not_satisfiable) {
    BOOST_TEST(part("bytes=100-") == "none");
    BOOST_TEST(part("bytes=-0") == "none");
    BOOST_TEST(part("bytes=99999999999999999999-") == "none");
    BOOST_TEST(part("bytes=0-", "", 0) == "none");
}

BOOST_AUTO_TEST_CASE(what_may_be_ignored_is_all_of_it) {
    for (auto const* text : {"", "lines=0-1", "bytes=", "bytes=-", "bytes=a-b", "bytes=9-0",
                             "bytes=0-1,5-6", "bytes=--1", "bytes=1", "bytes= 0-1"})
        BOOST_TEST(part(text) == "0+100", text);
}

BOOST_AUTO_TEST_CASE(a_range_needs_if_range_to_hold) {
    BOOST_TEST(part("bytes=0-9", "\"tag\"") == "0+10");
    BOOST_TEST(part("bytes=0-9", date) == "0+10");
    for (auto const* other : {"\"a\"", "W/\"tag\"", earlier, "x"})
        BOOST_TEST(part("bytes=0-9", other) == "0+100", other);
}

BOOST_AUTO_TEST_SUITE_END()
