// SPDX-License-Identifier: BSL-1.0
// TCPClient with TLS: who is trusted, under which name, and how long the handshake may take.
#include "tornado/tcpclient.hpp"
#include "tornado/tcpserver.hpp"
#include "tornado/testing.hpp"

#include "support/addresses.hpp"
#include "support/certificates.hpp"
#include "support/connect_options.hpp"
#include "support/events.hpp"
#include "support/host.hpp"
#include "support/scripted_resolver.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

using namespace tornado;
using namespace tornado::test;

namespace {

std::shared_ptr<asio::ssl::context> server_context(Identity const& identity) {
    SSLOptions options;
    options.certfile = identity.certfile;
    options.keyfile = identity.keyfile;
    return ssl_options_to_context(options, true);
}

std::shared_ptr<asio::ssl::context> client_context() {
    SSLOptions options;
    options.ca_certs = certificates().ca;
    return ssl_options_to_context(options, false);
}

/// Tells each client the name that it asked for, and echoes.
struct TlsServer : TCPServer {
    explicit TlsServer(Host& host, Identity const& identity = certificates().localhost)
        : TCPServer(host.loop(), options(identity)) {
        listen(0, "127.0.0.1");
    }
    std::uint16_t port() const { return addresses().at(0).port(); }

    static TCPServerOptions options(Identity const& identity) {
        TCPServerOptions options;
        options.ssl = server_context(identity);
        return options;
    }

    asio::awaitable<void> handle_stream(IOStreamPtr stream, Address) override {
        auto const secured = std::static_pointer_cast<SSLIOStream>(stream);
        co_await secured->wait_for_handshake();
        stream->write(secured->server_name() + "\n");
        for (;;)
            co_await stream->write(co_await stream->read_until("\n"));
    }
};

/// Listens to everything, and says nothing.
struct MuteServer : TCPServer {
    explicit MuteServer(Host& host) : TCPServer(host.loop()) { listen(0, "127.0.0.1"); }
    std::uint16_t port() const { return addresses().at(0).port(); }

    asio::awaitable<void> handle_stream(IOStreamPtr stream, Address) override {
        co_await stream->read_until_close();
    }
    /// A client has come, and is gone.
    auto left() {
        return [this] { return stats().accepted > 0 && stats().active == 0; };
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(tcpclient_tls)

BOOST_AUTO_TEST_CASE(T175_tls_on_the_winner_with_the_hosts_name) {
    Refusing const refusing;
    on_each_loop([&](Host& host) {
        CapturedLog const log;
        TlsServer const server(host);
        ScriptedResolver resolver(host.loop());
        resolver.always = {refusing.address(), server.addresses().at(0)};
        TCPClient client(host.loop(), &resolver);
        host.run([&]() -> asio::awaitable<void> {
            auto const stream = co_await client.connect(
                "localhost", 443,
                with(&ConnectOptions::ssl, client_context(), with(&ConnectOptions::timeout, 1h)));
            auto const secured = std::dynamic_pointer_cast<SSLIOStream>(stream);
            BOOST_TEST_REQUIRE(secured);
            BOOST_TEST(!secured->cipher().empty());
            BOOST_TEST(co_await stream->read_until("\n") == "localhost\n");
            co_await stream->write("hello\n");
            BOOST_TEST(co_await stream->read_until("\n") == "hello\n");
        });
        BOOST_TEST(log.lines().empty());
    });
}

BOOST_AUTO_TEST_CASE(T175_a_literal_is_verified_and_not_asked_for) {
    on_each_loop([](Host& host) {
        TlsServer const server(host);
        TCPClient client(host.loop());
        host.run([&]() -> asio::awaitable<void> {
            auto const stream = co_await client.connect(
                "127.0.0.1", server.port(), with(&ConnectOptions::ssl, client_context()));
            BOOST_TEST(co_await stream->read_until("\n") == "\n");
        });
    });
}

BOOST_AUTO_TEST_CASE(T175_another_name_is_not_accepted) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        TlsServer const server(host, certificates().other);
        TCPClient client(host.loop());
        host.run([&]() -> asio::awaitable<void> {
            auto const [ec, stream] = co_await client.connect(
                "localhost", server.port(), with(&ConnectOptions::ssl, client_context()),
                asio::as_tuple(asio::use_awaitable));
            BOOST_TEST((ec.category() == certificate_category()), ec.message());
            BOOST_TEST(log.count(ec.message()) == 1);
            BOOST_TEST(!stream);
            co_await host.until([&] { return server.stats().active == 0; });
        });
        BOOST_TEST(log.count("SSL Error on connection ") >= 1);
        BOOST_TEST(log.count("Cannot connect") == 0); // one line is enough
    });
}

