// SPDX-License-Identifier: BSL-1.0
// Arithmetic on the loop's clock. No I/O.
#pragma once

#include <algorithm>
#include <chrono>

namespace tornado::detail {

using Clock = std::chrono::steady_clock;

/// `start + delay`, or the end of time if that is later.
inline Clock::time_point add_clamped(Clock::time_point start, Clock::duration delay) noexcept {
    if (start.time_since_epoch() > Clock::duration::zero() &&
        delay > Clock::time_point::max() - start)
        return Clock::time_point::max();
    return start + delay;
}

/// When a periodic callback is called next: `scheduled` is when the last call was due, `random` in
/// [0, 1) places the interval in its jitter. Calls that are impossible by now are skipped, so that
/// the next one is on the grid again (T047, T048); a clock that went back is ignored (T049).
inline Clock::time_point next_call(Clock::time_point scheduled, Clock::time_point now,
                                   Clock::duration period, double jitter, double random) {
    auto interval = period;
    if (jitter != 0) {
        std::chrono::duration<double, Clock::period> const spread(
            static_cast<double>(period.count()) * jitter * (random - 0.5));
        interval = std::max(Clock::duration(1),
                            period + std::chrono::duration_cast<Clock::duration>(spread));
    }
    if (scheduled > now)
        return add_clamped(scheduled, interval);
    return add_clamped(scheduled + (now - scheduled) / interval * interval, interval);
}

} // namespace tornado::detail
