// SPDX-License-Identifier: BSL-1.0
// The bus by Redis: a stream and a channel for each room, by hiredis on the loop.
#pragma once

#include "tornado/ioloop.hpp"

#include "bus.hpp"
#include "redis_link.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

namespace scale {

struct RedisSettings {
    relay::LinkSettings link;
    std::size_t history = 100;                                       // messages kept of a room
    std::chrono::milliseconds answer_time = std::chrono::seconds(5); // then Redis counts as away
};

class RedisBus : public Bus {
public:
    /// `loop` must outlive the bus. Throws std::invalid_argument as RedisLink does.
    RedisBus(tornado::IOLoop& loop, RedisSettings settings);
    RedisBus(RedisBus const&) = delete;
    RedisBus& operator=(RedisBus const&) = delete;
    ~RedisBus() override;

    /// Connects, and tells `listener`, which must live as long as the bus.
    void open(Listener& listener);

    bool is_up() const noexcept override { return up_; }
    void subscribe(std::string const& room) override;
    void unsubscribe(std::string const& room) override;
    void look(std::string const& room, std::size_t count, LookHandler handler) override;
    void publish(std::string const& room, std::string const& tag, std::string const& text,
                 PublishHandler handler) override;

private:
    void command(std::initializer_list<std::string_view> words,
                 relay::RedisLink::ReplyHandler handler);
    void link_changed();
    void set_up(bool up);
    void subscriber_replied(redisReply const* reply);
    void check_answers();

    tornado::IOLoop& loop_;
    RedisSettings settings_;
    Listener* listener_ = nullptr;
    bool subscribing_ = false; // the subscriber has confirmed its first channel
    bool up_ = false;
    std::deque<tornado::IOLoop::clock::time_point> asked_; // commands that have no answer yet
    tornado::PeriodicCallback checks_;

    // Two, because a connection that has subscribed can do nothing else. They go together: what is
    // looked up is complete only for a subscription that began before.
    relay::RedisLink commands_;
    relay::RedisLink subscriber_;
};

} // namespace scale
