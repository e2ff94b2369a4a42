// SPDX-License-Identifier: BSL-1.0
// The life of a connection is hiredis' callbacks; a loss is a timeout of the loop.
#include "redis_link.hpp"

#include "tornado/log.hpp"

#include "redis_events.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

namespace relay {
namespace {

void log(tornado::LogLevel level, std::string const& message) {
    tornado::log(tornado::Logger::application, level, message);
}

} // namespace

RedisLink::RedisLink(tornado::IOLoop& loop, LinkSettings settings, ChangeHandler on_change,
                     ReplyHandler on_reply)
    : loop_(loop),
      settings_(std::move(settings)),
      host_(settings_.server),
      on_change_(std::move(on_change)),
      on_reply_(std::move(on_reply)),
      backoff_(settings_.retry_time, settings_.max_retry_time),
      chance_(std::random_device()()) {
    if (host_.starts_with('/'))
        return;
    auto const colon = std::min(host_.rfind(':'), host_.size());
    auto const* const last = host_.data() + host_.size();
    std::uint16_t port = 0;
    auto const end = std::from_chars(host_.data() + std::min(colon + 1, host_.size()), last, port);
    if (colon == 0 || port == 0 || end.ptr != last)
        throw std::invalid_argument("'" + host_ + "' is no Redis server; give HOST:PORT, or the " +
                                    "absolute path of its Unix socket");
    port_ = port;
    host_.resize(colon);
}

RedisLink::~RedisLink() {
    loop_.remove_timeout(timeout_);
    if (!context_)
        return;
    context_->onDisconnect = nullptr;
    context_->data = nullptr; // for what is under way
    redisAsyncFree(context_);
}

void RedisLink::open() {
    auto* const context =
        port_ != 0 ? redisAsyncConnect(host_.c_str(), port_) : redisAsyncConnectUnix(host_.c_str());
    if (!context)
        throw std::bad_alloc();
    if (context->err) {
        lost(context->errstr);
        return redisAsyncFree(context);
    }
    context_ = context;
    context_->data = this;
    attach(loop_, *context_);
    redisAsyncSetConnectCallback(context_, [](redisAsyncContext const* c, int status) {
        static_cast<RedisLink*>(c->data)->connected(status);
    });
    redisAsyncSetDisconnectCallback(context_, [](redisAsyncContext const* c, int) {
        static_cast<RedisLink*>(c->data)->lost(c->errstr);
    });
    timeout_ = loop_.call_later(settings_.connect_time, [this] {
        redisAsyncFree(std::exchange(context_, nullptr)); // tells no one: it was not connected
        lost("no answer");
    });
}

void RedisLink::connected(int status) {
    loop_.remove_timeout(timeout_);
    if (status != REDIS_OK)
        return lost(context_->c.errstr);
    log(tornado::LogLevel::info, "connected to " + settings_.server);
    backoff_.reset();
    up_ = true;
    on_change_(true);
}

void RedisLink::drop(std::string_view why) {
    if (!up_ || !context_)
        return;
    auto* const context = std::exchange(context_, nullptr);
    context->onDisconnect = nullptr;
    redisAsyncFree(context);
    lost(why);
}

void RedisLink::lost(std::string_view why) {
    context_ = nullptr;
    auto const delay = backoff_.next(std::uniform_real_distribution<>()(chance_));
    log(tornado::LogLevel::warning, settings_.server + ": " + std::string(why) +
                                        "; next attempt in " + std::to_string(delay.count()) +
                                        " ms");
    timeout_ = loop_.call_later(delay, [this] { open(); });
    if (std::exchange(up_, false))
        on_change_(false);
}

bool RedisLink::send(std::initializer_list<std::string_view> words) {
    auto const on_reply = [](redisAsyncContext* c, void* reply, void*) {
        if (auto* const self = static_cast<RedisLink*>(c->data))
            self->on_reply_(static_cast<redisReply const*>(reply));
    };
    return send(words, on_reply, nullptr);
}

bool RedisLink::send(std::initializer_list<std::string_view> words, ReplyHandler handler) {
    auto on_reply = [](redisAsyncContext* c, void* reply, void* data) {
        std::unique_ptr<ReplyHandler> const once(static_cast<ReplyHandler*>(data));
        if (c->data)
            (*once)(static_cast<redisReply const*>(reply));
    };
    auto once = std::make_unique<ReplyHandler>(std::move(handler));
    if (!send(words, on_reply, once.get()))
        return false;
    (void)once.release(); // hiredis has it until the reply
    return true;
}

bool RedisLink::send(std::initializer_list<std::string_view> words, redisCallbackFn* on_reply,
                     void* data) {
    if (!up_ || !context_)
        return false;
    std::vector<char const*> texts;
    std::vector<std::size_t> sizes;
    for (auto const word : words) {
        texts.push_back(word.data());
        sizes.push_back(word.size());
    }
    return redisAsyncCommandArgv(context_, on_reply, data, static_cast<int>(words.size()),
                                 texts.data(), sizes.data()) == REDIS_OK;
}

} // namespace relay
