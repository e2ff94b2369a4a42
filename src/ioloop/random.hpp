// SPDX-License-Identifier: BSL-1.0
// Chance for the jitter of periodic callbacks.
#pragma once

#include <random>
#include <sys/types.h>
#include <unistd.h>

namespace tornado::detail {

/// From 0 to 1. No two threads draw the same sequence, nor do two processes of which one was forked
/// from the other.
inline double random_fraction() {
    struct Generator {
        pid_t owner = ::getpid();
        std::minstd_rand numbers{std::random_device{}()};
    };
    thread_local Generator generator;
    if (generator.owner != ::getpid())
        generator = {};
    return std::uniform_real_distribution<double>{0, 1}(generator.numbers);
}

} // namespace tornado::detail
