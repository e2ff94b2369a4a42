// SPDX-License-Identifier: BSL-1.0
// Any expression in any pieces, what going back may cost, and what a thread keeps compiled.
#include "bytes/expression.hpp"

#include "support/allocations.hpp"
#include "support/arrivals.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace tornado::detail;
using namespace tornado::test;
using namespace std::literals;

namespace {

constexpr auto npos = std::string_view::npos;

void compare(std::string const& text, Expression const& expression, WholeSearch const& whole,
             std::string_view input, unsigned long ends) {
    SearchProgress progress;
    arrive(input, ends, [&](std::string const& part) {
        auto const expected = whole.end_in(part);
        auto const found = search(expression, part, progress);
        if (found != expected)
            BOOST_FAIL(text << " after " << part.size() << " bytes of " << input << ": "
                            << found.value_or(12345) << " instead of " << expected);
        return found == npos;
    });
}

std::size_t end(std::string_view expression, std::string_view input) {
    SearchProgress progress;
    return search(*compiled(expression), input, progress).value();
}

// How much of many bytes can come in such pieces before they are too costly; `most` if all can.
std::size_t affordable(std::string_view expression, std::size_t piece, std::size_t most) {
    SearchProgress progress;
    std::string bytes;
    while (bytes.size() < most) {
        bytes.append(piece, 'a');
        if (!search(*compiled(expression), bytes, progress))
            return bytes.size();
    }
    return most;
}

// Time on this thread's processor: what the deadlines of other programs cannot stretch.
template <class F>
std::chrono::nanoseconds cpu_time(F f) {
    auto const now = [] {
        timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
    };
    auto const start = now();
    f();
    return now() - start;
}

} // namespace

BOOST_AUTO_TEST_SUITE(expression)

BOOST_AUTO_TEST_CASE(T083_T084_every_input_and_split) {
    for (std::string const text : {"a+b", "(a)b\\1", "(?>a*)ab", "a\\Kb", "(?!$)b*", "\\<a\nb",
                                   "a\\>", "a\\Z", "(?(?=a)ab|b)", "(?=a*b)a", "(?<=^a)b",
                                   "(?>a|ab)(?:bb|a)", "(?<=a\\b)\n", "(?:|a)*b", "a(?!b*\n)"}) {
        WholeSearch const whole(text);
        auto const expression = compiled(text);
        every_input("ab\n", 5, [&](std::string const& input) {
            for (unsigned long ends = 0; ends < 1ul << input.size(); ends += 3)
                compare(text, *expression, whole, input, ends);
        });
    }
}

BOOST_AUTO_TEST_CASE(T083_random_expressions_equal_a_search_from_the_start) {
    std::minstd_rand random(7);
    std::vector<std::string> const atoms = {
        "a",      "b",      "c",   ".",   "\\w",    "\\b",    "[ab]",       "[^a]",
        "^",      "$",      "\\1", "\\n", "(?=a)",  "(?!b)",  "(?=a*b)",    "(?!b|c$)",
        "(?<=b)", "(?<!c)", "\\<", "\\>", "(?>a*)", "(?:|b)", "(?<=[ab]b)", "(?>a|ab)"};
    std::vector<std::string> const repeats = {"",  "",   "",   "*",   "+",
                                              "?", "*?", "+?", "{2}", "{1,2}"};
    auto const pick = [&](auto const& from) { return from[random() % from.size()]; };
    int backwards = 0;
    for (int i = 0; i < 3000; ++i) {
        std::string text = "(" + pick(atoms) + pick(atoms) + ")";
        for (auto n = random() % 4; n-- > 0;)
            text += random() % 4 ? pick(atoms) + pick(repeats)
                                 : "(" + pick(atoms) + "|" + pick(atoms) + ")" + pick(repeats);
        if (random() % 4 == 0)
            text += "|" + pick(atoms) + pick(atoms);
        std::shared_ptr<Expression const> expression;
        try {
            expression = compiled(text);
        } catch (std::invalid_argument const&) {
            continue; // a repeated assertion, for instance
        }
        backwards += !expression->automaton;
        WholeSearch const whole(text);
        for (int j = 0; j < 10; ++j) {
            std::string input(random() % 12, '\0');
            for (auto& byte : input)
                byte = "abc\n"[random() % 4];
            compare(text, *expression, whole, input, random());
        }
    }
    BOOST_TEST(backwards > 500);
}

