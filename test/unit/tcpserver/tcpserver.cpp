// SPDX-License-Identifier: BSL-1.0
// TCPServer: forms of a handler, its failures, and when the server listens.
#include "tornado/tcpserver.hpp"

#include "tornado/testing.hpp"

#include "support/host.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

using namespace tornado;
using namespace tornado::test;

namespace {

asio::awaitable<void> echo(IOStreamPtr stream) {
    for (;;)
        co_await stream->write(co_await stream->read_until("\n"));
}

void echo_by_callbacks(IOStreamPtr stream) {
    stream->read_until("\n", [stream](error_code ec, std::string line) {
        if (ec)
            return;
        stream->write(std::move(line));
        echo_by_callbacks(stream);
    });
}

struct CoroutineServer : TCPServer {
    using TCPServer::TCPServer;
    asio::awaitable<void> handle_stream(IOStreamPtr stream, Address) override {
        for (;;)
            co_await stream->write(greeting + co_await stream->read_until("\n"));
    }
    std::string greeting = "you said ";
};

struct CallbackServer : TCPServer {
    using TCPServer::TCPServer;
    asio::awaitable<void> handle_stream(IOStreamPtr stream, Address) override {
        echo_by_callbacks(std::move(stream));
        return {};
    }
};

/// Two lines in one packet, a line in two, and the end of both.
void check_dialogue(Host& host, TCPServer& server, std::string const& prefix = "") {
    host.run([&]() -> asio::awaitable<void> {
        Client client(host, server.addresses().at(0));
        BOOST_TEST(co_await client.ask("one\ntwo\n") == prefix + "one\n");
        BOOST_TEST(co_await client.line() == prefix + "two\n");
        client.send("th");
        BOOST_TEST(co_await client.ask("ree\n") == prefix + "three\n");
        client.finish();
        BOOST_TEST(co_await client.rest() == "");
        co_await host.until([&] { return server.stats().active == 0; });
    });
}

/// A server on loopback that does what `line` says when it gets "bad\n", and echoes other lines.
template <class Fail>
TCPServer::StreamHandler failing(Fail fail) {
    return [fail](IOStreamPtr stream, Address) -> asio::awaitable<void> {
        for (;;) {
            auto line = co_await stream->read_until("\n");
            if (line == "bad\n")
                fail(*stream);
            co_await stream->write(std::move(line));
        }
    };
}

/// What is logged when a connection fails while another one is served.
template <class Fail>
std::vector<std::string> log_of_failure(Host& host, Fail fail) {
    CapturedLog const log;
    TCPServer server(host.loop(), failing(fail));
    server.listen(0, "127.0.0.1");
    host.run([&]() -> asio::awaitable<void> {
        Client other(host, server.addresses()[0]);
        BOOST_TEST(co_await other.ask("before\n") == "before\n");
        Client failed(host, server.addresses()[0]);
        failed.send("bad\n");
        BOOST_TEST(co_await failed.rest() == "");
        BOOST_TEST(co_await other.ask("after\n") == "after\n");
        Client next(host, server.addresses()[0]);
        BOOST_TEST(co_await next.ask("next\n") == "next\n");
    });
    return log.lines();
}

} // namespace

BOOST_AUTO_TEST_SUITE(tcpserver)

BOOST_AUTO_TEST_CASE(T147_a_coroutine_override_serves) {
    on_each_loop([](Host& host) {
        CoroutineServer server(host.loop());
        server.listen(0, "127.0.0.1");
        check_dialogue(host, server, "you said ");
    });
}

BOOST_AUTO_TEST_CASE(a_callback_override_returns_nothing_to_wait_for) {
    on_each_loop([](Host& host) {
        CallbackServer server(host.loop());
        server.listen(0, "127.0.0.1");
        check_dialogue(host, server);
    });
}

BOOST_AUTO_TEST_CASE(a_callable_may_return_void) {
    on_each_loop([](Host& host) {
        int calls = 0;
        TCPServer server(host.loop(),
                         [&calls, own = 0](IOStreamPtr const& stream, Address const&) mutable {
                             calls = ++own;
                             echo_by_callbacks(stream);
                         });
        server.listen(0, "127.0.0.1");
        check_dialogue(host, server);
        check_dialogue(host, server);
        BOOST_TEST(calls == 2);
    });
}

