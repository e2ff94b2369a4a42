// SPDX-License-Identifier: BSL-1.0
// How often the test program has allocated memory, to prove what allocates nothing.
#pragma once

#include <cstddef>

namespace tornado::test {

// The thread sanitizer has its own operator new, which cannot be replaced.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TORNADO_TEST_COUNTS_NO_ALLOCATIONS
#endif
#endif

#ifdef TORNADO_TEST_COUNTS_NO_ALLOCATIONS
inline constexpr bool counts_allocations = false;
#else
inline constexpr bool counts_allocations = true;
#endif

/// Calls of operator new on this thread so far; always 0 where they are not counted.
std::size_t allocations() noexcept;

} // namespace tornado::test
