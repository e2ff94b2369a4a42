// SPDX-License-Identifier: BSL-1.0
// The load generator of the chat: clients in rooms, each of which says something when its last word
// was taken.
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace {

[[noreturn]] void fail(char const* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// A client's text frame, masked with zeros, which a server unmasks all the same.
std::string frame(std::string const& text) {
    if (text.size() > 125)
        throw std::invalid_argument("a frame of this client has 125 bytes at most");
    return std::string("\x81") + static_cast<char>(0x80 | text.size()) + std::string(4, '\0') +
           text;
}

// What the server has sent, in counts of its messages.
struct Counts {
    std::uint64_t messages = 0;
    std::uint64_t sent = 0;
};

class Client {
public:
    Client(std::uint16_t port, std::string const& room, std::string const& name)
        : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            fail("connect");
        int const on = 1;
        ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        send(
            "GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
        while (received_.find("\r\n\r\n") == std::string::npos)
            receive();
        if (!received_.starts_with("HTTP/1.1 101"))
            throw std::runtime_error("no WebSocket: " + received_);
        received_.erase(0, received_.find("\r\n\r\n") + 4);
        send(frame(R"({"type":"join","room":")" + room + R"(","name":")" + name + "\"}"));
        while (received_.find("welcome") == std::string::npos)
            receive();
        Counts ignored;
        take(ignored);
    }

    int descriptor() const noexcept { return socket_; }

    void say() {
        static std::string const word =
            frame(R"({"type":"say","tag":"t","text":"forty bytes of text, as people write it"})");
        send(word);
    }

    void receive() {
        char block[64 * 1024];
        auto const n = ::recv(socket_, block, sizeof block, 0);
        if (n <= 0)
            fail("the server has closed a connection");
        received_.append(block, static_cast<std::size_t>(n));
    }

    // Counts the frames that are complete. A message's type is its first word.
    void take(Counts& counts) {
        std::size_t at = 0;
        for (;;) {
            auto const left = std::string_view(received_).substr(at);
            if (left.size() < 4)
                break;
            std::size_t size = static_cast<unsigned char>(left[1]);
            std::size_t head = 2;
            if (size == 126) {
                size = static_cast<std::size_t>(static_cast<unsigned char>(left[2])) << 8 |
                       static_cast<unsigned char>(left[3]);
                head = 4;
            } else if (size > 126) {
                throw std::runtime_error("too large a frame");
            }
            if (left.size() < head + size)
                break;
            auto const text = left.substr(head, size);
            if (text.starts_with(R"({"type":"message")"))
                ++counts.messages;
            else if (text.starts_with(R"({"type":"sent")"))
                ++counts.sent;
            else if (text.starts_with(R"({"type":"failed")"))
                throw std::runtime_error(std::string(text));
            at += head + size;
        }
        received_.erase(0, at);
    }

private:
    void send(std::string const& bytes) {
        if (::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(bytes.size()))
            fail("send");
    }

    int socket_;
    std::string received_;
};

} // namespace

int main(int argc, char** argv) try {
    if (argc != 4)
        throw std::invalid_argument("usage: chat_load PORT ROOMS MEMBERS");
    auto const port = static_cast<std::uint16_t>(std::atoi(argv[1]));
    auto const rooms = static_cast<std::size_t>(std::atol(argv[2]));
    auto const members = static_cast<std::size_t>(std::atol(argv[3]));
    int const set = ::epoll_create1(EPOLL_CLOEXEC);
    std::vector<Client> clients;
    for (std::size_t i = 0; i < rooms * members; ++i) {
        clients.emplace_back(port, "room" + std::to_string(i % rooms), "c" + std::to_string(i));
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = i;
        if (::epoll_ctl(set, EPOLL_CTL_ADD, clients.back().descriptor(), &event) != 0)
            fail("epoll_ctl");
    }
    std::cout << "ready" << std::endl;

    // Each line: how many messages are to be said. The answer: deliveries, seconds, lost ones.
    for (std::uint64_t amount = 0; std::cin >> amount;) {
        auto const begin = std::chrono::steady_clock::now();
        Counts counts;
        std::uint64_t said = 0;
        for (auto& client : clients)
            if (said < amount) {
                client.say();
                ++said;
            }
        while (counts.sent < amount || counts.messages < amount * members) {
            epoll_event events[256];
            int const n = ::epoll_wait(set, events, 256, 20'000);
            if (n == 0)
                break; // silence: the rest is lost
            for (int i = 0; i < n; ++i) {
                auto& client = clients[events[i].data.u64];
                auto const before = counts.sent;
                client.receive();
                client.take(counts);
                for (auto answers = counts.sent - before; answers != 0 && said < amount;
                     --answers, ++said)
                    client.say();
            }
        }
        std::chrono::duration<double> const took = std::chrono::steady_clock::now() - begin;
        std::cout << counts.messages << ' ' << took.count() << ' '
                  << amount * members - counts.messages << std::endl;
    }
} catch (std::exception const& e) {
    std::cerr << "chat_load: " << e.what() << '\n';
    return 1;
}
