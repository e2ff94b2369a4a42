// SPDX-License-Identifier: BSL-1.0
#include "tcpserver/patience.hpp"

#include <algorithm>

namespace tornado::detail {
namespace {

constexpr std::uint32_t never = std::numeric_limits<std::uint32_t>::max();

Patience::duration period_of(Patience::Limits const& limits) noexcept {
    constexpr int sweeps = 8; // in the shortest limit
    constexpr Patience::duration shortest_period = std::chrono::milliseconds(1);
    auto const shortest = std::min(
        {limits.idle, limits.first_byte, limits.min_rate != 0 ? limits.window : Patience::none});
    return shortest == Patience::none ? Patience::none
                                      : std::max(shortest / sweeps, shortest_period);
}

} // namespace

Patience::Patience(Limits const& limits) noexcept
    : period_(period_of(limits)),
      idle_(sweeps(limits.idle)),
      first_byte_(sweeps(limits.first_byte)),
      window_(limits.min_rate != 0 ? sweeps(limits.window) : never),
      min_bytes_(bytes_in_window(limits)) {}

std::uint64_t Patience::bytes_in_window(Limits const& limits) noexcept {
    constexpr double most = 1e18;
    std::chrono::duration<double> const seconds = limits.window;
    return static_cast<std::uint64_t>(
        std::clamp(static_cast<double>(limits.min_rate) * seconds.count(), 0.0, most));
}

// Rounded up: between so many looks and one more the limit has passed.
std::uint32_t Patience::sweeps(duration limit) const noexcept {
    if (limit == none)
        return never;
    auto const count = limit / period_ + (limit % period_ != duration::zero());
    return static_cast<std::uint32_t>(std::min<duration::rep>(count, never - 1));
}

Patience::Verdict Patience::judge(Look const& look, Memory& memory) const noexcept {
    auto const moved = look.received + look.sent;
    memory.silent = moved == memory.moved ? memory.silent + 1 : 1;
    memory.moved = moved;

    if (!look.awaited || (look.received != 0 && look.unread == 0)) {
        memory.waiting = 0;
    } else if (look.received == 0) {
        if (++memory.waiting > first_byte_)
            return Verdict::mute;
    } else if (auto const taken = look.received - look.unread;
               memory.waiting == 0 || memory.taken != taken) {
        memory.taken = taken;
        memory.received = look.received;
        memory.waiting = 1;
    } else if (++memory.waiting > window_) {
        if (look.received - memory.received < min_bytes_)
            return Verdict::slow;
        memory.received = look.received;
        memory.waiting = 1;
    }
    return memory.silent > idle_ ? Verdict::idle : Verdict::fine;
}

} // namespace tornado::detail