BOOST_AUTO_TEST_CASE(a_callable_may_be_a_coroutine) {
    on_each_loop([](Host& host) {
        auto const prefix = std::make_shared<std::string>("> ");
        TCPServer server(
            host.loop(), [prefix](IOStreamPtr stream, Address) -> asio::awaitable<void> {
                for (;;)
                    co_await stream->write(*prefix + co_await stream->read_until("\n"));
            });
        server.listen(0, "127.0.0.1");
        check_dialogue(host, server, "> ");
    });
}

BOOST_AUTO_TEST_CASE(the_default_loop_is_the_current_one) {
    LoopFixture test(30s);
    CallbackServer derived;
    TCPServer given([](IOStreamPtr stream, Address) { return echo(std::move(stream)); });
    derived.listen(0, "127.0.0.1");
    given.listen(0, "127.0.0.1");
    int served = 0;
    test.run([&]() -> asio::awaitable<void> {
        for (auto const* server : {static_cast<TCPServer*>(&derived), &given}) {
            asio::ip::tcp::socket client(test.loop.context());
            client.connect(server->addresses().at(0).tcp_endpoint());
            client.send(asio::buffer("x\n", 2));
            char answer[2];
            served +=
                co_await asio::async_read(client, asio::buffer(answer), asio::use_awaitable) == 2;
        }
    });
    BOOST_TEST(served == 2);
}

BOOST_AUTO_TEST_CASE(the_address_is_the_peers) {
    on_each_loop([](Host& host) {
        TCPServer server(host.loop(), [](IOStreamPtr const& stream, Address const& address) {
            BOOST_TEST(address == stream->remote_address());
            stream->write(address.to_string() + "\n");
        });
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client client(host, server.addresses()[0]);
            BOOST_TEST(co_await client.rest() == client.name().to_string() + "\n");
        });
    });
}

BOOST_AUTO_TEST_CASE(a_stream_that_the_handler_drops_closes) {
    on_each_loop([](Host& host) {
        TCPServer server(host.loop(), [](IOStreamPtr, Address) {});
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client client(host, server.addresses()[0]);
            BOOST_TEST(co_await client.rest() == "");
            BOOST_TEST(server.stats().active == 0U);
        });
    });
}

// ---- Failures

BOOST_AUTO_TEST_CASE(T146_an_exception_of_a_coroutine_is_logged_once) {
    on_each_loop([](Host& host) {
        auto const lines =
            log_of_failure(host, [](IOStream&) { throw std::runtime_error("it broke"); });
        BOOST_TEST_REQUIRE(lines.size() == 1U);
        BOOST_TEST(lines[0].starts_with("Error in connection callback of connection "), lines[0]);
        BOOST_TEST(lines[0].ends_with("): std::runtime_error: it broke"), lines[0]);
    });
}

BOOST_AUTO_TEST_CASE(T146_an_exception_of_any_type_is_logged) {
    on_each_loop([](Host& host) {
        auto const lines = log_of_failure(host, [](IOStream&) { throw 42; });
        BOOST_TEST_REQUIRE(lines.size() == 1U);
        BOOST_TEST(lines[0].ends_with("): int"), lines[0]);
    });
}

BOOST_AUTO_TEST_CASE(T146_an_error_code_that_is_not_the_streams_end_is_logged) {
    on_each_loop([](Host& host) {
        auto const lines = log_of_failure(host, [](IOStream&) {
            throw system_error(asio::error::connection_refused, "upstream");
        });
        BOOST_TEST_REQUIRE(lines.size() == 1U);
        BOOST_TEST(lines[0].find("upstream") != std::string::npos);
    });
}

