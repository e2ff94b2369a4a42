// SPDX-License-Identifier: BSL-1.0
// How long to wait before the next attempt.
#pragma once

#include <algorithm>
#include <chrono>

namespace example {

/// Doubles from `first` to `most`. Of each step at least a half is waited, the rest by chance: many
/// who lost the same thing at the same moment do not come back at the same moment.
class Backoff {
public:
    using duration = std::chrono::milliseconds;

    Backoff(duration first, duration most) : first_(first), most_(most), step_(first) {}

    /// `chance`: evenly distributed between 0 and 1.
    duration next(double chance) {
        auto const half = static_cast<double>(step_.count()) / 2;
        step_ = std::min(2 * step_, most_);
        return duration(static_cast<duration::rep>(half + half * chance));
    }
    /// An attempt has succeeded.
    void reset() { step_ = first_; }

private:
    duration first_;
    duration most_;
    duration step_;
};

} // namespace example
