// SPDX-License-Identifier: BSL-1.0
// A time as text, for log lines and descriptions.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

namespace tornado::detail {

/// `0.250 s`; nothing is shorter than that.
inline std::string in_seconds(std::chrono::nanoseconds time) {
    char text[40];
    auto const seconds = std::chrono::duration<double>(time).count();
    std::snprintf(text, sizeof text, "%.3f s", seconds > 0 ? seconds : 0.0);
    return text;
}

/// From now to `deadline`; zero when that is over.
inline std::chrono::nanoseconds until(std::chrono::steady_clock::time_point deadline) noexcept {
    auto const now = std::chrono::steady_clock::now();
    return deadline > now ? deadline - now : std::chrono::nanoseconds::zero();
}

} // namespace tornado::detail
