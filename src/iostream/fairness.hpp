// SPDX-License-Identifier: BSL-1.0
// How much a stream may move in one turn, so that the streams of a thread make nobody wait long.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tornado::detail {

/// What the streams of one thread know of each other.
struct Company {
    std::uint32_t turns = 0;              // that they have had
    std::uint64_t moved_since_polite = 0; // bytes, since one that was polite had its turn
};

/// A stream's share. A round is a turn of each stream that has something to do; how many those are
/// tells the count of turns since this one's last. A stream is polite that moves little in each of
/// its turns: it asks, and waits for the answer. Where one was about of late, the streams share a
/// round that is as short as plain Asio's, with a call for each few KiB; where none was, a longer
/// one that takes fewer calls.
class Share {
public:
    static constexpr std::uint32_t least = 8 * 1024;   // bytes a turn; less is little
    static constexpr std::uint32_t most = 1024 * 1024; // bytes a turn; more would save no calls
    static constexpr std::uint32_t short_round = 128 * 1024;
    static constexpr std::uint32_t long_round = 4 * 1024 * 1024;
    static constexpr std::uint64_t of_late = 64 * 1024 * 1024; // bytes that all of them moved

    explicit Share(Company const& company) noexcept : last_turn_(company.turns) {}

    /// A turn begins; gives how many bytes it may move.
    std::uint32_t begin(Company& company) noexcept {
        auto const others = std::max(++company.turns - last_turn_, 1U);
        last_turn_ = company.turns;
        auto const round = company.moved_since_polite < of_late ? short_round : long_round;
        return std::clamp(round / others, least, most);
    }
    /// It has moved so many. A busy stream has small turns now and then: it is polite when its last
    /// few were small.
    void end(Company& company, std::uint64_t moved) noexcept {
        if (moved == 0)
            return;
        appetite_ = std::max(static_cast<std::uint32_t>(std::min<std::uint64_t>(moved, long_round)),
                             appetite_ / 2);
        company.moved_since_polite = appetite_ < least ? 0 : company.moved_since_polite + moved;
    }

private:
    std::uint32_t last_turn_;    // in the company's count
    std::uint32_t appetite_ = 0; // bytes: of the largest turn, half as much after each later one
};

} // namespace tornado::detail
