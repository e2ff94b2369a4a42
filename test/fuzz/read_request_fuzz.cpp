// SPDX-License-Identifier: BSL-1.0
// What arrives in pieces is answered like the whole, searched from its start each time.
#include "bytes/read_request.hpp"

#include "fuzz/input.hpp"
#include "support/arrivals.hpp"

#include <functional>
#include <stdexcept>

using namespace tornado::test;
using tornado::detail::ReadRequest;
using What = ReadRequest::Answer::What;

namespace {

constexpr auto npos = std::string_view::npos;

// Where a read that waits for a match would end; npos: not yet.
using End = std::function<std::size_t(std::string_view)>;

End end_of_delimiter(std::string_view delimiter) {
    return [=](std::string_view all) {
        auto const at = all.find(delimiter);
        return at == npos ? npos : at + delimiter.size();
    };
}

End end_of_regex(std::string_view expression) {
    return [whole = WholeSearch(expression)](std::string_view all) { return whole.end_in(all); };
}

// Lets the input arrive in pieces, spelled in `alphabet` if that is not empty.
void arrive(ReadRequest request, Input input, std::string_view alphabet, std::size_t max_bytes,
            End const& end) {
    std::string all;
    while (!input.empty()) {
        for (char const byte : input.bytes(1 + input.byte() % 16u))
            all += alphabet.empty() ? byte
                                    : alphabet[static_cast<unsigned char>(byte) % alphabet.size()];
        auto const at = end(all);
        auto const answer = request.examine(std::string(all)); // a new place for the sanitizer
        if (at != npos && at <= max_bytes)
            require(answer.what == What::ready && answer.bytes == at);
        else
            require(answer.what ==
                    (at != npos || all.size() > max_bytes ? What::unsatisfiable : What::more));
        if (answer.what != What::more)
            return;
    }
    require(request.examine_at_end(all).what == What::more);
}

// An expression of what Boost.Regex and the request must agree on: no recursion, no verbs, nothing
// that takes long.
std::string expression_from(Input& input) {
    constexpr std::string_view atoms[] = {
        "a",       "b",      "\\n",      ".",       "[ab]",     "[^a]",
        "\\w",     "\\b",    "\\B",      "^",       "(",        "(?:",
        ")",       "(?=ab)", "(?!ab|c)", "(?<=ab)", "(?<!a|b)", "[[:alpha:]\\n]",
        "\\x61",   "\\A",    "\\z",      "$",       "(?=a)",    "(?!a)",
        "(?<=a)",  "(?<!b)", "(ab)",     "(a|b)",   "(?:|b)",   "\\1",
        "(?>a*)",  "|",      "\\r?\\n",  "(?i)",    "(?s)",     "(?m)",
        "(?=.*b)", "\\<",    "\\>"};
    constexpr std::string_view repeats[] = {"",   "",    "",      "*",  "+",  "?",      "*?",  "+?",
                                            "??", "{2}", "{1,2}", "*+", "++", "{0,2}?", "{2,}"};
    std::string expression;
    for (auto n = 1 + input.byte() % 6; n-- > 0;) {
        expression += atoms[input.byte() % std::size(atoms)];
        expression += repeats[input.byte() % std::size(repeats)];
    }
    return expression;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    Input input(data, std::min<std::size_t>(size, 256));
    auto const kind = input.byte() % 4;
    auto const max_bytes = input.byte() % 2 ? input.byte() : tornado::detail::no_limit;
    if (kind == 0) {
        auto const delimiter = input.bytes(1 + input.byte() % 6u);
        if (!delimiter.empty())
            arrive(ReadRequest::until(delimiter, max_bytes), input,
                   input.byte() % 2 ? "" : delimiter, max_bytes, end_of_delimiter(delimiter));
    } else if (kind < 3) {
        auto const expression = expression_from(input);
        try {
            auto request = ReadRequest::until_regex(expression, max_bytes);
            // Without \r and \f, which end lines for the model alone.
            arrive(std::move(request), input, "ab\nc a", max_bytes, end_of_regex(expression));
        } catch (std::invalid_argument const&) {
        } catch (std::runtime_error const&) { // the model's search was too complex for it
        }
    } else { // any expression at all: it may be refused, and may not throw later
        auto const expression = input.bytes(input.byte() % 64u);
        try {
            auto request = ReadRequest::until_regex(expression, max_bytes);
            std::string all;
            while (!input.empty()) {
                all += input.bytes(1 + input.byte() % 32u);
                if (request.examine(all).what != What::more)
                    break;
            }
        } catch (std::invalid_argument const&) {
        }
    }
    return 0;
}
