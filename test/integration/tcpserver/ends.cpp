// SPDX-License-Identifier: BSL-1.0
// How a server ends: shutdown, and the destruction of any part at any moment.
#include "tornado/tcpserver.hpp"
#include "tornado/testing.hpp"

#include "support/echo.hpp"
#include "support/events.hpp"
#include "support/host.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace tornado;
using namespace tornado::test;

namespace {

/// A server whose handler is a function, and a few clients that it serves.
struct Served {
    explicit Served(Host& on, std::size_t clients_wanted = 1,
                    TCPServer::StreamHandler handler = echo)
        : host(on), server(std::make_unique<TCPServer>(on.loop(), std::move(handler))) {
        server->listen(0, "127.0.0.1");
        address = server->addresses()[0];
        while (clients.size() < clients_wanted)
            clients.emplace_back(host, address);
    }

    asio::awaitable<void> check_all() {
        for (auto& client : clients)
            BOOST_TEST(co_await client.ask("hello\n") == "hello\n");
    }
    auto none_active() {
        return host.until([this] { return server->stats().active == 0; });
    }

    Host& host;
    std::unique_ptr<TCPServer> server;
    Address address;
    std::deque<Client> clients;
};

} // namespace

BOOST_AUTO_TEST_SUITE(tcpserver_ends)

BOOST_AUTO_TEST_CASE(a_handler_that_close_after_flush_ends_does_not_cut_it_short) {
    on_each_loop([](Host& host) {
        constexpr std::size_t size = 20'000'000; // more than the kernel takes at once
        Served s(host, 1, [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
            stream->write(std::string(size, 'x'));
            host.loop().add_callback([stream] { stream->close_after_flush(); });
            co_await stream->read_until("\n"); // fails with the close, and ends this coroutine
        });
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST((co_await s.clients[0].rest()).size() == size);
        });
    });
}

// ---- shutdown

BOOST_AUTO_TEST_CASE(shutdown_of_a_server_without_connections) {
    on_each_loop([](Host& host) {
        Served s(host, 0);
        Events events;
        s.server->shutdown(1h, events.on("end"));
        BOOST_TEST(events.take() == ""); // never inside the call
        BOOST_TEST(is_refused(host, s.address));
        host.run(
            [&]() -> asio::awaitable<void> { BOOST_TEST(co_await s.server->shutdown(0s) == 0U); });
        BOOST_TEST(events.take() == "end:0");
    });
}

BOOST_AUTO_TEST_CASE(shutdown_waits_for_connections_that_end_by_themselves) {
    on_each_loop([](Host& host) {
        Served s(host, 2);
        Events events;
        host.run([&]() -> asio::awaitable<void> {
            co_await s.check_all();
            s.server->shutdown(TCPServer::clock::duration::max(), events.on("end"));
            BOOST_TEST(is_refused(host, s.address));
            co_await s.check_all();
            s.clients.pop_back();
            co_await host.until([&] { return s.server->stats().active == 1; });
            co_await s.check_all();
            BOOST_TEST(events.take() == "");
            s.clients.clear();
            co_await s.none_active();
        });
        host.check_no_work();
        host.run([&]() -> asio::awaitable<void> {
            co_await asio::post(host.context(), asio::use_awaitable);
        });
        BOOST_TEST(events.take() == "end:0");
    });
}

BOOST_AUTO_TEST_CASE(shutdown_forces_the_rest_and_counts_it) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        Served s(host, 3);
        host.run([&]() -> asio::awaitable<void> {
            co_await s.check_all();
            auto const begin = std::chrono::steady_clock::now();
            s.clients.pop_back();
            BOOST_TEST(co_await s.server->shutdown(40ms) == 2U);
            BOOST_CHECK(std::chrono::steady_clock::now() - begin >= 40ms);
            BOOST_TEST(s.server->stats().active == 0U);
            for (auto& client : s.clients)
                BOOST_TEST(co_await client.rest() == "");
        });
        BOOST_TEST(log.lines().empty());
    });
}

BOOST_AUTO_TEST_CASE(shutdown_forces_streams_that_are_closing_in_peace) {
    on_each_loop([](Host& host) {
        Served s(host, 1, [](IOStreamPtr stream, Address) -> asio::awaitable<void> {
            stream->write("bye\n");
            stream->close_after_flush(1h);
            return {};
        });
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await s.clients[0].rest() == "bye\n"); // and the client keeps its side
            BOOST_TEST(s.server->stats().active == 1U);
            BOOST_TEST(co_await s.server->shutdown(0s) == 1U);
            BOOST_TEST(s.server->stats().active == 0U);
        });
    });
}

