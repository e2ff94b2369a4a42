// SPDX-License-Identifier: BSL-1.0
// A search for a regular expression that takes each byte once, in pieces as they come.
#pragma once

#include "bytes/regex_program.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace tornado::detail {

/// Whatever a RegexProgram can come to, laid out beforehand as a table: one step a byte, for an
/// attack as for a line. It does not change, so threads may share it.
class Automaton {
public:
    /// How far a search has come.
    struct Progress {
        std::size_t scanned = 0; // bytes that need no other look
        std::uint16_t row = 0;   // of the table: what they came to
    };

    /// Nothing if the table would grow too large.
    static std::optional<Automaton> of(RegexProgram const& program);

    /// Where the first match in `buffered` ends, as if nothing came behind it; npos if there is
    /// none. Between two calls on one `progress` `buffered` only grows at its end.
    std::size_t search(std::string_view buffered, Progress& progress) const noexcept;

private:
    class Builder;

    std::size_t looks_at(std::string_view buffered, std::size_t at) const noexcept;

    std::array<std::uint8_t, 256> class_of_{}; // no set tells the bytes of a class apart
    std::size_t classes_ = 0;                  // and one for the end
    std::vector<RegexProgram::Look> looks_;
    std::size_t ahead_ = 1; // bytes that the longest look needs, the one at its place included
    std::vector<std::uint16_t> steps_; // by row, what the looks find, and class
};

} // namespace tornado::detail
