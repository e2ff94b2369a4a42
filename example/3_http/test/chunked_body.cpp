// SPDX-License-Identifier: BSL-1.0
// Chunked bodies, split at every byte.
#include "chunked_body.hpp"

#include <boost/test/unit_test.hpp>

using namespace demo;

namespace {

// "[body]rest" when complete, "..." when more is needed, else the status.
std::string take(std::string_view text, std::size_t split) {
    ChunkedBody chunked(20, 30);
    std::string body;
    auto taken = chunked.take(text.substr(0, split), body);
    if (taken == split)
        taken += chunked.take(text.substr(split), body);
    if (auto const failure = chunked.failure())
        return std::to_string(static_cast<unsigned>(*failure));
    return chunked.complete() ? "[" + body + "]" + std::string(text.substr(taken)) : "...";
}

void check(std::string_view text, std::string const& expected) {
    for (std::size_t split = 0; split <= text.size(); ++split)
        BOOST_TEST(take(text, split) == expected, text << " split at " << split);
}

} // namespace

BOOST_AUTO_TEST_SUITE(chunked_body)

BOOST_AUTO_TEST_CASE(chunks_extensions_and_trailers) {
    check("0\r\n\r\n", "[]");
    check("1\r\na\r\nA;x=\"y\"\r\n0123456789\r\n00\r\n\r\nGET ", "[a0123456789]GET ");
    check("1\r\na\r\n0\r\nA: b\r\nC:\r\n\r\n", "[a]");
    for (auto const* extension : {"x", " x", "x;y", "x = y", "x=\"\"", "x=\";\"", "x=\"\\\"\";\ty"})
        check("1;" + std::string(extension) + "\r\na\r\n0;" + extension + "\r\n\r\n", "[a]");
    for (auto const* part : {"", "1", "1\r\na", "1\r\na\r\n", "0\r\n", "0\r\nA: b\r\n", "0\r\n\r"})
        check(part, "...");
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
    for (auto const* bad :
         {"g",           "\r\n",         ";x\r\n",    "-1",          "0x1",        "1 \r\n",
          "1\n",         "1\r\r",        "1;\n",      "1;\r\n",      "1; \r\n",    "0;\r\n",
          "1;x;\r\n",    "1;=x\r\n",     "1;;x\r\n",  "1;\"x\"\r\n", "1;x=\"\r\n", "1;x=\"\\\r\n",
          "1\r\nab",     "1\r\na\n",     "1\r\na\rb", "0\r\nA b",    "0\r\n:",     "0\r\n A:",
          "0\r\nA: b\n", "0\r\nA: b\rc", "0\r\n\n"})
        check(bad, "400");
}

BOOST_AUTO_TEST_CASE(limits_hold_to_the_byte) {
    check("14\r\n01234567890123456789\r\n0\r\n\r\n", "[01234567890123456789]");
    check("15\r\n", "413");
    check("14\r\n01234567890123456789\r\n1\r\n", "413");
    check("ffffffffffffffffffffff", "413");
    check("1;" + std::string(40, 'x'), "431");
    check("0\r\nA: 0123456789\r\nA: 0123456789\r\n", "431");
}

BOOST_AUTO_TEST_SUITE_END()
