// SPDX-License-Identifier: BSL-1.0
// The table against a search from the start at each step: every input and split, random
// expressions.
#include "bytes/automaton.hpp"

#include "support/arrivals.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <iterator>
#include <optional>
#include <random>
#include <string>

using namespace tornado::detail;
using namespace tornado::test;

namespace {

constexpr auto npos = std::string_view::npos;

std::optional<Automaton> automaton(std::string_view expression) {
    auto const program = regex_program(expression);
    return program ? Automaton::of(*program) : std::nullopt;
}

void compare(std::string const& expression, Automaton const& automaton, WholeSearch const& whole,
             std::string_view input, unsigned long ends) {
    Automaton::Progress progress;
    arrive(input, ends, [&](std::string const& part) {
        auto const expected = whole.end_in(part);
        auto const found = part.empty() ? npos : automaton.search(part, progress);
        if (found != expected)
            BOOST_FAIL(expression << " after " << part.size() << " bytes of " << input << ": "
                                  << found << " instead of " << expected);
        return found == npos;
    });
}

std::string random_input(std::minstd_rand& random, std::string_view alphabet) {
    std::string input(random() % 14, '\0');
    for (auto& byte : input)
        byte = alphabet[random() % alphabet.size()];
    return input;
}

// What Boost.Regex may refuse, and what has no program.
std::string random_expression(std::minstd_rand& random, int depth) {
    constexpr std::string_view atoms[] = {
        "a",        "b",        "c",        ".",       "\\w",          "\\W",      "\\s",
        "\\n",      "\\x62",    "[ab]",     "[^a]",    "[[:alpha:]b]", "\\b",      "\\B",
        "^",        "$",        "\\A",      "\\z",     "(?=a)",        "(?!b)",    "(?<=b)",
        "(?<!c)",   "(?=ab)",   "(?!ba)",   "(?<=ab)", "(?<!ba)",      "(?=a|bc)", "(?!ab|c)",
        "(?<!a|b)", "(?<=a|b)", "(?:a|ab)", "(?:|b)",  "(?:b|)",       "a*",       "b?"};
    constexpr std::string_view repeats[] = {"",    "",      "",       "",     "*",  "+",
                                            "?",   "*?",    "+?",     "??",   "*+", "++",
                                            "{2}", "{1,2}", "{0,2}?", "{2,}", "{0}"};
    auto const pick = [&](auto const& from) { return from[random() % std::size(from)]; };
    std::string expression;
    for (auto n = random() % 4; n-- > 0;) {
        if (depth != 0 && random() % 3 == 0)
            expression += (random() % 2 ? "(" : "(?:") + random_expression(random, depth - 1) + ")";
        else
            expression += pick(atoms);
        expression += pick(repeats);
    }
    if (random() % 4 == 0)
        expression += "|" + random_expression(random, 0);
    return expression;
}

} // namespace

BOOST_AUTO_TEST_SUITE(automaton_of_an_expression)

BOOST_AUTO_TEST_CASE(T083_T084_every_input_and_split) {
    for (std::string const expression : {"a",
                                         "ab",
                                         "a+b",
                                         "a*b",
                                         "a*?b",
                                         "(ab)+b",
                                         "a.b",
                                         ".*b",
                                         ".+?b",
                                         "(?s).*?ab",
                                         "(?:.|\n)*?ab",
                                         "b$",
                                         "^ab",
                                         "^b|bb",
                                         "a\\b",
                                         "\\bab",
                                         "\\Bb",
                                         "(?<=a)b",
                                         "(?<!a)b",
                                         "(?<=aa)bb",
                                         "a(?=b)",
                                         "a(?!b)",
                                         "a(?!b)a",
                                         "(?=ab)a",
                                         "(?=aab)a",
                                         ".*?(?=ab)",
                                         "a??b",
                                         "a{2,3}b",
                                         "(?:a|ab)(?:bb|a)",
                                         "aba|bb",
                                         "a.*bb|ba",
                                         "b*",
                                         "(?i)AB",
                                         "(a|b)*bb",
                                         "(?m)^a",
                                         "(?m)a$",
                                         "\\n\\n",
                                         "[^\\n]*\\n",
                                         "(?:\\n|b)\\z",
                                         "\\Aa",
                                         "a*+b",
                                         "(?:(?!ab).)*ab",
                                         "(a*)*b",
                                         "(a*b?)*\n",
                                         "(?<!\n)\n(?!\n)"}) {
        auto const table = automaton(expression);
        BOOST_TEST_REQUIRE(table.has_value(), expression);
        WholeSearch const whole(expression);
        every_input("ab\n", 5, [&](std::string const& input) {
            for (unsigned long ends = 0; ends < 1ul << input.size(); ends += 3)
                compare(expression, *table, whole, input, ends);
        });
    }
}

