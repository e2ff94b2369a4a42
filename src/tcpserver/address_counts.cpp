// SPDX-License-Identifier: BSL-1.0
#include "tcpserver/address_counts.hpp"

#include <algorithm>
#include <array>

namespace tornado::detail {

std::optional<AddressCounts::Place> AddressCounts::enter(std::span<unsigned char const> ip) {
    constexpr std::size_t v4_size = 4;
    constexpr std::size_t v6_size = 16;
    constexpr std::array<unsigned char, v6_size - v4_size> mapped{0, 0, 0, 0, 0,    0,
                                                                  0, 0, 0, 0, 0xff, 0xff};
    if (limit_ == unlimited || (ip.size() != v4_size && ip.size() != v6_size))
        return Place();
    if (ip.size() == v6_size && std::ranges::equal(ip.first(mapped.size()), mapped))
        ip = ip.last(v4_size);
    std::uint64_t bits = 0;
    for (auto const byte : ip.first(std::min(ip.size(), sizeof bits)))
        bits = bits << 8 | byte;
    auto& count = *counts_.try_emplace(Key(ip.size() == v4_size, bits)).first;
    if (count.second >= limit_)
        return {};
    ++count.second;
    return Place(&count, Leave{this});
}

} // namespace tornado::detail
