// SPDX-License-Identifier: BSL-1.0
// Redis may come and go: the rooms stay, and what was missed meanwhile is looked up.
#include "hub.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace scale {
namespace {

Frame make_frame(std::string text) {
    return std::make_shared<std::string const>(std::move(text));
}

} // namespace

Hub::Hub(Bus& bus, HubSettings settings) : bus_(bus), settings_(std::move(settings)) {}

// ---- The members' side

bool Hub::join(Member& member, Join const& join) {
    auto found = rooms_.find(join.room);
    if (found == rooms_.end()) {
        if (rooms_.size() >= settings_.rooms)
            return false;
        found = rooms_.try_emplace(join.room, settings_.history).first;
    }
    auto& [name, room] = *found;
    member.last_ = join.last;
    room.members.push_back(&member);
    ++members_;
    member.tell(make_frame(welcome(settings_.worker, settings_.host, name, bus_.is_up())));
    tell_missed(room, member);
    if (room.state == State::none && bus_.is_up())
        subscribe(name, room);
    return true;
}

void Hub::leave(Member& member, std::string const& name) {
    auto const found = rooms_.find(name);
    if (found == rooms_.end() || std::erase(found->second.members, &member) == 0)
        return;
    --members_;
    auto& room = found->second;
    if (!room.members.empty())
        return;
    if (room.state == State::none) {
        rooms_.erase(found);
    } else if (room.state == State::on) {
        room.state = State::leaving;
        bus_.unsubscribe(name);
    } // otherwise when the subscription is complete
}

void Hub::say(std::string const& room, std::string_view name, Say const& say,
              AnswerHandler answer) {
    std::string why;
    if (!bus_.is_up())
        why = "Redis is away";
    else if (pending_ >= settings_.pending)
        why = "Redis is too slow";
    if (!why.empty()) {
        ++counters_.failed;
        return answer(make_frame(failed(say.tag, why)));
    }
    ++pending_;
    bus_.publish(
        room, say.tag, stored(name, say.text),
        [this, tag = say.tag, answer = std::move(answer)](Bus::Published const& published) {
            --pending_;
            ++(published.id.empty() ? counters_.failed : counters_.said);
            answer(make_frame(published.id.empty() ? failed(tag, published.why)
                                                   : sent(tag, published.id)));
        });
}

// ---- The bus' side

void Hub::bus_changed(bool is_up) {
    auto const change = make_frame(redis_is(is_up));
    for (auto each = rooms_.begin(); each != rooms_.end();) {
        auto& [name, room] = *each;
        room.state = State::none;
        room.history.fall_behind();
        if (room.members.empty()) {
            each = rooms_.erase(each);
            continue;
        }
        for (auto* const member : room.members)
            member->tell(change);
        if (is_up)
            subscribe(name, room);
        ++each;
    }
}

void Hub::subscribed(std::string_view name) {
    auto const found = rooms_.find(name);
    if (found == rooms_.end() || found->second.state != State::asked)
        return;
    found->second.state = State::looking;
    bus_.look(found->first, settings_.history,
              [this, room = found->first](std::optional<std::vector<Entry>> const& entries) {
                  looked(room, entries);
              });
}

// What is there by now is complete: what has come since the subscription is held in the history.
void Hub::looked(std::string const& name, std::optional<std::vector<Entry>> const& entries) {
    auto const found = rooms_.find(name);
    if (!entries || found == rooms_.end() || found->second.state != State::looking)
        return; // the bus is down, and the room begins anew when that is up
    auto& room = found->second;
    room.state = State::on;
    room.history.catch_up(*entries, entries->size() < settings_.history);
    for (auto* const member : room.members)
        tell_missed(room, *member);
    if (room.members.empty()) {
        room.state = State::leaving;
        bus_.unsubscribe(name);
    }
}

void Hub::unsubscribed(std::string_view name) {
    auto const found = rooms_.find(name);
    if (found == rooms_.end() || found->second.state != State::leaving)
        return;
    if (found->second.members.empty()) {
        rooms_.erase(found);
    } else {
        found->second.history.fall_behind();
        subscribe(found->first, found->second);
    }
}

void Hub::heard(std::string_view name, Entry entry) {
    auto const found = rooms_.find(name);
    if (found == rooms_.end())
        return;
    ++counters_.heard;
    auto& room = found->second;
    if (!room.history.add(entry))
        return;
    for (auto* const member : room.members)
        if (member->last_ < entry.id) {
            member->last_ = entry.id;
            member->tell(entry.frame);
            ++counters_.delivered;
        }
}

// ---- Both

void Hub::subscribe(std::string const& name, Room& room) {
    room.state = State::asked;
    bus_.subscribe(name);
}

void Hub::tell_missed(Room const& room, Member& member) {
    auto const missed = room.history.since(member.last_);
    if (missed.gap) {
        ++counters_.gaps;
        member.tell(make_frame(gap()));
    }
    for (auto const& each : missed.frames)
        member.tell(each);
    counters_.delivered += missed.frames.size();
    member.last_ = std::max(member.last_, room.history.newest());
}

Hub::Counters Hub::counters() const {
    auto counters = counters_;
    counters.rooms = rooms_.size();
    counters.members = members_;
    counters.pending = pending_;
    return counters;
}

} // namespace scale
