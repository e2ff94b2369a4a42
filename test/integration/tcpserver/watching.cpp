// SPDX-License-Identifier: BSL-1.0
// A server that is watched: ids and names in its log lines, what it counts, what its loop says of
// it.
#include "tornado/ioloop.hpp"
#include "tornado/process.hpp"
#include "tornado/proxy_header.hpp"
#include "tornado/tcpserver.hpp"
#include "tornado/testing.hpp"

#include "support/echo.hpp"
#include "support/host.hpp"
#include "support/tls.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

asio::awaitable<void> tell_id(IOStreamPtr stream, Address) {
    for (;;) {
        co_await stream->read_until("\n");
        co_await stream->write(std::to_string(stream->id()) + "\n");
    }
}

std::string name_of(IOStream const& stream, std::string const& peer) {
    return "connection " + std::to_string(stream.id()) + " (" + peer + ")";
}

bool says(Host& host, std::string const& text) {
    return host.loop().describe().find(text) != std::string::npos;
}

TCPServerOptions behind_a_balancer() {
    TCPServerOptions options;
    options.proxy_protocol = true;
    options.trusted_proxies = {"127.0.0.1"};
    return options;
}

} // namespace

BOOST_AUTO_TEST_SUITE(tcpserver_watching)

// ---- Ids and names

BOOST_AUTO_TEST_CASE(connections_are_numbered_as_they_are_accepted) {
    on_each_loop([](Host& host) {
        TCPServer server(host.loop(), tell_id);
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            std::uint64_t last = 0;
            for (int i = 0; i < 5; ++i) {
                Client client(host, server.addresses()[0]);
                auto const id = std::stoull(co_await client.ask("?\n"));
                BOOST_TEST(id == std::stoull(co_await client.ask("?\n")));
                BOOST_TEST(id > last);
                last = id;
            }
        });
    });
}

BOOST_AUTO_TEST_CASE(an_exception_in_a_handler_names_its_connection) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        std::string name;
        TCPServer server(host.loop(), [&](IOStreamPtr stream, Address address) {
            name = name_of(*stream, address.to_string());
            throw std::runtime_error("broken");
        });
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client client(host, server.addresses()[0]);
            co_await client.rest();
            BOOST_TEST(name.ends_with('(' + client.name().to_string() + ')'));
        });
        BOOST_TEST(log.count("Error in connection callback of " + name +
                             ": std::runtime_error: broken") == 1);
    });
}

BOOST_AUTO_TEST_CASE(behind_a_balancer_lines_name_the_client) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        std::string name;
        TCPServer server(
            host.loop(),
            [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
                name = name_of(*stream, "192.0.2.1:5");
                co_await stream->read_until("\n", 3);
            },
            behind_a_balancer());
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client client(host, server.addresses()[0]);
            client.send("PROXY TCP4 192.0.2.1 198.51.100.2 5 443\r\n");
            co_await host.until([&] { return server.stats().active == 1; });
            BOOST_TEST(says(host, name + ": descriptor "));
            client.send("too long");
            co_await client.rest();
        });
        BOOST_TEST(log.count("Unsatisfiable read, closing " + name) == 1);
        BOOST_TEST(log.count("127.0.0.1") == 0);
    });
}

BOOST_AUTO_TEST_CASE(a_connection_has_its_id_before_its_header_comes) {
    on_each_loop([](Host& host) {
        TCPServer server(host.loop(), tell_id, behind_a_balancer());
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client early(host, server.addresses()[0]);
            co_await host.until([&] { return server.stats().pending == 1; });
            auto const peer = early.name().to_string();
            auto const text = host.loop().describe();
            auto const end = text.find(" (" + peer + "): waits for its PROXY header\n");
            BOOST_TEST_REQUIRE(end != text.npos, text);
            auto const begin = text.rfind(' ', end - 1) + 1;
            auto const id = text.substr(begin, end - begin);
            BOOST_TEST(says(host, "server: 0 active, 1 pending\n"));
            BOOST_TEST(co_await early.ask("PROXY UNKNOWN\r\n?\n") == id + "\n");
            BOOST_TEST(server.stats().pending == 0U);
        });
    });
}

// ---- What the loop says

BOOST_AUTO_TEST_CASE(a_loop_tells_where_it_listens_and_for_whom_a_shutdown_waits) {
    on_each_loop([](Host& host) {
        TCPServerOptions options;
        options.max_connections = 1;
        TCPServer server(host.loop(), echo, options);
        server.listen(0, "127.0.0.1");
        auto const line = "listening on " + server.addresses()[0].to_string();
        BOOST_TEST(says(host, line + "\n"));
        BOOST_TEST(!says(host, "server:"));
        host.run([&]() -> asio::awaitable<void> {
            Client client(host, server.addresses()[0]);
            BOOST_TEST(co_await client.ask("x\n") == "x\n");
            BOOST_TEST(says(host, line + ", paused: "));
            BOOST_TEST(says(host, "server: 1 active, 0 pending\n"));
            BOOST_TEST(says(host, "(" + client.name().to_string() + "): descriptor "));
            BOOST_TEST(says(host, " old, reads until a delimiter\n"));
            server.shutdown(1h, [](error_code, std::size_t) {});
            BOOST_TEST(!says(host, "listening"));
            BOOST_TEST(says(host, "server: 1 active, 0 pending, shutdown closes them in 3"));
            client.close();
            co_await host.until([&] { return server.stats().active == 0; });
        });
        BOOST_TEST(!says(host, "server:"));
        BOOST_TEST(!says(host, "connection "));
    });
}

