// SPDX-License-Identifier: BSL-1.0
// A TLS server and those who come to it: clients, strangers, and nobody in particular.
#include "support/tls.hpp"

#include "tornado/tcpserver.hpp"
#include "tornado/testing.hpp"

#include "support/descriptors.hpp"
#include "support/echo.hpp"
#include "support/host.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/test/unit_test.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace tornado;
using namespace tornado::test;

namespace {

TCPServerOptions with_tls(Context context = server_context()) {
    TCPServerOptions options;
    options.ssl = std::move(context);
    return options;
}

asio::awaitable<SSLIOStreamPtr> connect(Host& host, TCPServer& server) {
    auto const stream =
        std::make_shared<SSLIOStream>(asio::ip::tcp::socket(host.context()), client_context());
    co_await stream->connect(server.addresses().at(0), "localhost");
    co_return stream;
}

/// Everything that came is gone again.
asio::awaitable<void> all_gone(Host& host, TCPServer& server) {
    co_await host.until([&] { return server.stats().active == 0; });
}

} // namespace

BOOST_AUTO_TEST_SUITE(tcpserver_tls)

BOOST_AUTO_TEST_CASE(T134_T146_T147_a_handler_serves_tls_as_it_serves_anything) {
    on_each_loop([](Host& host) {
        TCPServer server(host.loop(), echo, with_tls());
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            auto const client = co_await connect(host, server);
            for (auto const* text : {"one\n", "two\n"}) {
                client->write(text);
                BOOST_TEST(co_await client->read_until("\n") == text);
            }
            client->close();
            co_await all_gone(host, server);
        });
        auto const stats = server.stats();
        BOOST_TEST(stats.accepted == 1u);
        BOOST_TEST(stats.tls_failures == 0u);
        BOOST_TEST(stats.bytes_in == 8u);
        BOOST_TEST(stats.bytes_out == 8u);
        server.stop();
    });
}

BOOST_AUTO_TEST_CASE(T135_the_handler_runs_before_the_handshake) {
    Host host(false);
    std::string before = "not called";
    std::string after;
    auto const handler = [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
        auto const tls = std::dynamic_pointer_cast<SSLIOStream>(stream);
        BOOST_TEST_REQUIRE(tls);
        before = tls->cipher();
        stream->write("hello\n"); // waits for the handshake (T137)
        co_await tls->wait_for_handshake();
        after = tls->cipher();
    };
    TCPServer server(host.loop(), handler, with_tls());
    server.listen(0, "127.0.0.1");
    host.run([&]() -> asio::awaitable<void> {
        auto const client = co_await connect(host, server);
        BOOST_TEST(co_await client->read_until("\n") == "hello\n");
    });
    BOOST_TEST(before == "");
    BOOST_TEST(after != "");
}

BOOST_AUTO_TEST_CASE(T135_a_handler_need_not_hold_a_stream_in_its_handshake) {
    on_each_loop([](Host& host) {
        TCPServer server(
            host.loop(), [](IOStreamPtr, Address) {}, with_tls());
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            auto const client = co_await connect(host, server); // the handshake comes to its end
            BOOST_TEST(co_await client->read_until_close() == "");
            BOOST_TEST((client->error() == asio::error::eof));
            co_await all_gone(host, server);
        });
        BOOST_TEST(server.stats().tls_failures == 0u);
        server.stop();
    });
}

BOOST_AUTO_TEST_CASE(T138_clear_text_on_a_tls_port) {
    on_each_loop([](Host& host) {
        TCPServer server(host.loop(), echo, with_tls());
        server.listen(0, "127.0.0.1");
        CapturedLog const log;
        for (std::string const& text :
             {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string("SSH-2.0-probe\r\n"),
              std::string(20000, 'x'), std::string("\x16\x03\x01\x00\x05\x01\0\0\x01x", 10)})
            host.run([&]() -> asio::awaitable<void> {
                Client client(host, server.addresses().at(0));
                client.send(text);
                static_cast<void>(co_await client.rest()); // an alert, perhaps
                co_await all_gone(host, server);
            });
        BOOST_TEST(server.stats().tls_failures == 4u);
        BOOST_TEST(log.count("SSL Error on connection ") == 4);
        BOOST_TEST(log.lines().size() == 4u);
        server.stop();
    });
}

