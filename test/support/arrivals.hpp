// SPDX-License-Identifier: BSL-1.0
// Bytes that arrive in every way, and what a search of all of them from their start would find.
#pragma once

#include <boost/regex.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace tornado::test {

/// Calls `f` with all inputs of up to `size` bytes out of `alphabet`.
template <class F>
void every_input(std::string_view alphabet, std::size_t size, F f, std::string const& prefix = "") {
    f(prefix);
    if (prefix.size() < size)
        for (char const byte : alphabet)
            every_input(alphabet, size, f, prefix + byte);
}

/// Calls `f` with what has come after each piece of `input`, which end where the bits of `ends`
/// tell, in a new place each time for the sanitizer; until `f` returns false.
template <class F>
void arrive(std::string_view input, unsigned long ends, F f) {
    for (std::size_t n = 0; n <= input.size(); ++n)
        if ((n == input.size() || (ends >> n & 1)) && !f(std::string(input.substr(0, n))))
            return;
}

/// Boost.Regex, asked anew for the whole. Lines end at \r and \f for it, so these must not come.
class WholeSearch {
public:
    explicit WholeSearch(std::string_view expression)
        : regex_(expression.begin(), expression.end(),
                 boost::regex_constants::perl | boost::regex_constants::no_mod_s |
                     boost::regex_constants::no_mod_m) {}

    /// Where the first match ends; npos: there is none.
    std::size_t end_in(std::string_view all) const {
        boost::match_results<char const*> match;
        auto const* const last = all.data() + all.size();
        if (all.empty() || !regex_search(all.data(), last, match, regex_))
            return all.npos;
        return static_cast<std::size_t>(match[0].second - all.data());
    }

private:
    boost::regex regex_;
};

} // namespace tornado::test
