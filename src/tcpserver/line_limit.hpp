// SPDX-License-Identifier: BSL-1.0
// Which lines of a flood are written to the log. No clock of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace tornado::detail {

/// The first one at once, then one a minute at most, which tells how many there were between.
class LineLimit {
public:
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr auto interval = std::chrono::minutes(1);

    /// Nothing if this line is to be held back; else how many were since the last that was not.
    std::optional<std::uint64_t> pass(time_point now) noexcept {
        if (last_ && now - *last_ < interval) {
            ++held_;
            return {};
        }
        last_ = now;
        return std::exchange(held_, 0);
    }

private:
    std::optional<time_point> last_;
    std::uint64_t held_ = 0;
};

} // namespace tornado::detail