BOOST_AUTO_TEST_CASE(T146_the_ends_of_two_at_once_are_an_end_and_their_failures_are_not) {
    using namespace asio::experimental::awaitable_operators;
    using Part = std::function<asio::awaitable<void>(IOStreamPtr)>;
    Part const reads = [](IOStreamPtr stream) -> asio::awaitable<void> {
        static_cast<void>(co_await stream->read_until("\n"));
    };
    Part const waits = [](IOStreamPtr) -> asio::awaitable<void> {
        asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
        co_await timer.async_wait(asio::use_awaitable); // until the other has failed
    };
    Part const writes = [](IOStreamPtr stream) -> asio::awaitable<void> {
        for (;;) { // until the stream has ended
            co_await stream->write("tick\n");
            co_await asio::post(stream->get_executor(), asio::use_awaitable);
        }
    };
    Part const breaks = [](IOStreamPtr stream) -> asio::awaitable<void> {
        static_cast<void>(co_await stream->read_until("\n", asio::as_tuple(asio::use_awaitable)));
        throw std::runtime_error("it broke");
    };
    on_each_loop([&](Host& host) {
        struct Case {
            Part a, b;
            std::string logged;
        };
        for (auto const& [a, b, logged] :
             {Case{reads, waits, ""}, Case{waits, reads, ""}, Case{reads, writes, ""},
              Case{writes, reads, ""}, Case{breaks, writes, "std::runtime_error: it broke"},
              Case{breaks, waits, "std::runtime_error: it broke"}}) {
            CapturedLog const log;
            auto const running = std::make_shared<int>();
            TCPServer server(host.loop(),
                             [&, a = a, b = b, held = std::weak_ptr(running)](
                                 IOStreamPtr stream, Address) -> asio::awaitable<void> {
                                 auto const here = held.lock();
                                 co_await (a(stream) && b(stream));
                             });
            server.listen(0, "127.0.0.1");
            host.run([&]() -> asio::awaitable<void> {
                {
                    Client const client(host, server.addresses()[0]);
                    co_await host.until([&] { return running.use_count() == 2; });
                }
                co_await host.until(
                    [&] { return running.use_count() == 1 && server.stats().active == 0; });
                for (int turn = 0; turn != 3; ++turn) // what is left to say is said
                    co_await asio::post(host.context(), asio::use_awaitable);
            });
            if (logged.empty())
                BOOST_TEST(log.lines().empty());
            for (auto const& line : log.lines())
                BOOST_TEST(line.find("multiple_exceptions: the first is " + logged) !=
                               std::string::npos,
                           line);
            BOOST_TEST(log.lines().size() == (logged.empty() ? 0u : 1u));
        }
    });
}

BOOST_AUTO_TEST_CASE(T146_a_cancellation_of_another_operation_is_logged_after_the_end_too) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        TCPServer server(host.loop(), [](IOStreamPtr stream, Address) -> asio::awaitable<void> {
            co_await stream->read_until("\n", asio::as_tuple(asio::use_awaitable));
            throw system_error(asio::error::operation_aborted, "upstream");
        });
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            {
                Client const client(host, server.addresses()[0]);
                co_await host.until([&] { return server.stats().active == 1; });
            }
            co_await host.until([&] { return !log.lines().empty(); });
        });
        BOOST_TEST_REQUIRE(log.lines().size() == 1u);
        BOOST_TEST(log.lines()[0].find("upstream") != std::string::npos);
    });
}

BOOST_AUTO_TEST_CASE(T148_an_exception_of_a_function_is_logged_once) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        bool fail = true;
        TCPServer server(host.loop(), [&](IOStreamPtr stream, Address) {
            if (std::exchange(fail, false))
                throw std::runtime_error("it broke");
            echo_by_callbacks(std::move(stream));
        });
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client failed(host, server.addresses()[0]);
            Client next(host, server.addresses()[0]); // waits in the same batch
            BOOST_TEST(co_await failed.rest() == "");
            BOOST_TEST(co_await next.ask("next\n") == "next\n");
            next.close();
            co_await host.until([&] { return server.stats().active == 0; });
        });
        BOOST_TEST_REQUIRE(log.lines().size() == 1U);
        BOOST_TEST(log.lines()[0].ends_with("): std::runtime_error: it broke"), log.lines()[0]);
        BOOST_TEST(server.stats().accepted == 2U);
    });
}

BOOST_AUTO_TEST_CASE(T146_a_failed_connection_is_closed_although_others_hold_its_stream) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        std::vector<IOStreamPtr> kept;
        TCPServer server(host.loop(), [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
            kept.push_back(stream);
            co_await stream->read_until("\n");
            throw std::logic_error("wrong");
        });
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client client(host, server.addresses()[0]);
            client.send("x\n");
            BOOST_TEST(co_await client.rest() == "");
        });
        BOOST_TEST(kept.at(0)->closed());
        BOOST_TEST(log.count("std::logic_error: wrong") == 1);
    });
}

