// SPDX-License-Identifier: BSL-1.0
// The limit: a bare epoll loop as one writes it in C, which answers all that one receive brought
// with one send.
#include "server.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr std::size_t chunk = 64 * 1024;

// Memory only for what is incomplete.
struct Rest {
    char* data;
    std::uint32_t size;
};

struct Connection {
    int fd;
    Rest received; // the start of a message
    Rest unsent;   // the end of an answer; while there is one, nothing is received
};

bench::Workload workload;
int poll_fd;
char* input; // shared by all: a message's start and what was received behind it
char* output;

void check(bool good, char const* what) {
    if (!good) {
        std::perror(what);
        std::exit(1);
    }
}

void wait_for(Connection* c, std::uint32_t events, int operation) {
    epoll_event event{events, {c}};
    check(epoll_ctl(poll_fd, operation, c->fd, &event) == 0, "epoll_ctl");
}

void close_connection(Connection* c) {
    close(c->fd);
    std::free(c->received.data);
    std::free(c->unsent.data);
    std::free(c);
}

void keep(Rest& rest, char const* data, std::size_t size) {
    if (size == 0 && rest.size == 0)
        return;
    auto* const copy = size == 0 ? nullptr : static_cast<char*>(std::malloc(size));
    if (copy)
        std::memcpy(copy, data, size);
    std::free(rest.data);
    rest = {copy, static_cast<std::uint32_t>(size)};
}

/// False if the connection is gone.
bool send_all(Connection* c, char const* data, std::size_t size) {
    auto const sent = send(c->fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return false;
    auto const done = sent < 0 ? 0 : static_cast<std::size_t>(sent);
    bool const was_sending = c->unsent.size != 0;
    bool const sending = done != size;
    if (sending != was_sending)
        wait_for(c, sending ? EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    keep(c->unsent, data + done, size - done);
    return true;
}

/// Copies each whole message of the input to the output; returns their size.
std::size_t answer(char const* data, std::size_t size) {
    std::size_t done = 0;
    while (done != size) {
        std::size_t length = workload.size;
        if (workload.mode == bench::Mode::line) {
            auto const* end = static_cast<char const*>(std::memchr(data + done, '\n', size - done));
            length = end ? static_cast<std::size_t>(end + 1 - data) - done : size;
        }
        if (length > size - done)
            break;
        std::memcpy(output + done, data + done, length);
        done += length;
    }
    return done;
}

bool readable(Connection* c) {
    if (c->received.size != 0)
        std::memcpy(input, c->received.data, c->received.size);
    auto const received = recv(c->fd, input + c->received.size, chunk, 0);
    if (received <= 0)
        return received < 0 && errno == EAGAIN;
    auto const size = c->received.size + static_cast<std::size_t>(received);
    switch (workload.mode) {
    case bench::Mode::sink:
        return true;
    case bench::Mode::stream:
        return send_all(c, input, size);
    default:
        break;
    }
    auto const done = answer(input, size);
    keep(c->received, input + done, size - done);
    return done == 0 || send_all(c, output, done);
}

void accept_all(int listener) {
    for (;;) {
        int const fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        int const on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        auto* const c = static_cast<Connection*>(std::malloc(sizeof(Connection)));
        check(c != nullptr, "malloc");
        *c = {fd, {}, {}};
        wait_for(c, EPOLLIN, EPOLL_CTL_ADD);
    }
}

} // namespace

int main(int argc, char** argv) {
    workload = bench::parse(argc, argv);
    auto const room = 2 * chunk + workload.size;
    input = static_cast<char*>(std::malloc(room));
    output = static_cast<char*>(std::malloc(room));
    check(input && output, "malloc");

    int const listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    check(listener >= 0 && bind(listener, name, size) == 0 && listen(listener, SOMAXCONN) == 0 &&
              getsockname(listener, name, &size) == 0,
          "listen");
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{EPOLLIN, {nullptr}};
    check(poll_fd >= 0 && epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event) == 0, "epoll");
    bench::announce(ntohs(address.sin_port));

    for (;;) {
        epoll_event events[128];
        int const count = epoll_wait(poll_fd, events, 128, -1);
        for (int i = 0; i < count; ++i) {
            auto* const c = static_cast<Connection*>(events[i].data.ptr);
            if (!c)
                accept_all(listener);
            else if (c->unsent.size != 0 ? !send_all(c, c->unsent.data, c->unsent.size)
                                         : !readable(c))
                close_connection(c);
        }
    }
}
