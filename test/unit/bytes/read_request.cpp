// SPDX-License-Identifier: BSL-1.0
// Every kind of read against a plain model: every split, every limit, nothing scanned twice.
#include "bytes/read_request.hpp"

#include "support/allocations.hpp"

#include <boost/regex.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <ostream>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace tornado::detail;
using namespace std::literals;

using Answer = ReadRequest::Answer;
using What = Answer::What;

namespace tornado::detail {

bool operator==(Answer const& a, Answer const& b) {
    return a.what == b.what && a.bytes == b.bytes;
}

std::ostream& operator<<(std::ostream& out, Answer const& answer) {
    constexpr char const* names[] = {"more", "ready", "unsatisfiable"};
    return out << names[static_cast<int>(answer.what)] << ' ' << answer.bytes;
}

} // namespace tornado::detail

namespace {

constexpr Answer more{What::more};
constexpr Answer unsatisfiable{What::unsatisfiable};

Answer ready(std::size_t bytes) {
    return {What::ready, bytes};
}

Answer expected_until(std::string_view buffered, std::string_view delimiter,
                      std::size_t max_bytes) {
    auto const at = buffered.find(delimiter);
    if (at != buffered.npos && at + delimiter.size() <= max_bytes)
        return ready(at + delimiter.size());
    return at != buffered.npos || buffered.size() > max_bytes ? unsatisfiable : more;
}

boost::regex compiled(std::string const& expression) {
    using namespace boost::regex_constants;
    return boost::regex(expression, perl | no_mod_s | no_mod_m);
}

Answer expected_regex(std::string_view buffered, boost::regex const& expression,
                      std::size_t max_bytes) {
    boost::match_results<char const*> match;
    auto const* const end = buffered.data() + buffered.size();
    if (!buffered.empty() && regex_search(buffered.data(), end, match, expression)) {
        auto const bytes = static_cast<std::size_t>(match[0].second - buffered.data());
        return bytes <= max_bytes ? ready(bytes) : unsatisfiable;
    }
    return buffered.size() > max_bytes ? unsatisfiable : more;
}

// Lets `input` arrive in all ways that `ends`, the bits of positions, tells; the model must agree
// at each step until the request is settled.
template <class Model>
void arrive(ReadRequest request, std::string_view input, unsigned long ends, Model model) {
    for (std::size_t n = 0; n <= input.size(); ++n) {
        if (n < input.size() && !(ends >> n & 1))
            continue;
        auto const part =
            std::string(input.substr(0, n)); // a new place for each, for the sanitizer
        auto const answer = request.examine(part);
        auto const expected = model(part);
        if (!(answer == expected))
            BOOST_FAIL("after " << n << " bytes of " << input << ": " << answer << " instead of "
                                << expected);
        if (answer.what != What::more)
            return;
    }
    if (!(request.examine_at_end(input) == model(input)))
        BOOST_FAIL("at the end of " << input);
}

// All inputs of up to `size` bytes out of `alphabet`.
template <class F>
void every_input(std::string_view alphabet, std::size_t size, F f, std::string const& prefix = "") {
    f(prefix);
    if (prefix.size() < size)
        for (char const byte : alphabet)
            every_input(alphabet, size, f, prefix + byte);
}

Answer until_regex(std::string const& expression, std::string_view input) {
    auto request = ReadRequest::until_regex(expression);
    return request.examine(input);
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

BOOST_AUTO_TEST_SUITE(read_request)

BOOST_AUTO_TEST_CASE(a_pending_read_is_small) {
    static_assert(sizeof(ReadRequest) <= 80);
}

BOOST_AUTO_TEST_CASE(T061_T078_bytes_every_count_and_size) {
    for (std::size_t n = 0; n < 6; ++n) {
        for (std::size_t size = 0; size < 8; ++size) {
            auto const input = std::string(size, 'x');
            auto whole = ReadRequest::bytes(n, false);
            auto partial = ReadRequest::bytes(n, true);
            auto const expected = size >= n ? ready(n) : more;
            auto const expected_partial = size > 0 || n == 0 ? ready(std::min(n, size)) : more;
            BOOST_TEST(whole.examine(input) == expected);
            BOOST_TEST(whole.examine_at_end(input) == expected);
            BOOST_TEST(partial.examine(input) == expected_partial);
            BOOST_TEST(partial.examine_at_end(input) == expected_partial);
        }
    }
}

BOOST_AUTO_TEST_CASE(T060_T069_T102_until_close_takes_all_at_the_end) {
    auto request = ReadRequest::until_close();
    BOOST_TEST(request.examine("") == more);
    BOOST_TEST(request.examine("abc") == more);
    BOOST_TEST(request.examine_at_end("abcd") == ready(4));
    BOOST_TEST(request.examine_at_end("") == ready(0));
}

BOOST_AUTO_TEST_CASE(an_empty_delimiter_is_an_error) {
    BOOST_CHECK_THROW(ReadRequest::until(""), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(T079_T080_T081_T082_until_every_input_split_and_limit) {
    for (std::string const delimiter : {"a", "ab", "aa", "aab", "aba", "abab"}) {
        every_input("ab", 7, [&](std::string const& input) {
            for (auto const limit : {0ul, 1ul, 2ul, 3ul, 4ul, 6ul, 7ul, 8ul, no_limit})
                for (unsigned long ends = 0; ends < 1ul << input.size(); ++ends)
                    arrive(ReadRequest::until(delimiter, limit), input, ends,
                           [&](std::string_view part) {
                               return expected_until(part, delimiter, limit);
                           });
        });
    }
}

BOOST_AUTO_TEST_CASE(until_takes_any_bytes) {
    auto request = ReadRequest::until("\0\xff"sv);
    BOOST_TEST(request.examine("a\xff\0"sv) == more);
    BOOST_TEST(request.examine("a\xff\0\xff"sv) == ready(4));
    std::string const boundary(70, '-');
    auto longer = ReadRequest::until(boundary);
    BOOST_TEST(longer.examine("x" + boundary.substr(1)) == more);
    BOOST_TEST(longer.examine("x" + boundary + "y") == ready(71));
}

BOOST_AUTO_TEST_CASE(T079_T080_the_limit_to_the_byte) {
    for (bool const regex : {false, true}) {
        auto const read = [&](std::size_t limit, std::string_view input) {
            auto request =
                regex ? ReadRequest::until_regex("def", limit) : ReadRequest::until("def", limit);
            return request.examine(input);
        };
        BOOST_TEST(read(50, "abcdef") == ready(6));
        BOOST_TEST(read(6, "abcdef") == ready(6));
        BOOST_TEST(read(6, "abcdefg") == ready(6));
        BOOST_TEST(read(5, "abcdef") == unsatisfiable); // T082
        BOOST_TEST(read(5, "abcde") == more);           // as many as may come
        BOOST_TEST(read(5, "abcdeX") == unsatisfiable);
    }
}

BOOST_AUTO_TEST_CASE(T070_until_does_not_look_twice) {
    auto request = ReadRequest::until("\r\n");
    std::string input;
    while (input.size() < 4 << 20) {
        input.append(1023, 'x').append("\r");
        BOOST_TEST_REQUIRE(request.examine(input) == more);
        input.back() = 'x';
        // A delimiter in bytes that were scanned is not seen: they are not looked at again.
        input[input.size() - 3] = '\r';
        input[input.size() - 2] = '\n';
    }
    input += "\r\n";
    BOOST_TEST(request.examine(input) == ready(input.size()));
}

BOOST_AUTO_TEST_CASE(T070_T083_until_regex_does_not_look_twice) {
    auto request = ReadRequest::until_regex("\r?\n\r?\n");
    std::string input;
    while (input.size() < 1 << 20) {
        input.append(1020, 'x').append("\r\n");
        BOOST_TEST_REQUIRE(request.examine(input) == more);
        input[input.size() - 2] = input[input.size() - 1] = 'x';
        input[input.size() - 5] = input[input.size() - 4] = '\n';
    }
    input += "\r\n\r\n";
    BOOST_TEST(request.examine(input) == ready(input.size()));
}

BOOST_AUTO_TEST_CASE(T070_a_trickled_header_is_scanned_in_linear_time) {
    auto request = ReadRequest::until_regex("\r?\n\r?\n", 100'000);
    std::string input;
    while (input.size() < 64 * 1024)
        input += "Header: value\r\n";
    input += "\r\n";
    // The budget of steps would end a scan that begins anew with each byte.
    for (std::size_t n = 1; n < input.size(); ++n)
        BOOST_TEST_REQUIRE(request.examine(std::string_view(input).substr(0, n)) == more);
    BOOST_TEST(request.examine(input) == ready(input.size()));
}

BOOST_AUTO_TEST_CASE(T071_a_delimiter_in_the_last_small_piece_is_found_at_the_end) {
    for (bool const regex : {false, true}) {
        auto request = regex ? ReadRequest::until_regex("\r?\n") : ReadRequest::until("\r\n");
        std::string const input(100'000, 'x');
        BOOST_TEST(request.examine(input) == more);
        BOOST_TEST(request.examine_at_end(input + "\r\n") == ready(100'002));
    }
}

BOOST_AUTO_TEST_CASE(T072_at_the_end_an_unmet_read_is_not_unsatisfiable) {
    for (auto request : {ReadRequest::until("x"), ReadRequest::until_regex("x"),
                         ReadRequest::bytes(10, false), ReadRequest::bytes(10, true)})
        BOOST_TEST(request.examine_at_end("") == more);
    BOOST_TEST(ReadRequest::until("x", 3).examine_at_end("abc") == more);
    BOOST_TEST(ReadRequest::until("x", 2).examine_at_end("abc") == unsatisfiable);
}

BOOST_AUTO_TEST_CASE(T083_T084_regex_every_input_split_and_limit) {
    for (std::string const expression : {"a",
                                         "ab",
                                         "a+",
                                         "a+b",
                                         "a*b",
                                         "(ab)+b",
                                         "a.b",
                                         ".*b",
                                         ".+b",
                                         "b$",
                                         "^ab",
                                         "^b|bb",
                                         "a\\b",
                                         "\\bab",
                                         "\\Bb",
                                         "(?<=a)b",
                                         "(?<!a)b",
                                         "(?<=aa)bb",
                                         "(?<=^a)b",
                                         "a(?=b)",
                                         "a(?!b)",
                                         "a(?!b)a",
                                         "(?=ab)a",
                                         "(?=aab)a",
                                         "(a)b\\1",
                                         "a??b",
                                         "a{2,3}b",
                                         "(?:a|ab)(?:bb|a)",
                                         "bab|a$",
                                         "aba|bb",
                                         "a.*bb|ba",
                                         "(?>a*)ab",
                                         "a\\Kb",
                                         "(?!$)b*",
                                         "b*",
                                         "(?i)AB",
                                         "\\<a\nb",
                                         "a\\>",
                                         "(a|b)*bb",
                                         "(?s)a.b",
                                         "(?m)^a",
                                         "(?m)a$",
                                         "\\n\\n",
                                         "[^\\n]*\\n",
                                         "(?:\\n|b)\\z",
                                         "a\\Z",
                                         "\\Aa",
                                         "(?(?=a)ab|b)"}) {
        auto const model = compiled(expression);
        every_input("ab\n", 5, [&](std::string const& input) {
            for (auto const limit : {0ul, 1ul, 3ul, 4ul, no_limit})
                for (unsigned long ends = 0; ends<1ul << input.size(); ends += limit> 4 ? 1 : 3)
                    arrive(
                        ReadRequest::until_regex(expression, limit), input, ends,
                        [&](std::string_view part) { return expected_regex(part, model, limit); });
        });
    }
}

BOOST_AUTO_TEST_CASE(T083_random_expressions_equal_a_search_from_the_start) {
    std::minstd_rand random(7);
    std::vector<std::string> const atoms = {"a",      "b",      "c",   ".",  "\\w",   "\\b",
                                            "[ab]",   "[^a]",   "^",   "$",  "(?=a)", "(?!b)",
                                            "(?<=b)", "(?<!c)", "\\1", "\\n"};
    std::vector<std::string> const repeats = {"",  "",   "",   "*",   "+",
                                              "?", "*?", "+?", "{2}", "{1,2}"};
    auto const pick = [&](auto const& from) { return from[random() % from.size()]; };
    for (int i = 0; i < 3000; ++i) {
        std::string expression = "(" + pick(atoms) + pick(atoms) + ")";
        for (auto n = random() % 4; n-- > 0;)
            expression += random() % 4
                              ? pick(atoms) + pick(repeats)
                              : "(" + pick(atoms) + "|" + pick(atoms) + ")" + pick(repeats);
        if (random() % 4 == 0)
            expression += "|" + pick(atoms) + pick(atoms);
        try {
            ReadRequest::until_regex(expression);
        } catch (std::invalid_argument const&) {
            continue; // a repeated assertion, for instance
        }
        auto const model = compiled(expression);
        for (int j = 0; j < 10; ++j) {
            std::string input(random() % 12, '\0');
            for (auto& byte : input)
                byte = "abc\n"[random() % 4];
            BOOST_TEST_CONTEXT(expression)
            arrive(ReadRequest::until_regex(expression), input, random(),
                   [&](std::string_view part) { return expected_regex(part, model, no_limit); });
        }
    }
}

BOOST_AUTO_TEST_CASE(T084_the_result_ends_with_the_first_match) {
    BOOST_TEST(until_regex("[0-9]+;", "abc12;34;") == ready(6));
    BOOST_TEST(until_regex("a+", "xaaa") == ready(4));
    auto request = ReadRequest::until_regex("aa+");
    BOOST_TEST(request.examine("xa") == more);
    BOOST_TEST(request.examine("xaa") == ready(3)); // not kept back for a longer match
}

BOOST_AUTO_TEST_CASE(lines_and_anchors_are_those_of_python) {
    BOOST_TEST(until_regex(".+\n", "ab\r\ncd\n") == ready(4));
    BOOST_TEST(until_regex(".+\n", "a\fb\n") == ready(4));
    BOOST_TEST(until_regex(".*\n", "ab\ncd\n") == ready(3));
    BOOST_TEST(until_regex("(?s).*\n", "ab\ncd\n") == ready(6));
    BOOST_TEST(until_regex("^b", "a\nb") == more);
    BOOST_TEST(until_regex("(?m)^b", "a\nb") == ready(3));
    BOOST_TEST(until_regex("(?m)^b", "a\rb") == more);
    BOOST_TEST(until_regex("a$", "a\nb") == more);
    BOOST_TEST(until_regex("(?m)a$", "a\nb") == ready(1));
    BOOST_TEST(until_regex("\xff[\x80-\xfe]\\x00", "\xff\x81\0"sv) == ready(3));
}

BOOST_AUTO_TEST_CASE(an_empty_match_is_ready_as_soon_as_a_byte_is_there) {
    BOOST_TEST(until_regex("x*", "") == more);
    BOOST_TEST(until_regex("x*", "abc") == ready(0));
}

BOOST_AUTO_TEST_CASE(a_malformed_expression_is_quoted) {
    for (std::string const expression : {"(unclosed", "[z-a]", "*", "a{2,1}", "(?<=a*)b", "\\"}) {
        BOOST_CHECK_EXCEPTION(ReadRequest::until_regex(expression), std::invalid_argument,
                              [&](std::invalid_argument const& e) {
                                  return std::string_view(e.what()).find('"' + expression + '"') !=
                                         std::string_view::npos;
                              });
    }
    BOOST_CHECK_THROW(ReadRequest::until_regex("a\\Gb"), std::invalid_argument);
    BOOST_CHECK_NO_THROW(ReadRequest::until_regex("a\\\\Gb"));
    BOOST_CHECK_THROW(ReadRequest::until_regex(std::string(100'000, '(')), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(T083_expressions_made_to_hurt_end_in_bounded_time) {
    struct Case {
        char const* expression;
        std::string input;
        std::size_t piece = 1'000'000;
    };
    std::string const many(64 * 1024, 'a');
    for (auto const& hurt : {
             Case{"(a+)+$b", many},
             Case{"(a+)+\\n", many + "!"},
             Case{"(a|a)*b", many, 100},
             Case{"(a|aa)+$!", many},
             Case{"(.*)*x", many},
             Case{"(?:(?:a?){50}){50}b", many},
             Case{"((((a*)*)*)*)*b", many},
             Case{"(?:|){64}b", many, 100},
             Case{"(?:(?:|)(?:|)(?:|)(?:|)(?:|)){20}b", many},
             Case{"(?>[^;]*)x", many, 100},
             Case{"(a?){1000}b", many},
             Case{"(?=(a+)+b)a", many},
             Case{"(a*)\\1\\1b", many, 100},
             Case{"(?:a|(?R))*b", many},
             Case{"(?(?=.*x)a|b)+c", many, 100},
         }) {
        auto request = ReadRequest::until_regex(hurt.expression);
        auto answer = more;
        auto const spent = cpu_time([&] {
            for (std::size_t n = 0; n < hurt.input.size() && answer == more;) {
                n = std::min(n + hurt.piece, hurt.input.size());
                BOOST_CHECK_NO_THROW(answer = request.examine(hurt.input.substr(0, n)));
            }
        });
        BOOST_TEST_MESSAGE(hurt.expression << ": " << answer << ", " << spent.count() / 1'000'000
                                           << " ms");
        BOOST_TEST((answer.what != What::ready));
        BOOST_TEST((spent < 20s), hurt.expression); // ten times what was measured, and more
    }
}

BOOST_AUTO_TEST_CASE(an_expression_that_begins_anywhere_has_the_room_that_is_promised) {
    for (auto const& [total, piece] : {std::pair{4'000, 1}, {150'000, 1024}, {4'000'000, 65'536}}) {
        auto request = ReadRequest::until_regex("[^;]*;");
        std::string const input = std::string(static_cast<std::size_t>(total), 'x');
        for (std::size_t n = 0; n < input.size();) {
            n = std::min(n + static_cast<std::size_t>(piece), input.size());
            BOOST_TEST_REQUIRE(request.examine(std::string_view(input).substr(0, n)) == more);
        }
        BOOST_TEST(request.examine(input + ";") == ready(input.size() + 1));
    }
}

BOOST_AUTO_TEST_CASE(reads_in_a_loop_neither_compile_nor_allocate) {
    std::string const input = "GET / HTTP/1.1\r\nHost: example\r\n\r\n";
    auto const turn = [&] {
        auto request = ReadRequest::until_regex("\r?\n\r?\n", 65'536);
        BOOST_TEST_REQUIRE(request.examine(std::string_view(input).substr(0, 20)) == more);
        BOOST_TEST_REQUIRE(request.examine(input) == ready(input.size()));
        auto line = ReadRequest::until("\r\n", 1000);
        BOOST_TEST_REQUIRE(line.examine(input) == ready(16));
        line = ReadRequest::bytes(10, false);
        BOOST_TEST_REQUIRE(line.examine(input) == ready(10));
    };
    turn();
    // The assertions themselves allocate; so they are counted apart.
    auto const start = tornado::test::allocations();
    for (int i = 0; i < 1000; ++i) {
        auto request = ReadRequest::until_regex("\r?\n\r?\n", 65'536);
        request.examine(std::string_view(input).substr(0, 20));
        request.examine(input);
        auto line = ReadRequest::until("\r\n", 1000);
        line.examine(input);
        line = ReadRequest::bytes(10, false);
        line.examine(input);
    }
    BOOST_TEST(tornado::test::allocations() == start);
}

BOOST_AUTO_TEST_CASE(a_few_expressions_stay_compiled_the_latest_used_longest) {
    if (!tornado::test::counts_allocations)
        return;
    auto const cost = [](std::string const& expression) {
        auto const before = tornado::test::allocations();
        ReadRequest::until_regex(expression);
        return tornado::test::allocations() - before;
    };
    std::vector<std::string> expressions;
    for (char i = 'a'; i < 'i'; ++i)
        expressions.push_back(std::string("expression ") + i + '+');
    for (auto const& expression : expressions)
        BOOST_TEST(cost(expression) > 0u);
    for (auto const& expression : expressions)
        BOOST_TEST(cost(expression) == 0u);
    BOOST_TEST(cost("one more") > 0u);
    BOOST_TEST(cost(expressions[1]) == 0u);
    BOOST_TEST(cost(expressions[0]) > 0u);
}

BOOST_AUTO_TEST_CASE(a_request_outlives_its_expression_in_the_cache_and_its_thread) {
    ReadRequest request;
    std::thread([&] { request = ReadRequest::until_regex("a+b"); }).join();
    for (int i = 0; i < 20; ++i)
        ReadRequest::until_regex("x" + std::to_string(i));
    BOOST_TEST(request.examine("xaa") == more);
    BOOST_TEST(request.examine("xaab") == ready(4));
}

BOOST_AUTO_TEST_CASE(a_request_may_be_examined_while_its_thread_ends) {
    struct Holder {
        ReadRequest request;
        ~Holder() {
            BOOST_TEST(request.examine("xaab") == ready(4));
            BOOST_TEST(ReadRequest::until_regex("a").examine("a") == ready(1));
        }
    };
    std::thread([] {
        thread_local Holder early; // complete before the cache is made, so destroyed after it
        early.request = ReadRequest::until_regex("a+b");
    }).join();
}

BOOST_AUTO_TEST_SUITE_END()
