// SPDX-License-Identifier: BSL-1.0
// One connection to a Redis server, made again with back-off whenever it is lost.
#pragma once

#include "tornado/ioloop.hpp"

#include "backoff.hpp"

#include <chrono>
#include <csignal>
#include <functional>
#include <hiredis/async.h>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>

namespace relay {

struct LinkSettings {
    std::string server = "127.0.0.1:6379"; // or the path of a Unix socket
    std::chrono::milliseconds connect_time = std::chrono::seconds(5);
    std::chrono::milliseconds retry_time{100}; // doubled each time, and up to a half less by chance
    std::chrono::milliseconds max_retry_time = std::chrono::seconds(10);
};

/// For main(): hiredis 0.14 writes with write(2), so the signal of a connection that Redis has just
/// closed would end the process; ignored, it is an error of that connection.
inline void ignore_broken_pipes() {
    std::signal(SIGPIPE, SIG_IGN);
}

class RedisLink {
public:
    using ChangeHandler = std::function<void(bool is_up)>;
    /// Gets a reply, or a message; null for a command that was lost with its connection.
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
    /// Sends a command, if is_up(); false if it was not taken, and will have no reply. The
    /// link's own handler gets the replies, of which a subscription has many.
    bool send(std::initializer_list<std::string_view> words);
    /// The same for a command that has one reply, which `handler` gets, unless the link is
    /// destroyed first. Replies come in the order of the commands.
    bool send(std::initializer_list<std::string_view> words, ReplyHandler handler);
    /// Gives the connection up, if there is one, and connects again as after a loss.
    void drop(std::string_view why);

private:
    bool send(std::initializer_list<std::string_view> words, redisCallbackFn* on_reply, void* data);
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
    example::Backoff backoff_;
    std::minstd_rand chance_;
    tornado::Timeout timeout_; // of this attempt, or until the next
};

} // namespace relay