BOOST_AUTO_TEST_CASE(a_host_that_is_no_name_for_tls_is_refused_before_all_else) {
    on_each_loop([](Host& host) {
        ScriptedResolver resolver(host.loop());
        TCPClient client(host.loop(), &resolver);
        int caught = 0;
        host.run([&]() -> asio::awaitable<void> {
            auto const options = with(&ConnectOptions::ssl, client_context());
            for (auto const& name : {std::string(300, 'x'), std::string("local\0host", 10)})
                try {
                    static_cast<void>(co_await client.connect(name, 443, options));
                } catch (std::invalid_argument const& e) {
                    caught += std::string(e.what()).find("is no host name") != std::string::npos;
                }
        });
        BOOST_TEST(caught == 2);
        BOOST_TEST(resolver.questions.empty());
    });
}

BOOST_AUTO_TEST_CASE(tls_that_cannot_be_begun_completes_with_the_reason) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        MuteServer server(host);
        TCPClient client(host.loop());
        auto const hollow = client_context();
        auto const elsewhere = std::move(*hollow); // no SSL can be made of what is left
        host.run([&]() -> asio::awaitable<void> {
            auto const [ec, stream] = co_await client.connect("localhost", server.port(),
                                                              with(&ConnectOptions::ssl, hollow),
                                                              asio::as_tuple(asio::use_awaitable));
            BOOST_TEST((ec.category() == asio::error::get_ssl_category()), ec.message());
            co_await host.until(server.left());
        });
        BOOST_TEST(log.count("SSL Error on connection ") == 1);
        BOOST_TEST(log.count("cannot begin TLS") == 1);
        BOOST_TEST(log.lines().size() == 1U);
    });
}

BOOST_AUTO_TEST_CASE(a_delay_that_ends_as_the_handshake_begins_changes_nothing) {
    Host host(true);
    CapturedLog const log;
    TlsServer const server(host);
    ScriptedResolver resolver(host.loop());
    resolver.always = {server.addresses().at(0), Address("::1", 1)};
    TCPClient client(host.loop(), &resolver);
    Events events;
    client.connect("localhost", 443, with(&ConnectOptions::ssl, client_context()), events.on("x"));
    host.context().poll_one();          // hears the answer
    host.context().poll_one();          // begins the attempt, and the delay
    std::this_thread::sleep_for(350ms); // is over when the loop turns again
    host.run([&]() -> asio::awaitable<void> {
        co_await host.until([&] { return events.take() == "x:stream"; });
    });
    BOOST_TEST(log.lines().empty());
}

BOOST_AUTO_TEST_CASE(T173_the_timeout_covers_the_handshake) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        MuteServer server(host);
        TCPClient client(host.loop());
        host.run([&]() -> asio::awaitable<void> {
            auto const [ec, stream] = co_await client.connect(
                "localhost", server.port(),
                with(&ConnectOptions::ssl, client_context(), with(&ConnectOptions::timeout, 50ms)),
                asio::as_tuple(asio::use_awaitable));
            BOOST_TEST(ec == asio::error::timed_out);
            co_await host.until(server.left());
        });
        BOOST_TEST_REQUIRE(log.lines().size() == 1U);
        BOOST_TEST(log.lines()[0] ==
                   "Cannot connect to localhost:" + std::to_string(server.port()) +
                       ", in the TLS handshake with 127.0.0.1:" + std::to_string(server.port()) +
                       ": Connection timed out");
    });
}

BOOST_AUTO_TEST_CASE(a_cancellation_or_close_ends_the_handshake) {
    for (bool const by_close : {false, true})
        on_each_loop([&](Host& host) {
            CapturedLog const log;
            MuteServer server(host);
            TCPClient client(host.loop());
            Events events;
            asio::cancellation_signal signal;
            client.connect("localhost", server.port(), with(&ConnectOptions::ssl, client_context()),
                           asio::bind_cancellation_slot(signal.slot(), events.on("x")));
            host.run([&]() -> asio::awaitable<void> {
                co_await host.until([&] { return server.stats().bytes_in > 0; }); // its hello
                if (by_close)
                    client.close();
                else
                    signal.emit(asio::cancellation_type::partial);
                BOOST_TEST(events.take() == ""); // never inside the call
                co_await host.until([&] { return events.take() == "x!aborted"; });
                co_await host.until(server.left());
            });
            BOOST_TEST(log.lines().empty());
        });
}

BOOST_AUTO_TEST_CASE(a_context_may_be_destroyed_during_the_handshake) {
    auto const held = std::make_shared<int>();
    auto const listener = bind_unused_port().first;
    {
        asio::io_context context;
        TCPClient client(context.get_executor());
        client.connect("127.0.0.1", listener.local_address().port(),
                       with(&ConnectOptions::ssl, client_context()),
                       [held](error_code, IOStreamPtr) { BOOST_ERROR("called"); });
        context.run_for(100ms);
        BOOST_TEST(held.use_count() == 2);
    }
    BOOST_TEST(held.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
