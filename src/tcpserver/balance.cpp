// SPDX-License-Identifier: BSL-1.0
#include "tcpserver/balance.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace tornado::detail {

Balance::Server Balance::add(std::size_t capacity) {
    servers_.emplace(++last_added_, State{capacity});
    return last_added_;
}

std::optional<Balance::Server> Balance::next() {
    if (servers_.empty())
        return {};
    // Whoever has been chosen least recently comes first.
    auto const rank = [this](auto const& server) {
        auto const& [id, state] = server;
        return std::tuple(!state.has_room(), state.load(), id <= last_chosen_, id);
    };
    auto const best = std::ranges::min_element(servers_, {}, rank);
    ++best->second.on_their_way;
    last_chosen_ = best->first;
    return last_chosen_;
}

void Balance::arrived(Server server) noexcept {
    if (auto const found = servers_.find(server); found != servers_.end())
        --found->second.on_their_way;
}

bool Balance::set_active(Server server, std::size_t count) noexcept {
    auto const found = servers_.find(server);
    return found != servers_.end() && count < std::exchange(found->second.active, count);
}

bool Balance::full() const noexcept {
    return std::ranges::none_of(servers_, [](auto const& s) { return s.second.has_room(); });
}

} // namespace tornado::detail
