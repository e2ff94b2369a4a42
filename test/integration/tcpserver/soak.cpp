// SPDX-License-Identifier: BSL-1.0
// TLS connections by the thousand, ended in every way there is; what they took is given back.
#include "tornado/log.hpp"
#include "tornado/tcpserver.hpp"

#include "support/descriptors.hpp"
#include "support/host.hpp"
#include "support/tls.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <malloc.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/socket.h>

using namespace tornado;
using namespace tornado::test;

namespace {

// So many connections in all; TORNADO_SOAK names another number.
int connections() {
    char const* const text = std::getenv("TORNADO_SOAK");
    return text ? std::atoi(text) : 600;
}

std::size_t heap_in_use() {
    auto const info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
}

asio::awaitable<void> obey(IOStreamPtr stream, Address) {
    for (;;) {
        auto line = co_await stream->read_until("\n");
        if (line == "close\n")
            stream->close();
        else if (line == "flush\n")
            stream->close_after_flush();
        else if (line == "throw\n")
            throw std::runtime_error("as asked");
        else if (line == "much\n")
            line.assign(5'000'000, 'x');
        co_await stream->write(std::move(line));
    }
}

/// The number of ways in which visit() ends a connection.
constexpr int ways = 12;

asio::awaitable<void> visit(Host& host, Address server, Context trusting, Context wary, int way) {
    auto const stream = std::make_shared<SSLIOStream>(asio::ip::tcp::socket(host.context()),
                                                      way == 0 ? wary : trusting);
    if (way == 1) { // in the middle of the handshake
        stream->connect(server, "localhost", [](error_code, IOStreamPtr) {});
        co_await host.until([&] { return !stream->remote_address().ip().empty(); });
        co_return stream->close();
    }
    auto const [failure, connected] =
        co_await stream->connect(server, "localhost", asio::as_tuple(asio::deferred));
    if (failure)
        co_return;
    auto const fd = stream->IOStream::native_handle();
    auto const say = [&](char const* text) { stream->write(text); };
    switch (way) {
    case 2:
        say("hello\n");
        static_cast<void>(co_await stream->read_until("\n"));
        stream->close();
        break;
    case 3:
        stream->close();
        break;
    case 4: // without close_notify
        ::shutdown(fd, SHUT_RDWR);
        break;
    case 5: { // by a reset
        linger const now{1, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        say("hello\n");
        ::shutdown(fd, SHUT_RD);
        break;
    }
    case 6: // by what is no record
        static_cast<void>(::send(fd, "garbage, garbage", 16, MSG_NOSIGNAL));
        break;
    case 7:
        say("close\n");
        break;
    case 8:
        say("flush\n");
        break;
    case 9:
        say("throw\n");
        break;
    case 10: // with megabytes under way
        say("much\n");
        static_cast<void>(co_await stream->read_bytes(1000));
        stream->close();
        break;
    case 11: // one side first
        stream->shutdown_write();
        break;
    }
    co_await stream->read_until_close(asio::as_tuple(asio::deferred));
}

} // namespace

BOOST_AUTO_TEST_SUITE(tcpserver_soak)

BOOST_AUTO_TEST_CASE(tls_connections_that_end_in_every_way_leave_nothing) {
    Host host(false);
    TCPServerOptions options;
    options.ssl = server_context();
    TCPServer server(host.loop(), obey, options);
    server.listen(0, "127.0.0.1");
    auto const address = server.addresses().at(0);
    auto const trusting = client_context();
    auto const wary = ssl_options_to_context({.ca_certs = certificates().foreign_ca}, false);
    set_log_sink([](LogRecord const&) {}); // strangers are worth a line each

    auto const rounds = [&](int from, int to) {
        for (int i = from; i < to; i += 50)
            host.run([&]() -> asio::awaitable<void> {
                int left = 0;
                for (int j = i; j < std::min(i + 50, to); ++j, ++left)
                    asio::co_spawn(host.context(), visit(host, address, trusting, wary, j % ways),
                                   [&](std::exception_ptr) { --left; });
                co_await host.until([&] { return left == 0 && server.stats().active == 0; });
            });
    };
    auto const all = connections();
    rounds(0, all / 3); // caches fill
    auto const descriptors = open_descriptors();
    auto const heap = heap_in_use();
    rounds(all / 3, all);
    BOOST_TEST(open_descriptors() == descriptors);
    BOOST_TEST(server.stats().accepted == static_cast<unsigned>(all));
    auto const grown = static_cast<std::ptrdiff_t>(heap_in_use() - heap);
    BOOST_TEST(grown < 100'000);
    BOOST_TEST_MESSAGE(all << " connections; the heap grew by " << grown << " bytes");
    set_log_sink({});
}

BOOST_AUTO_TEST_SUITE_END()
