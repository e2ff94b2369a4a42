// SPDX-License-Identifier: BSL-1.0
// A chat room: who has said a name hears what the others say. A port of chat.py.
#include <tornado.hpp>

#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <string_view>

using namespace tornado;

namespace {

// Shared, as a connection may outlive the server.
struct Room {
    std::map<std::string, IOStreamPtr> members;

    void say(std::string_view text, std::string_view but = {}) {
        for (auto const& [name, stream] : members)
            if (name != but)
                stream->write(text);
    }
};
using RoomPtr = std::shared_ptr<Room>;

// What Python's `finally` does is a destructor.
class Seat {
public:
    Seat(RoomPtr room, std::string name, IOStreamPtr stream)
        : room_(std::move(room)), name_(std::move(name)) {
        room_->members.emplace(name_, std::move(stream));
    }
    Seat(Seat const&) = delete;
    Seat& operator=(Seat const&) = delete;
    ~Seat() {
        room_->members.erase(name_);
        room_->say("* " + name_ + " has left\n");
    }

private:
    RoomPtr room_;
    std::string name_;
};

asio::awaitable<void> take_seat(RoomPtr room, IOStreamPtr stream, std::string name) {
    Seat const seat(room, name, stream);
    auto const others = std::to_string(room->members.size() - 1);
    room->say("* " + name + " is here, with " + others + " others\n");
    for (;;) {
        auto const line = co_await stream->read_until("\n", 1024);
        room->say(name + ": " + line, name);
    }
}

std::string strip(std::string const& line) {
    constexpr auto blank = " \t\r\n\v\f";
    auto const begin = line.find_first_not_of(blank);
    return begin == line.npos ? "" : line.substr(begin, line.find_last_not_of(blank) + 1 - begin);
}

class Chat : public TCPServer {
    asio::awaitable<void> handle_stream(IOStreamPtr stream, Address) override {
        auto const room = room_; // the server may go before the connection
        co_await stream->write("your name? ");
        auto const name = strip(co_await stream->read_until("\n", 21));
        if (name.empty() || room->members.contains(name)) {
            co_await stream->write("* that name will not do\n");
            co_return;
        }
        co_await take_seat(room, stream, name);
    }

    RoomPtr const room_ = std::make_shared<Room>();
};

} // namespace

int main(int argc, char** argv) {
    IOLoop loop;
    Chat server;
    server.listen(argc > 1 ? std::stoi(argv[1]) : 8888, "127.0.0.1");
    std::cout << server.addresses().front().port() << std::endl;
    loop.start();
}
