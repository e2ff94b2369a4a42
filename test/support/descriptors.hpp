// SPDX-License-Identifier: BSL-1.0
// How many descriptors this process has open, to see that none is left behind.
#pragma once

#include <filesystem>
#include <iterator>

namespace tornado::test {

inline std::ptrdiff_t open_descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

} // namespace tornado::test
