// SPDX-License-Identifier: BSL-1.0
// The rooms of one worker: who is in them, and who still has to hear what. No I/O.
#pragma once

#include "bus.hpp"
#include "history.hpp"
#include "protocol.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace scale {

/// One who is in a room. Hears each message of it once, in order.
class Member {
public:
    Member() = default;
    Member(Member const&) = delete;
    Member& operator=(Member const&) = delete;
    virtual ~Member() = default;

    /// Takes the frame or leaves it, and does not call the hub.
    virtual void tell(Frame frame) = 0;

private:
    friend class Hub;
    MessageId last_; // that it was told, or has seen elsewhere
};

struct HubSettings {
    std::string worker = "worker";
    std::string host = "localhost";
    std::size_t history = 100;  // messages of a room
    std::size_t rooms = 1000;   // at a time
    std::size_t pending = 1000; // messages on their way to the bus
};

/// A room is subscribed to while somebody is in it:
///
///     none --somebody comes--> asked --subscribed--> looking --what was kept--> on
///     on --all leave--> leaving --unsubscribed--> gone, or asked again if somebody came meanwhile
class Hub : public Bus::Listener {
public:
    /// `bus` must outlive the hub, and its handlers may outlive none of them.
    Hub(Bus& bus, HubSettings settings);

    /// False, and nothing has changed, if there are too many rooms. The member leaves before it is
    /// destroyed; its first words are a welcome and what it has missed.
    bool join(Member& member, Join const& join);
    void leave(Member& member, std::string const& room);
    /// Gets what the room says to it, sent or failed.
    using AnswerHandler = std::function<void(Frame)>;
    void say(std::string const& room, std::string_view name, Say const& say, AnswerHandler answer);

    void bus_changed(bool is_up) override;
    void subscribed(std::string_view room) override;
    void unsubscribed(std::string_view room) override;
    void heard(std::string_view room, Entry entry) override;

    struct Counters {
        std::size_t rooms = 0;
        std::size_t members = 0;
        std::size_t pending = 0;
        std::uint64_t said = 0;      // and in the room
        std::uint64_t failed = 0;    // not sent, and the sender was told
        std::uint64_t heard = 0;     // live messages
        std::uint64_t delivered = 0; // messages to members
        std::uint64_t gaps = 0;      // members told that there is a gap
    };
    Counters counters() const;

private:
    enum class State { none, asked, looking, on, leaving };
    struct Room {
        explicit Room(std::size_t limit) : history(limit) {}

        History history;
        State state = State::none;
        std::vector<Member*> members;
    };

    void subscribe(std::string const& name, Room& room);
    void looked(std::string const& name, std::optional<std::vector<Entry>> const& entries);
    void tell_missed(Room const& room, Member& member);

    Bus& bus_;
    HubSettings settings_;
    std::map<std::string, Room, std::less<>> rooms_;
    std::size_t members_ = 0;
    std::size_t pending_ = 0;
    Counters counters_;
};

} // namespace scale