BOOST_AUTO_TEST_CASE(T138_T160_a_peer_that_goes_before_the_handshake_is_not_worth_a_line) {
    on_each_loop([](Host& host) {
        TCPServer server(host.loop(), echo, with_tls());
        server.listen(0, "127.0.0.1");
        CapturedLog const log;
        auto const descriptors = open_descriptors();
        host.run([&]() -> asio::awaitable<void> {
            for (int i = 0; i != 20; ++i) {
                Client client(host, server.addresses().at(0));
                if (i % 4 >= 2)
                    client.send("\x16\x03\x01");
                i % 2 == 0 ? client.close() : client.reset();
            }
            co_await host.until([&] { return server.stats().accepted == 20; });
            co_await all_gone(host, server);
        });
        BOOST_TEST(server.stats().tls_failures == 20u);
        BOOST_TEST(log.lines().empty());
        BOOST_TEST(open_descriptors() == descriptors);
        server.stop();
    });
}

BOOST_AUTO_TEST_CASE(a_stalled_handshake_ends_at_its_deadline) {
    on_each_loop([](Host& host) {
        auto options = with_tls();
        options.handshake_timeout = 20ms;
        error_code ended;
        auto const handler = [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
            auto const [ec, line] =
                co_await stream->read_until("\n", asio::as_tuple(asio::deferred));
            ended = ec;
        };
        TCPServer server(host.loop(), handler, options);
        server.listen(0, "127.0.0.1");
        CapturedLog const log;
        host.run([&]() -> asio::awaitable<void> {
            Client client(host, server.addresses().at(0));
            client.send("\x16\x03\x01");
            BOOST_TEST(co_await client.rest() == "");
            co_await all_gone(host, server);
        });
        BOOST_TEST((ended == asio::error::timed_out));
        BOOST_TEST(server.stats().tls_failures == 1u);
        BOOST_TEST(log.lines().empty());
        server.stop();
    });
}

BOOST_AUTO_TEST_CASE(a_handshake_in_time_stops_the_clock) {
    Host host(false);
    auto options = with_tls();
    options.handshake_timeout = 300ms;
    TCPServer server(host.loop(), echo, options);
    server.listen(0, "127.0.0.1");
    host.run([&]() -> asio::awaitable<void> {
        auto const client = co_await connect(host, server);
        client->write("in time\n");
        BOOST_TEST(co_await client->read_until("\n") == "in time\n");
        asio::steady_timer past(host.context(), 400ms); // what would end it has gone by
        co_await past.async_wait(asio::use_awaitable);
        client->write("still here\n");
        BOOST_TEST(co_await client->read_until("\n") == "still here\n");
    });
}

BOOST_AUTO_TEST_CASE(T159_bad_tls_options_are_reported_by_the_constructor) {
    Host host(false);
    auto const empty = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
    BOOST_CHECK_THROW(TCPServer(host.loop(), echo, with_tls(empty)), std::invalid_argument);
    auto options = with_tls();
    options.handshake_timeout = 0s;
    BOOST_CHECK_THROW(TCPServer(host.loop(), echo, options), std::invalid_argument);
    BOOST_CHECK_THROW(server_context({"/no/such/file", ""}), system_error);
}

