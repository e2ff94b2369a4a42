// SPDX-License-Identifier: BSL-1.0
// A bucket is a number's highest bit and the three bits after it.
#include "latency.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace demo {

void Latencies::add(std::chrono::nanoseconds time) noexcept {
    auto const value = static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 1));
    auto const power = static_cast<unsigned>(std::bit_width(value)) - 1;
    auto const step =
        static_cast<unsigned>(power >= 3 ? value >> (power - 3) : value << (3 - power));
    auto const bucket = std::size_t(power) * steps + step % steps;
    ++buckets_[std::min(bucket, buckets_.size() - 1)];
    ++count_;
}

void Latencies::clear() noexcept {
    buckets_.fill(0);
    count_ = 0;
}

std::chrono::nanoseconds Latencies::percentile(double share) const noexcept {
    auto const wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i != buckets_.size(); ++i) {
        seen += buckets_[i];
        if (seen != 0 && seen >= wanted)
            return std::chrono::nanoseconds(((steps + i % steps + 1) << (i / steps)) / steps);
    }
    return {};
}

} // namespace demo
