// SPDX-License-Identifier: BSL-1.0
#include "tcpclient/connector.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tornado::detail {

// One address of each family, in the order in which these first appear, then the next of each.
Connector::Connector(std::span<int const> families) : order_(families.size()) {
    std::vector<std::pair<std::ptrdiff_t, std::ptrdiff_t>> places; // round, and family in it
    for (auto it = families.begin(); it != families.end(); ++it)
        places.emplace_back(std::count(families.begin(), it, *it),
                            std::find(families.begin(), it, *it) - families.begin());
    std::iota(order_.begin(), order_.end(), 0);
    std::ranges::sort(order_, {}, [&](std::size_t address) { return places[address]; });
}

std::optional<std::size_t> Connector::next() noexcept {
    if (!wants_timer() || !std::exchange(due_, false))
        return {};
    return order_[position_++];
}

void Connector::failed(error_code cause) noexcept {
    if (decided_)
        return;
    error_ = cause;
    due_ = true;
    decided_ = ++failed_ == order_.size();
}

bool Connector::succeeded() noexcept {
    return !std::exchange(decided_, true);
}

} // namespace tornado::detail