BOOST_AUTO_TEST_CASE(a_child_whose_end_is_waited_for_is_told) {
    on_each_loop([](Host& host) {
        Subprocess child(host.loop(), {"sleep", "60"}, {});
        auto const line = "subprocess " + std::to_string(child.pid()) + ": its end is waited for\n";
        bool ended = false;
        child.set_exit_callback([&](int) { ended = true; });
        BOOST_TEST(says(host, line));
        child.kill();
        host.run([&]() -> asio::awaitable<void> { co_await host.until([&] { return ended; }); });
        BOOST_TEST(!says(host, line));
    });
}

BOOST_AUTO_TEST_CASE(turns_of_streams_count_as_iterations) {
    on_each_loop([](Host& host) {
        TCPServer server(host.loop(), echo);
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client client(host, server.addresses()[0]);
            co_await client.ask("x\n");
            auto const before = host.loop().stats().iterations;
            for (int i = 0; i < 10; ++i)
                co_await client.ask("x\n");
            BOOST_TEST(host.loop().stats().iterations >= before + 10);
        });
    });
}

// ---- What the server counts

BOOST_AUTO_TEST_CASE(each_pause_at_max_connections_is_counted) {
    on_each_loop([](Host& host) {
        TCPServerOptions options;
        options.max_connections = 2;
        TCPServer server(host.loop(), echo, options);
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            for (std::uint64_t pauses = 0; pauses < 3; ++pauses) {
                BOOST_TEST(server.stats().pauses == pauses);
                Client one(host, server.addresses()[0]);
                Client two(host, server.addresses()[0]);
                BOOST_TEST(co_await one.ask("x\n") == "x\n");
                BOOST_TEST(co_await two.ask("x\n") == "x\n");
                server.listen(0, "127.0.0.1"); // which pauses at once, and is no new reason
                BOOST_TEST(server.stats().pauses == pauses + 1);
                one.close();
                two.close();
                co_await host.until([&] { return server.stats().active == 0; });
            }
        });
        BOOST_TEST(server.stats().rejected == 0U);
    });
}

BOOST_AUTO_TEST_CASE(handshakes_and_resumed_sessions_are_counted) {
    on_each_loop([](Host& host) {
        TCPServerOptions options;
        options.ssl = server_context();
        TCPServer server(host.loop(), echo, options);
        server.listen(0, "127.0.0.1");
        auto const context = client_context();
        SSL_SESSION* session = nullptr;
        host.run([&]() -> asio::awaitable<void> {
            for (int i = 0; i < 3; ++i) {
                asio::ssl::stream<asio::ip::tcp::socket> client(host.context(), *context);
                client.next_layer().connect(server.addresses()[0].tcp_endpoint());
                if (session)
                    SSL_set_session(client.native_handle(), session);
                co_await client.async_handshake(asio::ssl::stream_base::client,
                                                asio::use_awaitable);
                co_await asio::async_write(client, asio::buffer("x\n", 2), asio::use_awaitable);
                char back[2];
                co_await asio::async_read(client, asio::buffer(back), asio::use_awaitable);
                BOOST_TEST(server.stats().handshakes == static_cast<std::uint64_t>(i) + 1);
                BOOST_TEST(server.stats().resumptions == static_cast<std::uint64_t>(i));
                if (session)
                    SSL_SESSION_free(session);
                session = SSL_get1_session(client.native_handle());
                // Else it is given up with the connection, which nobody has ended in good order.
                SSL_set_shutdown(client.native_handle(), SSL_SENT_SHUTDOWN);
            }
            co_await host.until([&] { return server.stats().active == 0; });
        });
        SSL_SESSION_free(session);
        BOOST_TEST(server.stats().tls_failures == 0U);
        BOOST_TEST(server.stats().handshake_timeouts == 0U);
    });
}

BOOST_AUTO_TEST_CASE(handshake_timeouts_are_told_from_other_failures_and_limits) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        TCPServerOptions options;
        options.ssl = server_context();
        options.handshake_timeout = 20ms;
        TCPServer server(host.loop(), echo, options);
        server.listen(0, "127.0.0.1");
        options.handshake_timeout = 1h;
        options.idle_timeout = 20ms;
        TCPServer idle(host.loop(), echo, options);
        idle.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client mute(host, server.addresses()[0]);
            co_await mute.rest();
            Client gone(host, server.addresses()[0]);
            gone.close();
            co_await host.until([&] { return server.stats().tls_failures == 2; });
            Client sleeper(host, idle.addresses()[0]);
            co_await sleeper.rest();
        });
        BOOST_TEST(server.stats().handshake_timeouts == 1U);
        BOOST_TEST(server.stats().handshakes == 0U);
        BOOST_TEST(idle.stats().tls_failures == 1U);
        BOOST_TEST(idle.stats().idle_timeouts == 1U);
        BOOST_TEST(idle.stats().handshake_timeouts == 0U);
    });
}

BOOST_AUTO_TEST_SUITE_END()
