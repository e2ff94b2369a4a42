// SPDX-License-Identifier: BSL-1.0
// What joins the workers: a room's messages are kept there, and told to all who have subscribed.
#pragma once

#include "history.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scale {

class Bus {
public:
    /// What a bus tells of itself; never within a call of its functions.
    struct Listener {
        virtual ~Listener() = default;
        /// It came up, or went down: then all subscriptions are over.
        virtual void bus_changed(bool is_up) = 0;
        virtual void subscribed(std::string_view room) = 0;
        virtual void unsubscribed(std::string_view room) = 0;
        virtual void heard(std::string_view room, Entry entry) = 0;
    };

    virtual ~Bus() = default;
    virtual bool is_up() const noexcept = 0;
    virtual void subscribe(std::string const& room) = 0;
    virtual void unsubscribe(std::string const& room) = 0;

    /// The last messages that are kept of a room, oldest first; none when the bus went down.
    using LookHandler = std::function<void(std::optional<std::vector<Entry>>)>;
    virtual void look(std::string const& room, std::size_t count, LookHandler handler) = 0;

    struct Published {
        std::string id;  // if it is in the room
        std::string why; // otherwise: and it may be there all the same, if the answer was lost
    };
    using PublishHandler = std::function<void(Published const&)>;
    /// What was published with the same tag lately is not published again, and has the id it had.
    virtual void publish(std::string const& room, std::string const& tag, std::string const& text,
                         PublishHandler handler) = 0;
};

} // namespace scale
