// SPDX-License-Identifier: BSL-1.0
// How long requests took, as counts in buckets: percentiles without keeping each request.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace demo {

/// Buckets are an eighth of a power of two wide, so that a percentile is at most 12.5 % too high.
/// From a nanosecond to about eighteen minutes; what is longer counts as that.
class Latencies {
public:
    void add(std::chrono::nanoseconds time) noexcept;
    void clear() noexcept;
    std::uint64_t count() const noexcept { return count_; }
    /// The time that this share (0 to 1) of the requests stayed within; zero if there are none.
    std::chrono::nanoseconds percentile(double share) const noexcept;

private:
    static constexpr unsigned steps = 8;
    static constexpr unsigned powers = 40;

    std::array<std::uint32_t, steps * powers> buckets_{};
    std::uint64_t count_ = 0;
};

} // namespace demo