BOOST_AUTO_TEST_CASE(reload_tls_changes_certificates_under_live_connections) {
    Host host(false);
    TCPServer server(host.loop(), echo, with_tls());
    server.listen(0, "127.0.0.1");
    host.run([&]() -> asio::awaitable<void> {
        auto const before = co_await connect(host, server);
        server.reload_tls(server_context(certificates().wildcard));
        auto const after =
            std::make_shared<SSLIOStream>(asio::ip::tcp::socket(host.context()), client_context());
        co_await after->connect(server.addresses().at(0), "www.example.org");
        BOOST_TEST(common_name(before->peer_certificate()) == "localhost");
        BOOST_TEST(common_name(after->peer_certificate()) == "example.org");
        for (auto const& client : {before, after}) {
            client->write("echo\n");
            BOOST_TEST(co_await client->read_until("\n") == "echo\n");
        }
    });
    BOOST_CHECK_THROW(server.reload_tls(nullptr), std::invalid_argument);
    BOOST_CHECK_THROW(
        server.reload_tls(std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server)),
        std::invalid_argument);
    TCPServer plain(host.loop(), echo);
    BOOST_CHECK_THROW(plain.reload_tls(server_context()), std::logic_error);
}

BOOST_AUTO_TEST_CASE(start_tls_in_a_handler_stays_the_servers_connection) {
    on_each_loop([](Host& host) {
        auto const handler = [](IOStreamPtr plain, Address) -> asio::awaitable<void> {
            static_cast<void>(co_await plain->read_until("STARTTLS\n"));
            co_await plain->write("go ahead\n");
            auto const stream = co_await plain->start_tls(true, server_context());
            co_await echo(stream, {});
        };
        TCPServer server(host.loop(), handler);
        server.listen(0, "127.0.0.1");
        CapturedLog const log;
        host.run([&]() -> asio::awaitable<void> {
            auto const plain = std::make_shared<IOStream>(asio::ip::tcp::socket(host.context()));
            co_await plain->connect(server.addresses().at(0));
            plain->write("STARTTLS\n");
            static_cast<void>(co_await plain->read_until("\n"));
            auto const stream = co_await plain->start_tls(false, client_context(), "localhost");
            stream->write("secret\n");
            BOOST_TEST(co_await stream->read_until("\n") == "secret\n");
            BOOST_TEST(server.stats().active == 1u);
            stream->close();
            co_await all_gone(host, server);
        });
        BOOST_TEST(server.stats().bytes_in == std::string("STARTTLS\nsecret\n").size());
        BOOST_TEST(log.lines().empty()); // the end of its stream is a normal end
        server.stop();
    });
}

BOOST_AUTO_TEST_CASE(shutdown_waits_for_tls_connections_and_closes_the_rest) {
    on_each_loop([](Host& host) {
        TCPServer server(host.loop(), echo, with_tls());
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            auto const client = co_await connect(host, server);
            Client const silent(host, server.addresses().at(0)); // never says a word
            co_await host.until([&] { return server.stats().active == 2; });
            BOOST_TEST(co_await server.shutdown(10ms) == 2u);
            BOOST_TEST(co_await client->read_until_close() == "");
            BOOST_TEST((client->error() == asio::error::eof)); // with close_notify
            co_await all_gone(host, server);
        });
    });
}

BOOST_AUTO_TEST_CASE(T161_limits_reach_tls_streams) {
    Host host(false);
    auto options = with_tls();
    options.max_buffer_size = 1000;
    error_code ended;
    auto const handler = [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
        auto const [ec, line] = co_await stream->read_until("\n", asio::as_tuple(asio::deferred));
        ended = ec;
    };
    TCPServer server(host.loop(), handler, options);
    server.listen(0, "127.0.0.1");
    CapturedLog const log;
    host.run([&]() -> asio::awaitable<void> {
        auto const client = co_await connect(host, server);
        client->write(std::string(1001, 'x'));
        co_await client->read_until_close(asio::as_tuple(asio::deferred));
        co_await all_gone(host, server);
    });
    BOOST_TEST((ended == error::buffer_full));
}

BOOST_AUTO_TEST_SUITE_END()
