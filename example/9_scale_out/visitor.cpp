// SPDX-License-Identifier: BSL-1.0
// One coroutine reads; what is to be sent waits in the outbox, and one write at a time takes it.
#include "visitor.hpp"

#include <boost/beast/core/error.hpp>
#include <boost/beast/websocket/error.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include <tuple>
#include <utility>
#include <variant>

namespace scale {

Visitor::Visitor(std::shared_ptr<Lounge> lounge, tornado::IOStreamPtr stream)
    : lounge_(std::move(lounge)),
      stream_(std::move(stream)),
      socket_(*stream_),
      position_(lounge_->visitors.insert(lounge_->visitors.end(), this)),
      outbox_(lounge_->limits.backlog),
      allowance_(static_cast<double>(lounge_->limits.rate),
                 static_cast<double>(lounge_->limits.burst), lounge_->loop.time()) {
    ++lounge_->counters.visitors;
}

Visitor::~Visitor() {
    lounge_->visitors.erase(position_);
    if (lounge_->ended)
        return;
    lounge_->loop.remove_timeout(timeout_);
    if (!room_.empty())
        lounge_->hub.leave(*this, room_);
}

asio::awaitable<void> Visitor::serve(Request request) {
    auto const self = shared_from_this();
    auto const& limits = lounge_->limits;
    socket_.set_option(
        websocket::stream_base::timeout{limits.handshake_time, limits.idle_time, true});
    socket_.read_message_max(limits.message);
    socket_.auto_fragment(false); // a frame a message: its header and its text in one write
    auto [ec] = co_await socket_.async_accept(request, awaited);
    if (!closing_)
        timeout_ = lounge_->loop.call_later(limits.join_time, [this] {
            ++lounge_->counters.silent;
            dismiss(websocket::close_code::policy_error, "nobody has joined");
        });
    beast::flat_buffer buffer(limits.message);
    while (!ec) {
        buffer.clear();
        std::tie(ec, std::ignore) = co_await socket_.async_read(buffer, awaited);
        if (ec || closing_)
            continue;
        auto const bytes = buffer.cdata();
        if (socket_.got_text())
            understand({static_cast<char const*>(bytes.data()), bytes.size()});
        else
            dismiss(websocket::close_code::unknown_data, "text only");
    }
    count_end(ec);
    stream_->close(); // a write that waits for a peer that does not read
}

void Visitor::understand(std::string_view text) {
    auto const words = parse_client(text, lounge_->limits.words);
    if (auto const* const wrong = std::get_if<Nonsense>(&words)) {
        ++lounge_->counters.nonsense;
        dismiss(websocket::close_code::policy_error, wrong->why);
    } else if (auto const* const join_words = std::get_if<Join>(&words)) {
        join(*join_words);
    } else {
        say(std::get<Say>(words));
    }
}

void Visitor::join(Join const& words) {
    if (!room_.empty())
        return dismiss(websocket::close_code::policy_error, "one room at a time");
    lounge_->loop.remove_timeout(timeout_);
    name_ = words.name;
    if (lounge_->hub.join(*this, words))
        room_ = words.room;
    else
        dismiss(websocket::close_code::try_again_later, "too many rooms");
}

void Visitor::say(Say const& words) {
    if (room_.empty())
        return dismiss(websocket::close_code::policy_error, "join a room first");
    if (!allowance_.take(lounge_->loop.time())) {
        ++lounge_->counters.refused;
        if (++strikes_ <= lounge_->limits.strikes)
            return tell(std::make_shared<std::string const>(failed(words.tag, "too fast")));
        ++lounge_->counters.floods;
        return dismiss(websocket::close_code::policy_error, "too fast");
    }
    if (strikes_ != 0)
        --strikes_;
    lounge_->hub.say(room_, name_, words, [weak = weak_from_this()](Frame answer) {
        if (auto const self = weak.lock())
            self->tell(std::move(answer));
    });
}

// ---- What is sent

void Visitor::tell(Frame frame) {
    if (closing_)
        return;
    if (outbox_.push(std::move(frame)))
        return send();
    ++lounge_->counters.slow;
    outbox_.keep_first();
    dismiss(websocket::close_code::try_again_later, "reads too slowly");
}

void Visitor::send() {
    if (sending_ || outbox_.empty())
        return;
    sending_ = true;
    auto const& text = *outbox_.front();
    socket_.async_write(
        asio::buffer(text),
        [self = shared_from_this()](tornado::error_code ec, std::size_t) { self->sent(ec); });
}

void Visitor::sent(tornado::error_code ec) {
    sending_ = false;
    outbox_.pop();
    if (!ec && !closing_)
        send();
}

void Visitor::dismiss(websocket::close_code code, std::string_view why) {
    if (std::exchange(closing_, true))
        return;
    outbox_.keep_first();
    lounge_->loop.remove_timeout(timeout_);
    timeout_ = lounge_->loop.call_later(lounge_->limits.patience, [this] { stream_->close(); });
    // After the write that is under way, if there is one.
    socket_.async_close({code, why}, [self = shared_from_this()](tornado::error_code) {});
}

// ---- How it ends

void Visitor::count_end(tornado::error_code ec) {
    auto& counters = lounge_->counters;
    if (closing_)
        return; // counted when it was dismissed
    if (ec == websocket::error::bad_frame_payload)
        ++counters.not_utf8;
    else if (ec == websocket::condition::protocol_violation ||
             ec == websocket::error::message_too_big || ec == websocket::error::buffer_overflow)
        ++counters.bad_frames;
    else if (ec == beast::error::timeout)
        ++counters.silent;
}

void Lounge::close() {
    for (auto* const visitor : visitors)
        visitor->dismiss(websocket::close_code::going_away, "the worker stops");
}

} // namespace scale
