// SPDX-License-Identifier: BSL-1.0
// Which loop is a thread's current one, and how many there are.
#pragma once

#include "tornado/ioloop.hpp"

#include <atomic>
#include <cstddef>

namespace tornado::detail {

/// Of all threads: made and not closed.
inline std::atomic<std::size_t> live_loops = 0;

/// `loop` is being destroyed on this thread.
void forget_current(IOLoop& loop) noexcept;

/// Makes a loop current and, when destroyed, the former one again, provided that it still exists.
class CurrentWhileRunning {
public:
    explicit CurrentWhileRunning(IOLoop& loop) noexcept;
    CurrentWhileRunning(CurrentWhileRunning const&) = delete;
    CurrentWhileRunning& operator=(CurrentWhileRunning const&) = delete;
    ~CurrentWhileRunning();

private:
    friend void forget_current(IOLoop&) noexcept;

    IOLoop* former_;
    CurrentWhileRunning* outer_;
};

} // namespace tornado::detail
