// SPDX-License-Identifier: BSL-1.0
// Nobody in the room is ever waited for: what a slow reader has no room for, it misses.
#include "room.hpp"

#include "tornado/log.hpp"

#include <algorithm>
#include <utility>

namespace chat {
namespace {

constexpr std::size_t max_name = 20;

// What a terminal could take for a command stays out.
std::string printable(std::string line) {
    std::erase_if(line, [](unsigned char c) { return c < ' ' || c == 0x7f; });
    return line;
}

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= max_name && text[0] != '/' && text[0] != '*' &&
           text.find_first_of(" :,") == text.npos;
}

} // namespace

// ---- Visitor

Visitor::Visitor(Room& room, tornado::IOStreamPtr stream)
    : room_(room), stream_(std::move(stream)) {
    auto const& limits = room_.limits();
    stream_->set_write_watermarks(limits.backlog / 4, limits.backlog / 2,
                                  [this](bool behind) { reads_slowly(behind); });
    name_time_ =
        room_.loop().call_later(limits.name_time, [this] { dismiss("* no name, no seat\n"); });
    room_.enter(*this);
}

Visitor::~Visitor() {
    room_.loop().remove_timeout(patience_);
    room_.loop().remove_timeout(name_time_);
    room_.leave(*this);
    if (!name_.empty())
        room_.say(*this, "* " + name_ + " " + farewell_ + "\n");
}

void Visitor::join(std::string name) {
    room_.loop().remove_timeout(name_time_);
    name_ = std::move(name);
    tell("* welcome, " + name_ + "; here: " + room_.names() + "\n");
    room_.say(*this, "* " + name_ + " joined\n");
}

void Visitor::tell(std::string_view line) {
    if (!behind_) {
        try {
            if (missed_ != 0) {
                stream_->write("* you read too slowly and missed " + std::to_string(missed_) +
                               " lines\n");
                missed_ = 0;
            }
            stream_->write(line);
            return;
        } catch (tornado::system_error const&) { // max_write_buffer_size: no room for it
        }
    }
    ++missed_;
}

void Visitor::dismiss(std::string_view line) {
    tell(line);
    stream_->close_after_flush(room_.limits().patience);
}

// Above the high mark lines are missed; who stays there for too long has to go.
void Visitor::reads_slowly(bool behind) {
    behind_ = behind;
    if (!behind)
        return room_.loop().remove_timeout(patience_);
    patience_ = room_.loop().call_later(room_.limits().patience, [this] {
        tornado::log(tornado::Logger::application, tornado::LogLevel::info,
                     name_ + " is dropped: it reads too slowly");
        farewell_ = "was too slow and is out";
        stream_->close(tornado::error::buffer_full);
    });
}

// ---- Room

bool Room::is_taken(std::string_view name) const {
    return std::ranges::any_of(visitors_, [&](auto* each) { return each->name() == name; });
}

std::string Room::names() const {
    std::string list;
    for (auto const* visitor : visitors_)
        if (!visitor->name().empty())
            list += (list.empty() ? "" : ", ") + visitor->name();
    return list;
}

void Room::say(Visitor const& speaker, std::string const& line) {
    for (auto* visitor : visitors_)
        if (visitor != &speaker && !visitor->name().empty())
            visitor->tell(line);
}

void Room::close() {
    for (auto* visitor : visitors_)
        visitor->dismiss("* the room closes\n");
}

// ---- The life of one connection

asio::awaitable<void> visit(std::shared_ptr<Room> room, tornado::IOStreamPtr stream) {
    auto const max_line = room->limits().line;
    Visitor visitor(*room, stream);
    if (room->over_full())
        co_return visitor.dismiss("* the room is full; come back later\n");

    visitor.tell("* who are you?\n");
    for (;;) {
        auto name = printable(co_await stream->read_until("\n", max_line));
        if (is_name(name) && !room->is_taken(name)) {
            visitor.join(std::move(name));
            break;
        }
        visitor.tell(is_name(name) ? "* that name is taken; another?\n"
                                   : "* a name has 1 to 20 characters, and no blanks; yours?\n");
    }

    for (;;) {
        auto const line = printable(co_await stream->read_until("\n", max_line));
        if (line == "/quit")
            co_return visitor.dismiss("* bye\n");
        if (line == "/who")
            visitor.tell("* here: " + room->names() + "\n");
        else if (line.starts_with('/'))
            visitor.tell("* /who tells who is here, /quit leaves\n");
        else if (!line.empty())
            room->say(visitor, visitor.name() + ": " + line + "\n");
    }
}

} // namespace chat
