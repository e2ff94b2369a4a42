// SPDX-License-Identifier: BSL-1.0
// libevent's bufferevents.
#include "server.hpp"

#include <cstring>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace {

bench::Workload workload;

void readable(bufferevent* connection, void*) {
    auto* const in = bufferevent_get_input(connection);
    auto* const out = bufferevent_get_output(connection);
    switch (workload.mode) {
    case bench::Mode::line:
        for (;;) {
            auto const end = evbuffer_search(in, "\n", 1, nullptr);
            if (end.pos < 0)
                return;
            evbuffer_remove_buffer(in, out, static_cast<std::size_t>(end.pos) + 1);
        }
    case bench::Mode::block:
        while (evbuffer_get_length(in) >= workload.size)
            evbuffer_remove_buffer(in, out, workload.size);
        return;
    case bench::Mode::stream:
        evbuffer_add_buffer(out, in);
        return;
    case bench::Mode::sink:
        evbuffer_drain(in, evbuffer_get_length(in));
        return;
    }
}

void ended(bufferevent* connection, short, void*) {
    bufferevent_free(connection);
}

void accepted(evconnlistener* listener, evutil_socket_t fd, sockaddr*, int, void*) {
    int const on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto* const connection =
        bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(connection, readable, nullptr, ended, nullptr);
    bufferevent_enable(connection, EV_READ | EV_WRITE);
}

} // namespace

int main(int argc, char** argv) {
    workload = bench::parse(argc, argv);
    auto* const base = event_base_new();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    auto* const listener =
        evconnlistener_new_bind(base, accepted, nullptr, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE,
                                SOMAXCONN, name, sizeof address);
    if (!listener || getsockname(evconnlistener_get_fd(listener), name, &size) != 0) {
        std::perror("listen");
        return 1;
    }
    bench::announce(ntohs(address.sin_port));
    event_base_dispatch(base);
}