BOOST_AUTO_TEST_CASE(lines_and_anchors_are_those_of_python) {
    for (std::string const prefix : {"", "(?>x?)"}) { // an atomic group has no automaton
        BOOST_TEST(compiled(prefix + "a")->automaton.has_value() == prefix.empty());
        BOOST_TEST(end(prefix + ".+\n", "ab\r\ncd\n") == 4u);
        BOOST_TEST(end(prefix + ".+\n", "a\fb\n") == 4u);
        BOOST_TEST(end(prefix + ".*\n", "ab\ncd\n") == 3u);
        BOOST_TEST(end(prefix + "^b", "a\nb") == npos);
        BOOST_TEST(end(prefix + "a$", "a\nb") == npos);
        BOOST_TEST(end(prefix + "\xff[\x80-\xfe]\\x00", "\xff\x81\0"sv) == 3u);
    }
    BOOST_TEST(end("(?s).*\n", "ab\ncd\n") == 6u);
    BOOST_TEST(end("(?m)^b", "a\nb") == 3u);
    BOOST_TEST(end("(?m)^b", "a\rb") == npos);
    BOOST_TEST(end("(?m)a$", "a\nb") == 1u);
}

BOOST_AUTO_TEST_CASE(an_empty_match_is_ready_as_soon_as_a_byte_is_there) {
    for (auto const* text : {"x*", "(?>x*)"}) {
        BOOST_TEST(end(text, "") == npos);
        BOOST_TEST(end(text, "abc") == 0u);
    }
}

