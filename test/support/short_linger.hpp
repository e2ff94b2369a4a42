// SPDX-License-Identifier: BSL-1.0
// For one scope, a closed stream's patience with its peer is a millisecond.
#pragma once

#include "iostream/stream_core.hpp"

#include <chrono>

namespace tornado::test {

struct ShortLinger {
    ShortLinger() { detail::linger_limit = std::chrono::milliseconds(1); }
    ShortLinger(ShortLinger const&) = delete;
    ShortLinger& operator=(ShortLinger const&) = delete;
    ~ShortLinger() { detail::linger_limit = former; }

    std::chrono::steady_clock::duration const former = detail::linger_limit;
};

} // namespace tornado::test
