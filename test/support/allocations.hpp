// SPDX-License-Identifier: BSL-1.0
// How often the test program has allocated memory, to prove what allocates nothing.
#pragma once

#include "tornado/error.hpp"

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

/// How often the second hundred of two hundred rounds allocate, when whatever is kept is there.
/// `begin(next)` begins a round, which calls `next(ec)` at its end.
template <class Io, class Begin>
std::size_t allocations_once_settled(Io& io, Begin begin) {
    std::size_t before = 0;
    int rounds = 0;
    auto const round = [&](auto& self) -> void {
        begin([&](error_code ec) {
            if (ec || ++rounds == 200)
                return;
            if (rounds == 100)
                before = allocations();
            self(self);
        });
    };
    round(round);
    io.run_until([&] { return rounds == 200; });
    return allocations() - before;
}

} // namespace tornado::test
