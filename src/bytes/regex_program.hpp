// SPDX-License-Identifier: BSL-1.0
// A regular expression as a program that needs no going back, for those that allow it.
#pragma once

#include <bitset>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace tornado::detail {

using ByteSet = std::bitset<256>;

/// What matches an expression, for several threads of control that go through the bytes side by
/// side; the first in the order of preference that gets to `match` has it.
struct RegexProgram {
    struct Instruction {
        enum class Kind : unsigned char {
            take,   ///< one byte of the set at `index`
            split,  ///< go on at `first`, and if that leads nowhere at `second`
            look,   ///< go on if the look at `index` finds what it looks for
            unless, ///< go on if it does not
            match,  ///< the last instruction
        } kind;
        std::size_t index = 0;
        std::ptrdiff_t first = 0; // from here
        std::ptrdiff_t second = 0;
    };
    /// At the bytes that follow, or at those before: one of each set, in their order.
    struct Look {
        bool is_behind;
        std::vector<ByteSet> sets;

        bool operator==(Look const&) const = default;
    };

    std::vector<Instruction> code;
    std::vector<ByteSet> sets;
    std::vector<Look> looks;
};

/// Of an expression that Boost.Regex takes. Understands sequences, alternatives, groups, repeats,
/// sets, escapes of one byte, anchors, boundaries of words, looks of a known length, and the
/// modifiers (?i), (?m) and (?s) at the beginning; there is none of all else, and of what would be
/// too long.
std::optional<RegexProgram> regex_program(std::string_view expression);

} // namespace tornado::detail
