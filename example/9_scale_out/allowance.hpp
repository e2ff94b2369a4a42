// SPDX-License-Identifier: BSL-1.0
// How much one client may say: so many messages a second, and a few at once.
#pragma once

#include <algorithm>
#include <chrono>

namespace scale {

/// A bucket of `burst` tokens, into which `per_second` of them fall.
class Allowance {
public:
    using time_point = std::chrono::steady_clock::time_point;

    Allowance(double per_second, double burst, time_point now)
        : per_second_(per_second), burst_(burst), tokens_(burst), last_(now) {}

    /// Takes one token; false if there is none.
    bool take(time_point now) {
        std::chrono::duration<double> const passed = now - last_;
        last_ = now;
        tokens_ = std::min(burst_, tokens_ + passed.count() * per_second_);
        if (tokens_ < 1)
            return false;
        tokens_ -= 1;
        return true;
    }

private:
    double per_second_;
    double burst_;
    double tokens_;
    time_point last_;
};

} // namespace scale
