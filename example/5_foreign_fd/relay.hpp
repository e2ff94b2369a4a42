// SPDX-License-Identifier: BSL-1.0
// What clients say goes to a Redis channel, and what is on the channel comes to all of them.
#pragma once

#include "tornado/ioloop.hpp"
#include "tornado/iostream.hpp"

#include "redis_link.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace relay {

namespace asio = boost::asio;

struct Settings {
    std::string channel = "lobby";
    std::size_t line = 1000;    // bytes
    std::size_t pending = 1000; // lines on their way to Redis
    LinkSettings redis;
};

class Relay : public std::enable_shared_from_this<Relay> {
public:
    /// Looks for the server from now on. `loop` must live until leave_redis(). Throws as RedisLink.
    Relay(tornado::IOLoop& loop, Settings settings);

    /// The life of one client's connection.
    asio::awaitable<void> serve(tornado::IOStreamPtr stream);
    /// Says good-bye to all clients.
    void dismiss_clients();
    void leave_redis();

private:
    void subscriber_changed(bool is_up);
    void subscriber_replied(redisReply const* reply);
    void publisher_replied(redisReply const* reply);
    void update();
    std::string state() const;
    std::string_view publish(std::string_view line);
    void tell_all(std::string const& line);

    Settings settings_;
    std::list<tornado::IOStreamPtr> clients_;
    bool subscribed_ = false;
    bool ready_ = false;      // as the clients were told
    std::size_t pending_ = 0; // lines that the publisher has no reply for

    // Two, because a connection that has subscribed can do nothing else.
    std::optional<RedisLink> publisher_;
    std::optional<RedisLink> subscriber_;
};

} // namespace relay
