// SPDX-License-Identifier: BSL-1.0
// A message is kept and told in one step of Redis, so that nobody sees the one without the other.
#include "redis_bus.hpp"

#include "tornado/log.hpp"

#include "protocol.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace scale {
namespace {

// The subscriber always has this one: hiredis 0.14 loses the thread when the last channel goes
// while the next one comes.
constexpr std::string_view own_channel = "chat";
constexpr std::string_view channel_prefix = "chat:";

// KEYS: the stream, the channel, the tag's id. ARGV: the text, how many messages to keep. Tags are
// kept for ten minutes, rooms in which nobody speaks for a week.
constexpr std::string_view publish_script = R"(
local id = redis.call('GET', KEYS[3])
if id then return id end
id = redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[2], '*', 'm', ARGV[1])
redis.call('EXPIRE', KEYS[1], 604800)
redis.call('SET', KEYS[3], id, 'EX', 600)
redis.call('PUBLISH', KEYS[2], id .. ' ' .. ARGV[1])
return id
)";

std::string channel_of(std::string_view room) {
    return std::string(channel_prefix).append(room);
}
std::string stream_of(std::string_view room) {
    return channel_of(room) + ":messages";
}

std::string_view text(redisReply const& reply) {
    return reply.str ? std::string_view(reply.str, reply.len) : std::string_view();
}

void warn(std::string const& what) {
    tornado::log(tornado::Logger::application, tornado::LogLevel::warning, what);
}

std::optional<Entry> make_entry(std::string_view id_text, std::string_view stored_text) {
    auto const id = parse_id(id_text);
    Entry entry{id.value_or(MessageId()), id ? message(*id, stored_text) : Frame()};
    if (entry.frame)
        return entry;
    warn("what Redis has as message '" + std::string(id_text.substr(0, 40)) + "' is none of ours");
    return {};
}

// XREVRANGE: [id, ["m", text]], the newest first.
std::vector<Entry> make_entries(redisReply const& reply) {
    std::vector<Entry> entries;
    for (std::size_t i = reply.elements; i-- != 0;) {
        auto const& pair = *reply.element[i];
        if (pair.type != REDIS_REPLY_ARRAY || pair.elements != 2 ||
            pair.element[1]->type != REDIS_REPLY_ARRAY || pair.element[1]->elements != 2)
            continue;
        if (auto entry = make_entry(text(*pair.element[0]), text(*pair.element[1]->element[1])))
            entries.push_back(std::move(*entry));
    }
    return entries;
}

} // namespace

RedisBus::RedisBus(tornado::IOLoop& loop, RedisSettings settings)
    : loop_(loop),
      settings_(std::move(settings)),
      checks_([this] { check_answers(); },
              std::max(settings_.answer_time / 4, std::chrono::milliseconds(1))),
      commands_(
          loop, settings_.link, [this](bool) { link_changed(); }, [](redisReply const*) {}),
      subscriber_(
          loop, settings_.link,
          [this](bool is_up) {
              subscribing_ = false;
              if (is_up)
                  subscriber_.send({"SUBSCRIBE", own_channel});
              link_changed();
          },
          [this](redisReply const* reply) { subscriber_replied(reply); }) {}

RedisBus::~RedisBus() = default;

void RedisBus::open(Listener& listener) {
    listener_ = &listener;
    checks_.start();
    commands_.open();
    subscriber_.open();
}

// ---- Coming and going

void RedisBus::link_changed() {
    if (!up_)
        return set_up(subscribing_ && commands_.is_up());
    if (commands_.is_up() && subscribing_)
        return;
    set_up(false);
    commands_.drop("the subscription was lost");
    subscriber_.drop("the other connection was lost");
}

void RedisBus::set_up(bool up) {
    if (std::exchange(up_, up) != up)
        listener_->bus_changed(up);
}

void RedisBus::check_answers() {
    if (!asked_.empty() && loop_.time() - asked_.front() > settings_.answer_time)
        commands_.drop("no answer to a command for " +
                       std::to_string(settings_.answer_time.count()) + " ms");
}

// ---- Channels

void RedisBus::subscribe(std::string const& room) {
    subscriber_.send({"SUBSCRIBE", channel_of(room)});
}

void RedisBus::unsubscribe(std::string const& room) {
    subscriber_.send({"UNSUBSCRIBE", channel_of(room)});
}

// `subscribe CHANNEL COUNT`, `unsubscribe CHANNEL COUNT`, and `message CHANNEL TEXT` for each.
void RedisBus::subscriber_replied(redisReply const* reply) {
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        return;
    auto const kind = text(*reply->element[0]);
    auto const channel = text(*reply->element[1]);
    if (channel == own_channel) {
        subscribing_ = true;
        return link_changed();
    }
    if (!channel.starts_with(channel_prefix))
        return;
    auto const room = channel.substr(channel_prefix.size());
    if (kind == "subscribe") {
        listener_->subscribed(room);
    } else if (kind == "unsubscribe") {
        listener_->unsubscribed(room);
    } else if (kind == "message") { // an id, a blank, what is kept
        auto const told = text(*reply->element[2]);
        auto const blank = std::min(told.find(' '), told.size());
        auto const rest = told.substr(std::min(blank + 1, told.size()));
        if (auto entry = make_entry(told.substr(0, blank), rest))
            listener_->heard(room, std::move(*entry));
    }
}

// ---- Commands

void RedisBus::command(std::initializer_list<std::string_view> words,
                       relay::RedisLink::ReplyHandler handler) {
    auto const asked = commands_.send(
        words, [this, handler](redisReply const* reply) { // replies come in the order of commands
            asked_.pop_front();
            handler(reply);
        });
    if (asked)
        asked_.push_back(loop_.time());
    else
        loop_.add_callback([handler = std::move(handler)] { handler(nullptr); });
}

void RedisBus::look(std::string const& room, std::size_t count, LookHandler handler) {
    command({"XREVRANGE", stream_of(room), "+", "-", "COUNT", std::to_string(count)},
            [this, handler = std::move(handler)](redisReply const* reply) {
                if (!reply)
                    return handler({});
                if (reply->type == REDIS_REPLY_ARRAY)
                    return handler(make_entries(*reply));
                commands_.drop("no history: " + std::string(text(*reply)));
            });
}

void RedisBus::publish(std::string const& room, std::string const& tag, std::string const& stored,
                       PublishHandler handler) {
    command({"EVAL", publish_script, "3", stream_of(room), channel_of(room),
             channel_of(room) + ":sent:" + tag, stored, std::to_string(settings_.history)},
            [handler = std::move(handler)](redisReply const* reply) {
                Bus::Published published;
                if (!reply)
                    published.why = "Redis went away";
                else if (reply->type == REDIS_REPLY_STRING && parse_id(text(*reply)))
                    published.id = text(*reply);
                else
                    published.why = "Redis refuses it: " + std::string(text(*reply));
                handler(published);
            });
}

} // namespace scale
