// SPDX-License-Identifier: BSL-1.0
// Whether a peer takes too long, judged by looking at its connection now and then. No I/O.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace tornado::detail {

/// The limits of a server's peers. A sweep looks at all its connections, and a limit is so many
/// sweeps: what a connection has counted anyway is compared with the last look, so that its traffic
/// pays nothing; and a loop that stood still has swept once, and blames nobody for the time.
///
/// A peer is slow when a read has some of its bytes and waits for more, that same read from one
/// look to the next, for a whole window in which too few came. Not all of that is the peer's doing
/// if the read was not there, or others were: then the window begins anew.
class Patience {
public:
    using duration = std::chrono::steady_clock::duration;
    static constexpr duration none = duration::max();

    struct Limits {
        duration idle = none;
        duration first_byte = none;
        std::size_t min_rate = 0; // bytes a second; 0: none
        duration window = none;   // over which that is averaged
    };
    explicit Patience(Limits const& limits) noexcept;

    /// From one sweep to the next; `none` if nothing is limited.
    duration period() const noexcept { return period_; }
    /// How many bytes a window must have; it makes no sense if that is none.
    static std::uint64_t bytes_in_window(Limits const& limits) noexcept;

    /// What a sweep sees of a connection.
    struct Look {
        std::uint64_t received; // bytes in all, and
        std::uint64_t sent;
        std::size_t unread; // those of the received that no completed read has taken
        bool awaited;       // a read waits
    };
    /// What is remembered of it.
    struct Memory {
        std::uint64_t moved = 0;
        std::uint64_t taken = std::numeric_limits<std::uint64_t>::max(); // by completed reads
        std::uint64_t received = 0;                                      // when the window began
        std::uint32_t silent = 0;  // looks since the last byte, the first included
        std::uint32_t waiting = 0; // and since the wait, or the window, began
    };
    enum class Verdict : unsigned char { fine, idle, mute, slow };
    Verdict judge(Look const& look, Memory& memory) const noexcept;

private:
    std::uint32_t sweeps(duration limit) const noexcept;

    duration period_;
    std::uint32_t idle_; // each in sweeps
    std::uint32_t first_byte_;
    std::uint32_t window_;
    std::uint64_t min_bytes_; // in a window
};

} // namespace tornado::detail
