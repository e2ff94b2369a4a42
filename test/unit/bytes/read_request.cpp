// SPDX-License-Identifier: BSL-1.0
// Every kind of read against a plain model: every split, every limit, nothing scanned twice.
#include "bytes/read_request.hpp"

#include "support/allocations.hpp"
#include "support/arrivals.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <ostream>
#include <stdexcept>
#include <string>
#include <thread>

using namespace tornado::detail;
using namespace tornado::test;
using namespace std::literals;

using Answer = ReadRequest::Answer;
using What = Answer::What;

namespace tornado::detail {

bool operator==(Answer const& a, Answer const& b) {
    return a.what == b.what && a.bytes == b.bytes;
}

std::ostream& operator<<(std::ostream& out, Answer const& answer) {
    constexpr char const* names[] = {"more", "ready", "unsatisfiable", "too costly"};
    return out << names[static_cast<int>(answer.what)] << ' ' << answer.bytes;
}

} // namespace tornado::detail

namespace {

constexpr Answer more{What::more};
constexpr Answer unsatisfiable{What::unsatisfiable};
constexpr Answer too_costly{What::too_costly};

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

Answer expected_regex(std::string_view buffered, WholeSearch const& whole, std::size_t max_bytes) {
    auto const end = whole.end_in(buffered);
    if (std::min(end, buffered.size()) > max_bytes)
        return unsatisfiable;
    return end == buffered.npos ? more : ready(end);
}

// Lets `input` arrive in pieces; the model must agree at each step until the request is settled.
template <class Model>
void compare(ReadRequest request, std::string_view input, unsigned long ends, Model model) {
    auto answer = more;
    arrive(input, ends, [&](std::string const& part) {
        answer = request.examine(part);
        auto const expected = model(part);
        if (!(answer == expected))
            BOOST_FAIL("after " << part.size() << " bytes of " << input << ": " << answer
                                << " instead of " << expected);
        return answer == more;
    });
    if (answer == more && !(request.examine_at_end(input) == model(input)))
        BOOST_FAIL("at the end of " << input);
}

Answer until_regex(std::string const& expression, std::string_view input) {
    auto request = ReadRequest::until_regex(expression);
    return request.examine(input);
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
                    compare(ReadRequest::until(delimiter, limit), input, ends,
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
    for (std::string const expression : {"\r?\n\r?\n", "(?>\r?\n)\r?\n"}) {
        auto request = ReadRequest::until_regex(expression);
        std::string input;
        while (input.size() < 1 << 20) {
            input.append(1024, 'x');
            BOOST_TEST_REQUIRE(request.examine(input) == more);
            input[input.size() - 5] = input[input.size() - 4] = '\n';
        }
        input += "\r\n\r\n";
        BOOST_TEST(request.examine(input) == ready(input.size()));
    }
}

BOOST_AUTO_TEST_CASE(T070_a_trickled_header_is_scanned_in_linear_time) {
    for (std::string const expression : {"\r?\n\r?\n", "(?>\r?\n)\r?\n"}) {
        auto request = ReadRequest::until_regex(expression, 100'000);
        std::string input;
        while (input.size() < 64 * 1024)
            input += "Header: value\r\n";
        input += "\r\n";
        // The bound on going back would end a scan that begins anew with each byte.
        for (std::size_t n = 1; n < input.size(); ++n)
            BOOST_TEST_REQUIRE(request.examine(std::string_view(input).substr(0, n)) == more);
        BOOST_TEST(request.examine(input) == ready(input.size()));
    }
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

BOOST_AUTO_TEST_CASE(T080_T083_T084_regex_every_input_split_and_limit) {
    for (std::string const expression :
         {"a", "a+b", "(ab)+b", ".*b", "b$", "a(?!b)", "(?<=aa)b", "b*", "(a)b\\1", "(?>a*)ab"}) {
        WholeSearch const model(expression);
        every_input("ab\n", 5, [&](std::string const& input) {
            for (auto const limit : {0ul, 1ul, 3ul, 4ul, no_limit})
                for (unsigned long ends = 0; ends<1ul << input.size(); ends += limit> 4 ? 1 : 3)
                    compare(
                        ReadRequest::until_regex(expression, limit), input, ends,
                        [&](std::string_view part) { return expected_regex(part, model, limit); });
        });
    }
}

BOOST_AUTO_TEST_CASE(T084_the_result_ends_with_the_first_match) {
    BOOST_TEST(until_regex("[0-9]+;", "abc12;34;") == ready(6));
    BOOST_TEST(until_regex("a+", "xaaa") == ready(4));
    auto request = ReadRequest::until_regex("aa+");
    BOOST_TEST(request.examine("xa") == more);
    BOOST_TEST(request.examine("xaa") == ready(3)); // not kept back for a longer match
}

BOOST_AUTO_TEST_CASE(a_malformed_expression_is_an_error) {
    BOOST_CHECK_THROW(ReadRequest::until_regex("(unclosed"), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(what_is_too_costly_is_not_called_unsatisfiable) {
    auto request = ReadRequest::until_regex("(?=(a+)+b)a", 1000);
    BOOST_TEST(request.examine(std::string(100, 'a')) == too_costly);
    request = ReadRequest::until_regex("(a+)+b", 1000);
    BOOST_TEST(request.examine(std::string(1000, 'a')) == more);
    BOOST_TEST(request.examine(std::string(1001, 'a')) == unsatisfiable);
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

BOOST_AUTO_TEST_CASE(a_request_outlives_its_expression_in_the_cache_and_its_thread) {
    ReadRequest request;
    std::thread([&] { request = ReadRequest::until_regex("a+b"); }).join();
    for (int i = 0; i < 20; ++i)
        ReadRequest::until_regex("x" + std::to_string(i));
    BOOST_TEST(request.examine("xaa") == more);
    BOOST_TEST(request.examine("xaab") == ready(4));
}

BOOST_AUTO_TEST_SUITE_END()
