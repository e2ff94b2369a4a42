// SPDX-License-Identifier: BSL-1.0
// One connection to a Redis server, made again with back-off whenever it is lost.
#pragma once

#include "tornado/ioloop.hpp"

#include <chrono>
#include <functional>
#include <hiredis/async.h>
#include <initializer_list>
#include <string>
#include <string_view>

namespace relay {

struct LinkSettings {
    std::string server = "127.0.0.1:6379"; // or the path of a Unix socket
    std::chrono::milliseconds connect_time = std::chrono::seconds(5);
    std::chrono::milliseconds retry_time{100}; // doubled each time
    std::chrono::milliseconds max_retry_time = std::chrono::seconds(10);
};

class RedisLink {
public:
    using ChangeHandler = std::function<void(bool is_up)>;
    /// Gets each reply and each message; null for a command that was lost with its connection.
    using ReplyHandler = std::function<void(redisReply const*)>;

    /// `loop` must outlive the link. Throws std::invalid_argument for a server that is neither
    /// HOST:PORT nor an absolute path.
    RedisLink(tornado::IOLoop& loop, LinkSettings settings, ChangeHandler on_change,
              ReplyHandler on_reply);
    RedisLink(RedisLink const&) = delete;
    RedisLink& operator=(RedisLink const&) = delete;
    ~RedisLink();

    /// Connects, now and after each loss.
    void open();
    bool is_up() const noexcept { return up_; }
    /// Sends a command, if is_up(); false if it was not taken, and will have no reply.
    bool send(std::initializer_list<std::string_view> words);

private:
    void connected(int status);
    void lost(std::string_view why);

    tornado::IOLoop& loop_;
    LinkSettings settings_;
    std::string host_;
    int port_ = 0; // 0: host_ is a path
    ChangeHandler on_change_;
    ReplyHandler on_reply_;
    redisAsyncContext* context_ = nullptr; // hiredis frees it when the connection ends
    bool up_ = false;
    std::chrono::milliseconds delay_; // before the next attempt
    tornado::Timeout timeout_;        // of this attempt, or until the next
};

} // namespace relay