BOOST_AUTO_TEST_CASE(T146_the_end_of_a_stream_is_no_error) {
    on_each_loop([](Host& host) {
        BOOST_TEST(log_of_failure(host, [](IOStream& stream) { stream.close(); }).empty());
        BOOST_TEST(log_of_failure(host, [](IOStream& stream) {
                       stream.close(asio::error::host_unreachable);
                   }).empty());
        // The end of another stream, while its own is open, is one.
        BOOST_TEST(
            !log_of_failure(host, [](IOStream&) { throw system_error(asio::error::eof); }).empty());
        CapturedLog const log;
        TCPServer server(host.loop(),
                         [](IOStreamPtr stream, Address) { return echo(std::move(stream)); });
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client eof(host, server.addresses()[0]);
            Client reset(host, server.addresses()[0]);
            BOOST_TEST(co_await eof.ask("x\n") == "x\n");
            BOOST_TEST(co_await reset.ask("x\n") == "x\n");
            eof.close();
            reset.reset();
            co_await host.until([&] { return server.stats().active == 0; });
        });
        BOOST_TEST(log.lines().empty());
    });
}

BOOST_AUTO_TEST_CASE(a_server_without_a_handler_says_so) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        TCPServer server(host.loop());
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client client(host, server.addresses()[0]);
            BOOST_TEST(co_await client.rest() == "");
        });
        BOOST_TEST(log.count("std::logic_error: TCPServer::handle_stream is not overridden") == 1);
    });
}

BOOST_AUTO_TEST_CASE(T149_a_slow_coroutine_holds_nobody_up) {
    on_each_loop([](Host& host) {
        asio::steady_timer never(host.context(), asio::steady_timer::time_point::max());
        bool slow = true;
        TCPServer server(host.loop(), [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
            if (std::exchange(slow, false))
                co_await never.async_wait(asio::as_tuple(asio::use_awaitable));
            co_await echo(std::move(stream));
        });
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client first(host, server.addresses()[0]);
            first.send("first\n");
            Client second(host, server.addresses()[0]);
            BOOST_TEST(co_await second.ask("second\n") == "second\n");
            BOOST_TEST(server.stats().active == 2U);
            never.cancel();
            BOOST_TEST(co_await first.line() == "first\n");
        });
    });
}

// ---- Listening

BOOST_AUTO_TEST_CASE(T150_stop_twice) {
    on_each_loop([](Host& host) {
        CallbackServer server(host.loop());
        server.listen(0, "127.0.0.1");
        auto const address = server.addresses().at(0);
        server.stop();
        server.stop();
        BOOST_TEST(server.addresses().empty());
        BOOST_TEST(is_refused(host, address));
    });
}

BOOST_AUTO_TEST_CASE(T151_stop_in_a_handler_ends_the_batch) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        std::vector<IOStreamPtr> streams;
        TCPServer* own = nullptr;
        TCPServer server(host.loop(), [&](IOStreamPtr stream, Address) {
            streams.push_back(std::move(stream));
            own->stop();
            own->stop();
        });
        own = &server;
        server.listen(0, "127.0.0.1");
        auto const address = server.addresses()[0];
        host.run([&]() -> asio::awaitable<void> {
            Client first(host, address), second(host, address), third(host, address);
            BOOST_TEST(co_await second.rest() == "");
            BOOST_TEST(co_await third.rest() == "");
            BOOST_TEST_REQUIRE(streams.size() == 1U);
            BOOST_TEST(!streams[0]->closed());
            BOOST_TEST(is_refused(host, address));
        });
        BOOST_TEST(log.lines().empty());
    });
}

BOOST_AUTO_TEST_CASE(T152_stop_leaves_live_connections_alone) {
    on_each_loop([](Host& host) {
        CoroutineServer server(host.loop());
        server.listen(0, "127.0.0.1");
        auto const address = server.addresses()[0];
        host.run([&]() -> asio::awaitable<void> {
            Client client(host, address);
            BOOST_TEST(co_await client.ask("a\n") == "you said a\n");
            server.stop();
            BOOST_TEST(is_refused(host, address));
            BOOST_TEST(co_await client.ask("b\n") == "you said b\n");
            BOOST_TEST(server.stats().active == 1U);
        });
    });
}

