// SPDX-License-Identifier: BSL-1.0
// How many connections each address has, up to a limit. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace tornado::detail {

/// An IPv4 address is counted as it is, also when it comes mapped to IPv6; an IPv6 address with all
/// that share its first 64 bits, because whoever has one has them all.
class AddressCounts {
    using Key = std::pair<bool, std::uint64_t>; // whether of IPv4, and the bits
    using Count = std::pair<Key const, std::size_t>;
    struct Leave {
        void operator()(Count* count) const noexcept {
            if (--count->second == 0)
                counts->counts_.erase(count->first);
        }
        AddressCounts* counts = nullptr;
    };

public:
    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    explicit AddressCounts(std::size_t limit) noexcept : limit_(limit) {}
    AddressCounts(AddressCounts const&) = delete;
    AddressCounts& operator=(AddressCounts const&) = delete;

    /// One of an address's connections, until it is destroyed, before the counts; null if nobody
    /// counts.
    using Place = std::unique_ptr<Count, Leave>;
    /// `ip`: the 4 or 16 bytes of an address; what has none is not counted. Nothing if the address
    /// has as many connections as it may.
    std::optional<Place> enter(std::span<unsigned char const> ip);

    /// Of how many addresses there are connections.
    std::size_t size() const noexcept { return counts_.size(); }

private:
    std::size_t limit_;
    // Not hashed: a peer may choose the keys.
    std::map<Key, std::size_t> counts_;
};

} // namespace tornado::detail
