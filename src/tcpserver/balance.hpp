// SPDX-License-Identifier: BSL-1.0
// Which of several servers gets the next connection, without a socket and without a thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace tornado::detail {

/// The server with the fewest connections gets the next one; among several such they take turns.
/// Those that are on their way to a server count as its own.
///
///     next() --> on its way --arrived()--> counted by the server, which says how many it has
///
/// What a server says after it was removed is ignored.
class Balance {
public:
    using Server = std::uint64_t; // never the same again

    /// `capacity`: while it has so many others are preferred.
    Server add(std::size_t capacity);
    void remove(Server server) { servers_.erase(server); }

    /// Who gets the next connection, if there is anyone.
    std::optional<Server> next();
    /// What was on its way is there, or was lost.
    void arrived(Server server) noexcept;
    /// How many connections the server has. Whether that is fewer than before.
    bool set_active(Server server, std::size_t count) noexcept;

    /// No server has room.
    bool full() const noexcept;

private:
    struct State {
        std::size_t load() const noexcept { return active + on_their_way; }
        bool has_room() const noexcept { return load() < capacity; }

        std::size_t capacity;
        std::size_t active = 0;
        std::size_t on_their_way = 0;
    };

    std::map<Server, State> servers_;
    Server last_added_ = 0;
    Server last_chosen_ = 0;
};

} // namespace tornado::detail
