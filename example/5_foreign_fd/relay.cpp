// SPDX-License-Identifier: BSL-1.0
// Redis may come and go; the clients stay, and are told.
#include "relay.hpp"

#include "tornado/log.hpp"

#include <chrono>
#include <utility>

namespace relay {
namespace {

constexpr auto linger = std::chrono::seconds(5); // for a last line

std::string_view text(redisReply const& reply) {
    return {reply.str, reply.len};
}

// Whoever reads too slowly to stay below max_write_buffer_size is dropped.
void tell(tornado::IOStreamPtr const& stream, std::string_view line) {
    stream->write(line, [stream](tornado::error_code ec) {
        if (ec == tornado::error::buffer_full)
            stream->close(ec);
    });
}

} // namespace

Relay::Relay(tornado::IOLoop& loop, Settings settings) : settings_(std::move(settings)) {
    publisher_.emplace(
        loop, settings_.redis, [this](bool) { update(); },
        [this](redisReply const* reply) { publisher_replied(reply); });
    subscriber_.emplace(
        loop, settings_.redis, [this](bool is_up) { subscriber_changed(is_up); },
        [this](redisReply const* reply) { subscriber_replied(reply); });
    publisher_->open();
    subscriber_->open();
}

void Relay::leave_redis() {
    publisher_.reset();
    subscriber_.reset();
}

// ---- Redis' side

void Relay::publisher_replied(redisReply const* reply) {
    --pending_;
    if (reply && reply->type == REDIS_REPLY_ERROR)
        tornado::log(tornado::Logger::application, tornado::LogLevel::warning, text(*reply));
}

void Relay::subscriber_changed(bool is_up) {
    subscribed_ = false;
    if (is_up)
        subscriber_->send({"SUBSCRIBE", settings_.channel});
    update();
}

// Redis sends `subscribe CHANNEL COUNT` once and `message CHANNEL TEXT` for each.
void Relay::subscriber_replied(redisReply const* reply) {
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        return;
    auto const kind = text(*reply->element[0]);
    if (kind == "subscribe") {
        subscribed_ = true;
        update();
    } else if (kind == "message") {
        tell_all(std::string(text(*reply->element[2])) + "\n");
    }
}

void Relay::update() {
    bool const ready = subscribed_ && publisher_->is_up();
    if (std::exchange(ready_, ready) != ready)
        tell_all(state());
}

std::string Relay::state() const {
    return ready_ ? "* on channel " + settings_.channel + "\n" : "* redis is away\n";
}

// ---- The clients' side

void Relay::tell_all(std::string const& line) {
    for (auto const& client : clients_)
        tell(client, line);
}

void Relay::dismiss_clients() {
    tell_all("* the relay stops\n");
    for (auto const& client : clients_)
        client->close_after_flush(linger);
}

// What the client is told of it.
std::string_view Relay::publish(std::string_view line) {
    if (pending_ >= settings_.pending)
        return "* not sent: redis is too slow\n";
    if (!ready_ || !publisher_->send({"PUBLISH", settings_.channel, line}))
        return "* not sent: redis is away\n";
    ++pending_;
    return "";
}

asio::awaitable<void> Relay::serve(tornado::IOStreamPtr stream) {
    struct Place {
        Place(std::shared_ptr<Relay> relay, tornado::IOStreamPtr const& client)
            : relay_(std::move(relay)),
              position_(relay_->clients_.insert(relay_->clients_.end(), client)) {}
        Place(Place const&) = delete;
        Place& operator=(Place const&) = delete;
        ~Place() { relay_->clients_.erase(position_); }

        std::shared_ptr<Relay> relay_;
        std::list<tornado::IOStreamPtr>::iterator position_;
    };
    Place const place(shared_from_this(), stream);

    tell(stream, state());
    for (;;) {
        auto line = co_await stream->read_until("\n", settings_.line);
        line.erase(line.find_last_not_of("\r\n") + 1);
        if (line == "/quit")
            co_return stream->close_after_flush(linger);
        if (auto const refusal = publish(line); !refusal.empty())
            tell(stream, refusal);
    }
}

} // namespace relay
