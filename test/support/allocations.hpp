// SPDX-License-Identifier: BSL-1.0
// How often the test program has allocated memory, to prove what allocates nothing.
#pragma once

#include <cstddef>

namespace tornado::test {

/// Calls of operator new on this thread so far.
std::size_t allocations() noexcept;

} // namespace tornado::test
