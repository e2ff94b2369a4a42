// SPDX-License-Identifier: BSL-1.0
#include "netutil/connection_name.hpp"

#include "tornado/netutil.hpp"

#include <atomic>

namespace tornado::detail {

// One counter, so that the order is that of creation: blocks of numbers for each thread would be
// cheaper, by some nanoseconds beside the tens of microseconds that a connection takes to begin.
std::uint64_t new_connection_id() noexcept {
    static std::atomic<std::uint64_t> last = 0;
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

std::string connection_name(std::uint64_t id, Address const& peer) {
    auto name = "connection " + std::to_string(id);
    if (peer.is_unix() && peer.path().empty())
        name += " (a Unix socket)";
    else if (peer != Address())
        name += " (" + peer.to_string() + ')';
    return name;
}

} // namespace tornado::detail
