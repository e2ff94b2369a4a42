// SPDX-License-Identifier: BSL-1.0
// One browser's WebSocket: Beast over an IOStream, and nobody in the room ever waits for it.
#pragma once

#include "tornado/beast.hpp"
#include "tornado/ioloop.hpp"
#include "tornado/iostream.hpp"

#include "allowance.hpp"
#include "hub.hpp"
#include "outbox.hpp"
#include "protocol.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

namespace scale {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;

/// Coroutines here look at the code, instead of catching it.
inline constexpr auto awaited = asio::as_tuple(asio::use_awaitable);

using Request = http::request<http::empty_body>;

struct VisitorLimits {
    WordLimits words;
    std::size_t message = 8 * 1024; // bytes of a WebSocket message
    std::size_t backlog = 1000;     // messages that may wait for a slow reader
    std::size_t rate = 5;           // messages a second,
    std::size_t burst = 20;         // and so many at once
    std::size_t strikes = 50;       // refused ones more than taken ones, and it goes
    std::chrono::milliseconds handshake_time = std::chrono::seconds(10); // opening and closing
    std::chrono::milliseconds join_time = std::chrono::seconds(10);
    std::chrono::milliseconds idle_time = std::chrono::seconds(30); // a ping after a half of it
    std::chrono::milliseconds patience = std::chrono::seconds(5);   // with one that is to go
};

/// How visitors ended, where that was not their own wish.
struct VisitorCounters {
    std::uint64_t visitors = 0; // in all
    std::uint64_t slow = 0;     // did not read
    std::uint64_t floods = 0;
    std::uint64_t not_utf8 = 0;
    std::uint64_t bad_frames = 0; // not a WebSocket, or too long a message
    std::uint64_t silent = 0;     // no answer to a ping, half a frame, or never joined
    std::uint64_t nonsense = 0;   // messages that were none of the protocol
    std::uint64_t refused = 0;    // messages beyond the rate
};

class Visitor;

/// What visitors share; it lives as long as any of them.
struct Lounge {
    Lounge(tornado::IOLoop& its_loop, Hub& its_hub, VisitorLimits its_limits)
        : loop(its_loop), hub(its_hub), limits(its_limits) {}

    /// Every visitor is told that this worker stops, and closed.
    void close();
    /// The loop and the hub end: visitors that are left use them no more.
    void end() { ended = true; }

    tornado::IOLoop& loop;
    Hub& hub;
    bool ended = false;
    VisitorLimits limits;
    VisitorCounters counters;
    std::list<Visitor*> visitors;
};

class Visitor : public Member, public std::enable_shared_from_this<Visitor> {
public:
    Visitor(std::shared_ptr<Lounge> lounge, tornado::IOStreamPtr stream);
    ~Visitor() override;

    /// The life of the WebSocket that `request` asks for.
    asio::awaitable<void> serve(Request request);

    void tell(Frame frame) override;
    /// A last word, which one that does not read does not get; then the end.
    void dismiss(websocket::close_code code, std::string_view why);

private:
    void understand(std::string_view text);
    void join(Join const& join);
    void say(Say const& say);
    void refuse(std::string_view why);
    void count_end(tornado::error_code ec);
    void send();
    void sent(tornado::error_code ec);

    std::shared_ptr<Lounge> lounge_;
    tornado::IOStreamPtr stream_;
    websocket::stream<tornado::IOStream&> socket_;
    std::list<Visitor*>::iterator position_;
    Outbox outbox_;
    bool sending_ = false;
    bool closing_ = false;
    Allowance allowance_;
    std::size_t strikes_ = 0;
    std::string room_; // once it has joined
    std::string name_;
    tornado::Timeout timeout_; // to join, or to go
};

} // namespace scale