BOOST_AUTO_TEST_CASE(T153_listen_as_often_as_you_like) {
    on_each_loop([](Host& host) {
        CallbackServer server(host.loop());
        server.listen(0, "127.0.0.1");
        server.listen(0, "127.0.0.1");
        auto const addresses = server.addresses();
        BOOST_TEST_REQUIRE(addresses.size() == 2U);
        BOOST_TEST(addresses[0].port() != addresses[1].port());
        host.run([&]() -> asio::awaitable<void> {
            for (auto const& address : addresses) {
                Client client(host, address);
                BOOST_TEST(co_await client.ask("x\n") == "x\n");
            }
        });
    });
}

BOOST_AUTO_TEST_CASE(T153_bind_waits_for_start) {
    on_each_loop([](Host& host) {
        CallbackServer server(host.loop());
        server.bind(0, "127.0.0.1");
        auto const bound = server.addresses().at(0);
        server.listen(0, "127.0.0.1");
        auto const listening = server.addresses().at(0);
        BOOST_TEST(listening.port() != bound.port());
        host.run([&]() -> asio::awaitable<void> {
            Client waiting(host, bound);
            waiting.send("x\n");
            Client served(host, listening);
            BOOST_TEST(co_await served.ask("y\n") == "y\n");
            BOOST_TEST(server.stats().accepted == 1U);
            server.start();
            BOOST_TEST(co_await waiting.line() == "x\n");

            server.bind(0, "127.0.0.1");
            Client late(host, server.addresses().at(2));
            BOOST_TEST(co_await late.ask("z\n") == "z\n");
        });
        BOOST_CHECK_THROW(server.start(), std::logic_error);
    });
}

BOOST_AUTO_TEST_CASE(T153_stop_ends_what_was_bound_and_not_started) {
    on_each_loop([](Host& host) {
        CallbackServer server(host.loop());
        server.bind(0, "127.0.0.1");
        auto const address = server.addresses().at(0);
        server.stop();
        BOOST_TEST(is_refused(host, address));
        server.start();
        BOOST_TEST(server.addresses().empty());
    });
}

BOOST_AUTO_TEST_CASE(T154_port_0_becomes_a_real_port_on_every_address) {
    on_each_loop([](Host& host) {
        CallbackServer server(host.loop());
        server.listen(0);
        auto const addresses = server.addresses();
        BOOST_TEST_REQUIRE(!addresses.empty());
        for (auto const& address : addresses) {
            BOOST_TEST(address.port() != 0);
            BOOST_TEST(address.port() == addresses[0].port());
        }
        host.run([&]() -> asio::awaitable<void> {
            Client client(host, Address("127.0.0.1", addresses[0].port()));
            BOOST_TEST(co_await client.ask("x\n") == "x\n");
        });
    });
}

BOOST_AUTO_TEST_CASE(listen_says_what_failed_and_leaves_the_server_as_it_was) {
    on_each_loop([](Host& host) {
        CallbackServer server(host.loop());
        server.listen(0, "127.0.0.1");
        auto const port = server.addresses()[0].port();
        try {
            server.listen(port, "127.0.0.1");
            BOOST_ERROR("bound twice");
        } catch (system_error const& e) {
            BOOST_TEST(std::string(e.what()).find(std::to_string(port)) != std::string::npos);
        }
        BOOST_CHECK_THROW(server.listen(70'000), std::invalid_argument);
        BOOST_CHECK_THROW(server.bind(-1), std::invalid_argument);
        BOOST_TEST(server.addresses().size() == 1U);
        check_dialogue(host, server);
    });
}

BOOST_AUTO_TEST_CASE(T158_listen_after_stop_and_stop_again) {
    on_each_loop([](Host& host) {
        CallbackServer server(host.loop());
        server.listen(0, "127.0.0.1");
        server.stop();
        server.listen(0, "127.0.0.1");
        auto const address = server.addresses().at(0);
        check_dialogue(host, server);
        server.stop();
        BOOST_TEST(is_refused(host, address));
    });
}

BOOST_AUTO_TEST_CASE(T161_limits_reach_every_stream) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        TCPServerOptions options;
        options.read_chunk_size = 10;
        options.max_buffer_size = 100;
        options.max_write_buffer_size = 20;
        options.half_close = true;
        TCPServer server(
            host.loop(),
            [](IOStreamPtr stream, Address) -> asio::awaitable<void> {
                auto const chunk = co_await stream->read_bytes(1000, true);
                auto const rest = co_await stream->read_until_close();
                BOOST_TEST(!stream->closed());
                BOOST_CHECK_THROW(stream->write(std::string(21, 'x')), system_error);
                co_await stream->write(std::to_string(chunk.size()) + " " +
                                       std::to_string(rest.size()));
            },
            options);
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            for (int i = 0; i < 2; ++i) {
                Client client(host, server.addresses()[0]);
                client.send(std::string(60, 'a'));
                client.finish();
                BOOST_TEST(co_await client.rest() == "10 50");
            }
            BOOST_TEST(log.lines().empty());
            Client greedy(host, server.addresses()[0]);
            greedy.send(std::string(200, 'a'));
            BOOST_TEST(co_await greedy.rest() == "");
        });
        BOOST_TEST(log.count("Reached maximum read buffer size") == 1);
    });
}