BOOST_AUTO_TEST_CASE(T083_random_expressions_equal_a_search_from_the_start) {
    std::minstd_rand random(7);
    int tables = 0;
    for (int i = 0; i < 4000; ++i) {
        constexpr std::string_view modifiers[] = {"", "", "", "(?s)", "(?m)", "(?i)", "(?is)(?m)"};
        auto const expression =
            std::string(modifiers[random() % std::size(modifiers)]) + random_expression(random, 2);
        std::optional<WholeSearch> whole;
        try {
            whole.emplace(expression);
        } catch (std::runtime_error const&) {
            continue; // a repeated assertion, for instance
        }
        auto const table = automaton(expression);
        if (!table)
            continue;
        ++tables;
        for (std::string_view const alphabet : {"abc\n", "aab", "ab", "aBc", "a"})
            compare(expression, *table, *whole, random_input(random, alphabet), random());
    }
    BOOST_TEST(tables > 1000);
}

BOOST_AUTO_TEST_CASE(T070_no_byte_is_taken_twice) {
    auto const table = automaton("(?:.|\n)*?END");
    Automaton::Progress progress;
    std::string all;
    while (all.size() < 1 << 20) {
        all.append(4096, 'x');
        BOOST_TEST_REQUIRE(table->search(all, progress) == npos);
        BOOST_TEST_REQUIRE(progress.scanned == all.size());
    }
    all.replace(100, 3, "END"); // what was scanned is not looked at again
    BOOST_TEST(table->search(all, progress) == npos);
    all += "END";
    BOOST_TEST(table->search(all, progress) == all.size());
}

BOOST_AUTO_TEST_CASE(only_what_a_look_ahead_may_see_otherwise_is_kept_open) {
    auto const table = automaton("x(?!abc)");
    Automaton::Progress progress;
    BOOST_TEST(table->search("--xa", progress) == 3u); // nothing else has come
    progress = {};
    BOOST_TEST(table->search("xabcyxabc", progress) == npos);
    BOOST_TEST(progress.scanned == 7u);
    BOOST_TEST(table->search("xabcyxabcxa", progress) == 10u);
}

BOOST_AUTO_TEST_CASE(bytes_are_bytes) {
    for (int byte = 0; byte < 256; ++byte) {
        auto const text = std::string("a") + static_cast<char>(byte);
        Automaton::Progress progress;
        auto const dot = automaton("a.")->search(text, progress);
        BOOST_TEST(dot == (byte == '\n' ? npos : 2u));
        progress = {};
        BOOST_TEST(automaton("a[\\x80-\\xfe]")->search(text, progress) ==
                   (byte >= 0x80 && byte <= 0xfe ? 2u : npos));
    }
}

BOOST_AUTO_TEST_CASE(lines_end_as_in_Python_also_after_a_carriage_return) {
    Automaton::Progress progress;
    BOOST_TEST(automaton("(?m)a\r$")->search("a\r\nb", progress) == 2u);
    progress = {};
    BOOST_TEST(automaton("(?m)^b")->search("a\rb", progress) == npos);
}

BOOST_AUTO_TEST_CASE(a_table_that_would_grow_too_large_is_not_made) {
    auto const with_memory_of = [](int bytes) {
        return "(?:a|b)*a(?:a|b){" + std::to_string(bytes) + "}c";
    };
    BOOST_TEST(automaton(with_memory_of(9)).has_value());
    BOOST_TEST(!automaton(with_memory_of(12)).has_value());
    BOOST_TEST(automaton("a{300}").has_value());
    BOOST_TEST(!automaton("a{600}").has_value());
    std::string looks;
    for (char byte = 'a'; byte != 'a' + 6; ++byte)
        looks += std::string("(?=[") + byte + "x])";
    BOOST_TEST(automaton(looks).has_value());
    BOOST_TEST(!automaton(looks + "(?=[gx])").has_value());
}

BOOST_AUTO_TEST_CASE(T083_an_attack_costs_what_a_line_costs) {
    std::string const many(1 << 20, 'a');
    for (auto const* expression :
         {"(a+)+b", "(a|a)*b", "(a|aa)+$!", "(.*)*x", "((((a*)*)*)*)*b", "(\\w+\\s?)+$!"}) {
        auto const table = automaton(expression);
        BOOST_TEST_REQUIRE(table.has_value(), expression);
        for (std::size_t const piece : {std::size_t{4096}, many.size()}) {
            Automaton::Progress progress;
            for (std::size_t n = 0; n < many.size(); n += piece)
                BOOST_TEST_REQUIRE(
                    table->search(std::string_view(many).substr(0, n + piece), progress) == npos);
            BOOST_TEST(progress.scanned == many.size());
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
