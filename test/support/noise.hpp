// SPDX-License-Identifier: BSL-1.0
// Bytes without a pattern, the same in every run.
#pragma once

#include <cstddef>
#include <random>
#include <string>

namespace tornado::test {

inline std::string noise(std::size_t n) {
    std::minstd_rand random(7);
    std::string bytes(n, '\0');
    for (auto& byte : bytes)
        byte = static_cast<char>(random());
    return bytes;
}

} // namespace tornado::test
