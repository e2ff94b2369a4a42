// SPDX-License-Identifier: BSL-1.0
#include "tcpclient/connector.hpp"

#include <algorithm>
#include <utility>

namespace tornado::detail {

Connector::Connector(std::span<int const> families) : remaining_(families.size()) {
    for (std::size_t i = 0; i < families.size(); ++i)
        (families[i] == families[0] ? primary_ : secondary_).addresses.push_back(i);
    primary_.may_start = true;
}

std::optional<std::size_t> Connector::next() noexcept {
    for (auto* const queue : {&primary_, &secondary_})
        if (!decided_ && queue->may_start && queue->position < queue->addresses.size()) {
            queue->may_start = false;
            return queue->addresses[queue->position++];
        }
    return {};
}

bool Connector::wants_timer() const noexcept {
    return !decided_ && secondary_waits_ && !secondary_.addresses.empty();
}

void Connector::timer_expired() noexcept {
    if (std::exchange(secondary_waits_, false))
        secondary_.may_start = true;
}

void Connector::failed(std::size_t address, error_code cause) noexcept {
    if (decided_)
        return;
    error_ = cause;
    (in_primary(address) ? primary_ : secondary_).may_start = true;
    timer_expired(); // the other family need not wait any more (T169)
    decided_ = --remaining_ == 0;
}

bool Connector::succeeded() noexcept {
    return !std::exchange(decided_, true);
}

bool Connector::in_primary(std::size_t address) const noexcept {
    return std::ranges::binary_search(primary_.addresses, address);
}

} // namespace tornado::detail
