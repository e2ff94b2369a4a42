// SPDX-License-Identifier: BSL-1.0
// The room: who is in it, and what each of them still has to hear.
#pragma once

#include "tornado/ioloop.hpp"
#include "tornado/iostream.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace chat {

namespace asio = boost::asio;

struct Limits {
    std::size_t members = 100;
    std::size_t line = 1000;          // bytes
    std::size_t backlog = 256 * 1024; // bytes that may wait for one member
    std::chrono::milliseconds name_time = std::chrono::seconds(60);
    std::chrono::milliseconds patience = std::chrono::seconds(10);
};

class Room;

/// One visitor; a member once it has a name. Lives in the coroutine that serves its stream.
class Visitor {
public:
    Visitor(Room& room, tornado::IOStreamPtr stream);
    Visitor(Visitor const&) = delete;
    Visitor& operator=(Visitor const&) = delete;
    ~Visitor();

    std::string const& name() const noexcept { return name_; }
    void join(std::string name);
    /// Queues a line, or counts it as missed; never waits.
    void tell(std::string_view line);
    /// A last line, and then the end.
    void dismiss(std::string_view line);

private:
    void reads_slowly(bool behind);

    Room& room_;
    tornado::IOStreamPtr stream_;
    std::string name_;
    std::string farewell_ = "left";
    bool behind_ = false;
    std::size_t missed_ = 0; // lines
    tornado::Timeout patience_;
    tornado::Timeout name_time_;
};

class Room {
public:
    Room(tornado::IOLoop& loop, Limits const& limits) : loop_(loop), limits_(limits) {}

    tornado::IOLoop& loop() const noexcept { return loop_; }
    Limits const& limits() const noexcept { return limits_; }

    void enter(Visitor& visitor) { visitors_.push_back(&visitor); }
    void leave(Visitor& visitor) { std::erase(visitors_, &visitor); }
    bool over_full() const noexcept { return visitors_.size() > limits_.members; }
    bool is_taken(std::string_view name) const;
    std::string names() const;
    /// Tells all members but `speaker`.
    void say(Visitor const& speaker, std::string const& line);
    void close();

private:
    tornado::IOLoop& loop_;
    Limits limits_;
    std::vector<Visitor*> visitors_; // in the order of arrival
};

/// The life of one connection.
asio::awaitable<void> visit(std::shared_ptr<Room> room, tornado::IOStreamPtr stream);

} // namespace chat
