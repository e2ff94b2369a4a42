// SPDX-License-Identifier: BSL-1.0
// Heads split at every byte get the answer they get whole.
#include "head_scanner.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using namespace demo;

namespace {

// 0: more is needed; 1: the head ends here; else the status it is refused with.
unsigned scan(std::string_view text, std::size_t split = 0,
              HeadScanner::Limits limits = HeadScanner::Limits()) {
    HeadScanner scanner(limits);
    bool complete = scanner.scan(text.substr(0, split));
    if (!complete && !scanner.failure())
        complete = scanner.scan(text.substr(split));
    if (scanner.failure())
        return static_cast<unsigned>(*scanner.failure());
    return complete;
}

void check_at_every_split(std::string_view text, unsigned expected) {
    for (std::size_t split = 0; split <= text.size(); ++split)
        BOOST_TEST(scan(text, split) == expected, text << " split at " << split);
}

} // namespace

BOOST_AUTO_TEST_SUITE(head_scanner)

BOOST_AUTO_TEST_CASE(the_end_is_found_however_the_head_arrives) {
    check_at_every_split("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1);
    check_at_every_split("\r\n\r\nGET / HTTP/1.1\r\n\r\n", 1);
    check_at_every_split("GET / HTTP/1.1\r\nHost: a\r\n", 0);
}

BOOST_AUTO_TEST_CASE(it_says_where_the_head_begins_and_ends) {
    HeadScanner scanner{HeadScanner::Limits()};
    BOOST_TEST(scanner.scan("\r\nGET / HTTP/1.1\r\n\r\nGET "));
    BOOST_TEST(scanner.leading() == 2u);
    BOOST_TEST(scanner.size() == 20u);
}

BOOST_AUTO_TEST_CASE(line_endings_are_carriage_return_and_line_feed_together) {
    check_at_every_split("GET / HTTP/1.1\nHost: a\n\n", 400);
    check_at_every_split("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", 400);
    check_at_every_split("GET / HTTP/1.1\r\r\n", 400);
    check_at_every_split("\nGET / HTTP/1.1\r\n\r\n", 400);
}

BOOST_AUTO_TEST_CASE(folding_leading_blanks_and_control_characters_are_refused) {
    check_at_every_split("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400);
    check_at_every_split("GET / HTTP/1.1\r\n\tA: b\r\n\r\n", 400);
    check_at_every_split(" GET / HTTP/1.1\r\n\r\n", 400);
    check_at_every_split(std::string_view("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 24), 400);
    check_at_every_split("GET / HTTP/1.1\r\nA: \x7f\r\n\r\n", 400);
    check_at_every_split("GET / HTTP/1.1\r\nA: \t\xff\r\n\r\n", 1);
}

BOOST_AUTO_TEST_CASE(limits_hold_to_the_byte) {
    std::string const line = "GET / HTTP/1.1";
    std::string const head = line + "\r\nA: 0123456789\r\n\r\n";
    HeadScanner::Limits limits{line.size(), head.size()};
    BOOST_TEST(scan(head, 0, limits) == 1u);
    limits.request_line -= 1;
    BOOST_TEST(scan(head, 0, limits) == 414u);
    limits = {line.size(), head.size() - 1};
    BOOST_TEST(scan(head, 0, limits) == 431u);
    BOOST_TEST(scan(std::string(1000, 'a'), 0, limits) == 414u);
}

BOOST_AUTO_TEST_SUITE_END()