BOOST_AUTO_TEST_CASE(two_servers_share_a_port_by_reuse_port) {
    on_each_loop([](Host& host) {
        CallbackServer first(host.loop());
        CallbackServer second(host.loop());
        ListenOptions options;
        options.reuse_port = true;
        first.listen(0, "127.0.0.1", options);
        auto const address = first.addresses()[0];
        second.listen(address.port(), "127.0.0.1", options);
        host.run([&]() -> asio::awaitable<void> {
            for (int i = 0; i < 64; ++i) {
                Client client(host, address);
                BOOST_TEST(co_await client.ask("x\n") == "x\n");
            }
        });
        BOOST_TEST(first.stats().accepted + second.stats().accepted == 64U);
        BOOST_TEST(first.stats().accepted != 0U);
        BOOST_TEST(second.stats().accepted != 0U);
        host.run([&] {
            return host.until([&] { return first.stats().active + second.stats().active == 0; });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_unix_socket_is_served_like_a_port) {
    on_each_loop([](Host& host) {
        auto const path = "/tmp/tornado-tcpserver-" + std::to_string(::getpid());
        CallbackServer server(host.loop());
        server.add_socket(bind_unix_socket(path));
        BOOST_TEST(server.addresses().at(0).path() == path);
        check_dialogue(host, server);
        server.stop();
        ::unlink(path.c_str());
    });
}

BOOST_AUTO_TEST_CASE(add_sockets_takes_what_bind_sockets_made) {
    on_each_loop([](Host& host) {
        CallbackServer server(host.loop());
        server.add_sockets(bind_sockets(0, "127.0.0.1"));
        check_dialogue(host, server);
    });
}

// ---- Figures and options

BOOST_AUTO_TEST_CASE(stats_count_open_and_ended_connections) {
    on_each_loop([](Host& host) {
        CoroutineServer server(host.loop());
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client first(host, server.addresses()[0]);
            Client second(host, server.addresses()[0]);
            co_await first.ask("12345\n");
            co_await second.ask("1\n");
            auto stats = server.stats();
            BOOST_TEST(stats.accepted == 2U);
            BOOST_TEST(stats.active == 2U);
            BOOST_TEST(stats.bytes_in == 8U);
            BOOST_TEST(stats.bytes_out == 8U + 2 * server.greeting.size());
            first.close();
            co_await host.until([&] { return server.stats().active == 1; });
            stats = server.stats();
            BOOST_TEST(stats.accepted == 2U);
            BOOST_TEST(stats.bytes_in == 8U);
            BOOST_TEST(stats.bytes_out == 8U + 2 * server.greeting.size());
            BOOST_TEST(stats.rejected == 0U);
            BOOST_TEST(stats.accept_errors == 0U);
        });
    });
}

BOOST_AUTO_TEST_CASE(options_without_sense_throw) {
    IOLoop loop;
    TCPServerOptions options;
    for (auto const timeout : {0ms, -1ms}) {
        options.idle_timeout = timeout;
        BOOST_CHECK_THROW(TCPServer(loop, options), std::invalid_argument);
    }
    options = {};
    options.max_connections = 0;
    BOOST_CHECK_THROW(TCPServer(loop, options), std::invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
