// SPDX-License-Identifier: BSL-1.0
// What two servers could read in two ways is read by none.
#include "header_rules.hpp"

#include <boost/test/unit_test.hpp>

#include <utility>
#include <vector>

using namespace demo;
using http::field;

namespace {

using Fields = std::vector<std::pair<field, std::string_view>>;

// The status a request with these fields is refused with; 0 if it is not.
unsigned verdict(Fields const& fields, unsigned version = 11, bool with_host = true) {
    HeaderRules rules;
    if (with_host)
        rules.field(field::host, "h");
    for (auto const& [name, value] : fields)
        rules.field(name, value);
    auto const status = rules.verdict(version);
    return status ? static_cast<unsigned>(*status) : 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(header_rules)

BOOST_AUTO_TEST_CASE(there_is_one_valid_host) {
    BOOST_TEST(verdict({}) == 0u);
    BOOST_TEST(verdict({}, 11, false) == 400u);
    BOOST_TEST(verdict({}, 10, false) == 0u);
    BOOST_TEST(verdict({{field::host, "h"}}) == 400u);
    BOOST_TEST(verdict({{field::host, "a b"}}, 11, false) == 400u);
}

BOOST_AUTO_TEST_CASE(there_is_at_most_one_length_and_it_is_a_number) {
    BOOST_TEST(verdict({{field::content_length, "10"}}) == 0u);
    for (auto const* bad : {"", "-1", "+1", "1, 1", "0x10", "1 1", "1.0"})
        BOOST_TEST(verdict({{field::content_length, bad}}) == 400u, bad);
    BOOST_TEST(verdict({{field::content_length, "1"}, {field::content_length, "1"}}) == 400u);
}

BOOST_AUTO_TEST_CASE(length_and_coding_exclude_each_other) {
    BOOST_TEST(verdict({{field::content_length, "1"}, {field::transfer_encoding, "chunked"}}) ==
               400u);
    BOOST_TEST(verdict({{field::transfer_encoding, "gzip"}, {field::content_length, "1"}}) == 400u);
}

BOOST_AUTO_TEST_CASE(the_only_coding_is_a_single_chunked) {
    BOOST_TEST(verdict({{field::transfer_encoding, "Chunked"}}) == 0u);
    for (auto const* unknown : {"xchunked", "gzip, chunked", "chunked, gzip", "identity", "gzip"})
        BOOST_TEST(verdict({{field::transfer_encoding, unknown}}) == 501u, unknown);
    for (auto const* bad : {"", "chunked, chunked", "chunked,", "\"chunked\"", "chunked;q=1"})
        BOOST_TEST(verdict({{field::transfer_encoding, bad}}) == 400u, bad);
    BOOST_TEST(verdict({{field::transfer_encoding, "chunked"},
                        {field::transfer_encoding, "chunked"}}) == 400u);
    BOOST_TEST(verdict({{field::transfer_encoding, "chunked"}}, 10) == 400u);
}

BOOST_AUTO_TEST_CASE(the_only_expectation_is_100_continue) {
    BOOST_TEST(verdict({{field::expect, "100-Continue"}}) == 0u);
    BOOST_TEST(verdict({{field::expect, "tea"}}) == 417u);
    BOOST_TEST(verdict({{field::expect, "tea"}}, 10) == 0u);
    HeaderRules rules;
    rules.field(field::expect, "100-continue");
    BOOST_TEST(rules.expects_continue());
}

BOOST_AUTO_TEST_SUITE_END()
