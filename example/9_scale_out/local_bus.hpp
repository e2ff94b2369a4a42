// SPDX-License-Identifier: BSL-1.0
// The bus of a worker that is alone: nothing leaves the process, and nothing is kept but by the
// hub.
#pragma once

#include "tornado/ioloop.hpp"

#include "bus.hpp"
#include "protocol.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace scale {

class LocalBus : public Bus {
public:
    /// `loop` must outlive the bus, and the bus what it has been asked.
    explicit LocalBus(tornado::IOLoop& loop) : loop_(loop) {}

    void open(Listener& listener) { listener_ = &listener; }

    bool is_up() const noexcept override { return true; }
    void subscribe(std::string const& room) override {
        loop_.add_callback([this, room] { listener_->subscribed(room); });
    }
    void unsubscribe(std::string const& room) override {
        loop_.add_callback([this, room] { listener_->unsubscribed(room); });
    }
    void look(std::string const&, std::size_t, LookHandler handler) override {
        loop_.add_callback([handler = std::move(handler)] { handler(std::vector<Entry>()); });
    }
    void publish(std::string const& room, std::string const&, std::string const& text,
                 PublishHandler handler) override {
        auto const now = std::chrono::system_clock::now().time_since_epoch();
        auto const time = static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
        last_ = time > last_.time ? MessageId{time, 0} : MessageId{last_.time, last_.number + 1};
        loop_.add_callback([this, room, text, id = last_, handler = std::move(handler)] {
            listener_->heard(room, {id, message(id, text)});
            handler({to_string(id), {}});
        });
    }

private:
    tornado::IOLoop& loop_;
    Listener* listener_ = nullptr;
    MessageId last_;
};

} // namespace scale