BOOST_AUTO_TEST_CASE(shutdown_ends_a_handler_that_keeps_its_stream_forever) {
    on_each_loop([](Host& host) {
        std::vector<IOStreamPtr> kept;
        Served s(host, 2, [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
            kept.push_back(std::move(stream));
            return {};
        });
        host.run([&]() -> asio::awaitable<void> {
            co_await host.until([&] { return kept.size() == 2; });
            s.clients.pop_back();
            BOOST_TEST(co_await s.server->shutdown(10ms) == 2U);
        });
        for (auto const& stream : kept)
            BOOST_TEST(stream->closed());
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_shutdown_closes_nothing) {
    on_each_loop([](Host& host) {
        Served s(host);
        Events events;
        asio::cancellation_signal signal;
        host.run([&]() -> asio::awaitable<void> {
            co_await s.check_all();
            s.server->shutdown(1h, asio::bind_cancellation_slot(signal.slot(), events.on("end")));
            signal.emit(asio::cancellation_type::terminal);
            signal.emit(asio::cancellation_type::terminal);
            BOOST_TEST(events.take() == ""); // never inside the call
            co_await s.check_all();
            BOOST_TEST(events.take() == "end!aborted");
            BOOST_TEST(!signal.slot().has_handler());
            BOOST_TEST(s.server->stats().active == 1U);
            BOOST_TEST(is_refused(host, s.address));
            BOOST_TEST(co_await s.server->shutdown(0s) == 1U);
        });
    });
}

BOOST_AUTO_TEST_CASE(two_shutdowns_at_a_time) {
    on_each_loop([](Host& host) {
        Served s(host, 2);
        Events events;
        host.run([&]() -> asio::awaitable<void> {
            co_await s.check_all();
            s.server->shutdown(1h, events.on("patient"));
            BOOST_TEST(co_await s.server->shutdown(10ms) == 2U);
            co_await asio::post(host.context(), asio::use_awaitable);
            BOOST_TEST(events.take() == "patient:0");
        });
    });
}

BOOST_AUTO_TEST_CASE(T158_a_server_listens_again_after_a_shutdown) {
    on_each_loop([](Host& host) {
        Served s(host);
        host.run([&]() -> asio::awaitable<void> {
            co_await s.check_all();
            BOOST_TEST(co_await s.server->shutdown(0s) == 1U);
            s.server->listen(0, "127.0.0.1");
            Client client(host, s.server->addresses().at(0));
            BOOST_TEST(co_await client.ask("again\n") == "again\n");
        });
    });
}

// Its end and its deadline may be due in the same turn: a connection that came since is none of its
// business.
BOOST_AUTO_TEST_CASE(a_shutdown_that_has_ended_closes_nothing_more) {
    on_each_loop([](Host& host) {
        Served s(host);
        Events events;
        host.run([&]() -> asio::awaitable<void> {
            co_await s.check_all();
            asio::steady_timer due(host.context());
            auto const deadline = std::chrono::steady_clock::now() + 20ms;
            due.expires_at(deadline - 1ms);
            s.server->shutdown(20ms, events.on("end"));
            co_await due.async_wait(asio::use_awaitable);
            s.clients.clear();
            while (std::chrono::steady_clock::now() < deadline + 5ms) // the loop is kept away
                ;
            s.server->listen(0, "127.0.0.1");
            Client client(host, s.server->addresses()[0]);
            BOOST_TEST(co_await client.ask("x\n") == "x\n");
            BOOST_TEST(events.take().starts_with("end:"));
            BOOST_TEST(co_await client.ask("y\n") == "y\n");
        });
    });
}

BOOST_AUTO_TEST_CASE(a_shutdown_outlasts_its_server) {
    on_each_loop([](Host& host) {
        Served s(host);
        Events events;
        host.run([&]() -> asio::awaitable<void> {
            co_await s.check_all();
            s.server->shutdown(1h, events.on("end"));
            s.server.reset();
            co_await s.check_all();
            BOOST_TEST(events.take() == "");
            s.clients.clear();
            std::string seen;
            co_await host.until([&] { return !(seen = events.take()).empty(); });
            BOOST_TEST(seen == "end:0");
        });
    });
}

BOOST_AUTO_TEST_CASE(a_handler_may_shut_its_server_down) {
    on_each_loop([](Host& host) {
        TCPServer* own = nullptr;
        std::optional<std::size_t> forced;
        Served s(host, 2, [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
            co_await stream->read_until("\n");
            forced = co_await own->shutdown(10ms);
        });
        own = s.server.get();
        host.run([&]() -> asio::awaitable<void> {
            s.clients[0].send("quit\n");
            BOOST_TEST(co_await s.clients[1].rest() == "");
            co_await host.until([&] { return forced.has_value(); });
            BOOST_TEST(*forced == 2U); // its own among them
        });
    });
}

// ---- Destruction

BOOST_AUTO_TEST_CASE(a_server_goes_before_its_connections) {
    on_each_loop([](Host& host) {
        auto token = std::make_shared<std::string>("> ");
        std::weak_ptr const watch = token;
        Served s(host, 2,
                 [token = std::move(token)](IOStreamPtr stream, Address) -> asio::awaitable<void> {
                     for (;;)
                         co_await stream->write(*token + co_await stream->read_until("\n"));
                 });
        host.run([&]() -> asio::awaitable<void> {
            for (auto& client : s.clients)
                BOOST_TEST(co_await client.ask("x\n") == "> x\n");
            s.server.reset();
            BOOST_TEST(is_refused(host, s.address));
            s.clients.pop_back();
            BOOST_TEST(co_await s.clients[0].ask("y\n") == "> y\n");
            BOOST_TEST(!watch.expired());
            s.clients.clear();
            co_await host.until([&] { return watch.expired(); });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_handler_outlives_its_server_and_its_stream) {
    on_each_loop([](Host& host) {
        auto token = std::make_shared<int>(1);
        std::weak_ptr const watch = token;
        asio::steady_timer late(host.context(), asio::steady_timer::time_point::max());
        Served s(host, 1,
                 [token = std::move(token), &late](IOStreamPtr stream,
                                                   Address) -> asio::awaitable<void> {
                     stream->close();
                     stream = nullptr;
                     co_await late.async_wait(asio::as_tuple(asio::use_awaitable));
                     ++*token;
                 });
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await s.clients[0].rest() == "");
            s.server.reset();
            BOOST_TEST(!watch.expired());
            late.cancel();
            co_await host.until([&] { return watch.expired(); });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_server_goes_inside_its_own_handler) {
    on_each_loop([](Host& host) {
        std::unique_ptr<TCPServer>* own = nullptr;
        int calls = 0;
        Served s(host, 3, [&](IOStreamPtr stream, Address address) {
            ++calls;
            own->reset();
            return echo(std::move(stream), std::move(address));
        });
        own = &s.server;
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await s.clients[0].ask("x\n") == "x\n");
            BOOST_TEST(co_await s.clients[1].rest() == "");
            BOOST_TEST(co_await s.clients[2].rest() == "");
            s.clients.clear();
            co_await asio::post(host.context(), asio::use_awaitable);
        });
        BOOST_TEST(calls == 1);
        host.run([&]() -> asio::awaitable<void> {
            co_await asio::post(host.context(), asio::use_awaitable);
        });
    });
}

BOOST_AUTO_TEST_CASE(a_server_goes_inside_a_coroutine_of_its_own) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        std::unique_ptr<TCPServer>* own = nullptr;
        Served s(host, 2, [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
            auto line = co_await stream->read_until("\n");
            own->reset();
            co_await stream->write(std::move(line));
            throw std::runtime_error("at the end");
        });
        own = &s.server;
        host.run([&]() -> asio::awaitable<void> {
            s.clients[0].send("x\n");
            BOOST_TEST(co_await s.clients[0].rest() == "x\n");
            s.clients[1].send("y\n");
            BOOST_TEST(co_await s.clients[1].rest() == "y\n");
        });
        BOOST_TEST(log.count("at the end") == 2);
    });
}

BOOST_AUTO_TEST_CASE(a_context_goes_with_everything_on_it) {
    for (bool const foreign : {false, true})
        for (bool const loop_holds_the_server : {false, true}) {
            auto token = std::make_shared<int>();
            std::weak_ptr const watch = token;
            std::size_t arrived = 0;
            {
                Host host(foreign);
                std::deque<Client> clients;
                TCPServer* own = nullptr;
                TCPServerOptions options;
                options.idle_timeout = 1h;
                options.max_connections = 6;
                auto server = std::make_shared<TCPServer>(
                    host.loop(),
                    [&, token](IOStreamPtr stream, Address) -> asio::awaitable<void> {
                        auto const hold = token;
                        asio::steady_timer timer(stream->get_executor(), 1h);
                        switch (++arrived) {
                        case 1:
                            co_await stream->read_until("\n");
                            break;
                        case 2:
                            co_await timer.async_wait(asio::deferred);
                            break;
                        case 3:
                            stream->write(std::string(1 << 24, 'x'));
                            stream->close_after_flush(1h);
                            break;
                        case 4:
                            for (;;)
                                co_await stream->write(std::string(1 << 20, 'x'));
                        case 5:
                            stream->read_until("\n", [hold, stream](error_code, std::string) {});
                            stream->set_close_callback([hold, stream] {});
                            break;
                        default:
                            co_await own->shutdown(1h);
                        }
                    },
                    options);
                own = server.get();
                server->listen(0, "127.0.0.1");
                while (clients.size() < 6)
                    clients.emplace_back(host, server->addresses()[0]);
                host.run([&] { return host.until([&] { return arrived == 6; }); });
                BOOST_TEST(server->stats().active == 6U);
                server->shutdown(1h, [token = std::move(token)](error_code, std::size_t) {});
                server->listen(0, "127.0.0.1");
                clients.emplace_back(host, server->addresses()[0]); // waits: the server is full
                host.run([&]() -> asio::awaitable<void> {
                    co_await asio::post(host.context(), asio::use_awaitable);
                });
                if (loop_holds_the_server)
                    host.loop().call_later(1h, [server] {});
            }
            BOOST_TEST(arrived == 6U);
            BOOST_TEST(watch.expired(), "something was not released");
        }
}

BOOST_AUTO_TEST_SUITE_END()