BOOST_AUTO_TEST_CASE(a_malformed_expression_is_quoted) {
    for (std::string const text : {"(unclosed", "[z-a]", "*", "a{2,1}", "(?<=a*)b", "\\", "a\\Gb",
                                   "(?:a|(?R))*b", "(\\{(?1)*\\})"}) {
        BOOST_CHECK_EXCEPTION(compiled(text), std::invalid_argument,
                              [&](std::invalid_argument const& e) {
                                  return std::string_view(e.what()).find('"' + text + '"') != npos;
                              });
    }
    BOOST_CHECK_NO_THROW(compiled("a\\\\Gb"));
    BOOST_CHECK_NO_THROW(compiled("\\(?R[(?R]"));
    BOOST_CHECK_THROW(compiled(std::string(100'000, '(')), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(T083_expressions_that_are_no_attack_reach_1_MiB_in_any_pieces) {
    for (auto const* text :
         {".*?\n", "(?s).*?END", "(?:.|\n)*?END", "(?:[^;]|\n)*;", "[^;]*;", "(?s).*?\\bEND\\b",
          "(?m)^END$", "(?<!\\\\)\n", "(?<=\r\n)END", "(?s).*?(?=END)", "(?:(?!END)[^;])*END",
          "[^\n]*+\n", "(?:\\s*\\w+\\s*)*;", "(?i)<end>|END"}) {
        for (auto const& [size, piece] : {std::pair{16'000, 8'000},
                                          {150 << 10, 1 << 10},
                                          {1 << 20, 4 << 10},
                                          {1 << 20, 1 << 20}}) {
            auto const expression = compiled(text);
            std::string const bytes(static_cast<std::size_t>(size), 'x');
            SearchProgress progress;
            for (std::size_t n = 0; n < bytes.size();) {
                n = std::min(n + static_cast<std::size_t>(piece), bytes.size());
                BOOST_TEST_REQUIRE(
                    (search(*expression, std::string_view(bytes).substr(0, n), progress) == npos),
                    text << " after " << n << " in pieces of " << piece);
            }
            BOOST_TEST((*search(*expression, bytes + "\r\nEND\n;\n", progress) != npos), text);
        }
    }
}

BOOST_AUTO_TEST_CASE(what_going_back_may_cost_is_bounded_for_each_piece_and_each_byte) {
    auto const within = [](std::size_t n, std::size_t least, std::size_t most) {
        return n >= least && n <= most;
    };
    // It begins anywhere and goes to the end: twice over all that has come, with each piece.
    BOOST_TEST(within(affordable("(?>[^;]*);", 1024, 1 << 20), 125'000, 155'000));
    // Each byte costs 40 steps.
    for (std::size_t const size : {570'000U, 850'000U}) {
        SearchProgress progress;
        auto const found =
            search(*compiled("(?>ab|ac|ad|ae|af|ag|ah)i"), std::string(size, 'a'), progress);
        BOOST_TEST(found.has_value() == (size == 570'000));
    }
}

BOOST_AUTO_TEST_CASE(T083_expressions_made_to_hurt_end_in_bounded_time) {
    for (auto const& [text, piece] : {std::pair{"(?>x?)(a+)+$b", 64 << 10},
                                      {"(?:(?:a?){50}){50}b", 64 << 10},
                                      {"(a?){1000}b", 64 << 10},
                                      {"(?=(a+)+b)a", 100},
                                      {"(x?a+)+\\1\\1b", 64 << 10},
                                      {"(?>x?)((((a*)*)*)*)*b", 100},
                                      {"(?:|a)*b", 100},
                                      {"(?>x?)(?:|){64}b", 100},
                                      {"(?(?=.*x)a|b)+c", 100},
                                      {"(?:(?:|)(?:|)(?:|)(?:|)(?:|)){20}b", 64 << 10}}) {
        std::size_t reached = 0;
        auto const spent = cpu_time([&, text = text, piece = static_cast<std::size_t>(piece)] {
            reached = affordable(text, piece, 64 << 10);
        });
        BOOST_TEST_MESSAGE(text << ": " << reached << " bytes, " << spent.count() / 1'000'000
                                << " ms");
        BOOST_TEST((spent < 20s), text); // fifty times what was measured
    }
}

BOOST_AUTO_TEST_CASE(a_few_expressions_stay_compiled_the_latest_used_longest) {
    std::vector<std::string> texts;
    for (char i = 'a'; i < 'i'; ++i)
        texts.push_back(std::string("expression ") + i + '+');
    auto const is_kept = [](std::string const& text, std::weak_ptr<Expression const> known) {
        return compiled(text) == known.lock();
    };
    std::vector<std::weak_ptr<Expression const>> known;
    for (auto const& text : texts)
        known.push_back(compiled(text));
    for (std::size_t i = 0; i != texts.size(); ++i)
        BOOST_TEST(is_kept(texts[i], known[i]));
    compiled("one more");
    BOOST_TEST(known[0].expired());
    BOOST_TEST(is_kept(texts[1], known[1]));
    compiled(texts[0]);
    BOOST_TEST(known[2].expired());
    BOOST_TEST(!known[1].expired());
}

BOOST_AUTO_TEST_CASE(a_search_while_its_thread_ends) {
    struct Holder {
        std::shared_ptr<Expression const> expression;
        ~Holder() {
            for (auto const* text : {"a", "(?>a)"}) {
                BOOST_TEST(end(text, "a") == 1u);
                SearchProgress progress;
                BOOST_TEST(*search(*expression, "xaab", progress) == 4u);
            }
        }
    };
    for (std::string const text : {"a+b", "(?>a+)b"})
        std::thread([&] {
            thread_local Holder early; // complete before the cache is made, so destroyed after it
            early.expression = compiled(text);
        }).join();
}

BOOST_AUTO_TEST_SUITE_END()
