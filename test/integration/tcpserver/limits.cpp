// SPDX-License-Identifier: BSL-1.0
// A server at its limits: connections, idle peers, descriptors.
#include "tornado/shared_acceptor.hpp"
#include "tornado/tcpserver.hpp"
#include "tornado/testing.hpp"

#include "support/echo.hpp"
#include "support/host.hpp"

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <deque>
#include <fcntl.h>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

using namespace tornado;
using namespace tornado::test;

namespace {

/// Leaves this process without a free descriptor; restores the limit at the end.
class NoDescriptors {
public:
    NoDescriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        int const lowest_free = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::close(lowest_free);
        rlimit const none{static_cast<rlim_t>(lowest_free), before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &none);
    }
    ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

TCPServerOptions at_most(std::size_t connections) {
    TCPServerOptions options;
    options.max_connections = connections;
    return options;
}

TCPServerOptions idle_after(TCPServerOptions::clock::duration timeout) {
    TCPServerOptions options;
    options.idle_timeout = timeout;
    return options;
}

} // namespace

BOOST_AUTO_TEST_SUITE(tcpserver_limits)

// ---- max_connections

BOOST_AUTO_TEST_CASE(max_connections_pauses_and_resumes) {
    on_each_loop([](Host& host) {
        TCPServer server(host.loop(), echo, at_most(2));
        server.listen(0, "127.0.0.1");
        server.listen(0, "127.0.0.1");
        auto const addresses = server.addresses();
        host.run([&]() -> asio::awaitable<void> {
            Client first(host, addresses[0]);
            BOOST_TEST(co_await first.ask("1\n") == "1\n");
            Client second(host, addresses[1]);
            BOOST_TEST(co_await second.ask("2\n") == "2\n");
            Client third(host, addresses[0]);
            third.send("3\n");
            Client fourth(host, addresses[1]);
            fourth.send("4\n");
            BOOST_TEST(co_await first.ask("1\n") == "1\n");
            BOOST_TEST(server.stats().accepted == 2U);

            first.close();
            co_await host.until([&] { return server.stats().accepted == 3; });
            BOOST_TEST(co_await second.ask("2\n") == "2\n");
            BOOST_TEST(server.stats().active == 2U);
            second.close();
            BOOST_TEST(co_await third.line() == "3\n");
            BOOST_TEST(co_await fourth.line() == "4\n");
            BOOST_TEST(server.stats().accepted == 4U);
        });
    });
}

BOOST_AUTO_TEST_CASE(max_connections_holds_within_a_batch) {
    on_each_loop([](Host& host) {
        TCPServer* own = nullptr;
        std::size_t most = 0;
        TCPServer server(
            host.loop(),
            [&](IOStreamPtr stream, Address address) {
                most = std::max(most, own->stats().active);
                return echo(std::move(stream), std::move(address));
            },
            at_most(3));
        own = &server;
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            std::deque<Client> clients;
            for (int i = 0; i < 20; ++i)
                clients.emplace_back(host, server.addresses()[0]).send("x\n");
            for (auto& client : clients) { // they are accepted in the order in which they came
                BOOST_TEST(co_await client.line() == "x\n");
                client.close();
            }
            co_await host.until([&] { return server.stats().active == 0; });
        });
        BOOST_TEST(most == 3U);
    });
}

BOOST_AUTO_TEST_CASE(sockets_added_to_a_full_server_wait) {
    on_each_loop([](Host& host) {
        TCPServer server(host.loop(), echo, at_most(1));
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client first(host, server.addresses()[0]);
            BOOST_TEST(co_await first.ask("1\n") == "1\n");
            server.listen(0, "127.0.0.1");
            Client second(host, server.addresses()[1]);
            second.send("2\n");
            BOOST_TEST(co_await first.ask("1\n") == "1\n");
            BOOST_TEST(server.stats().accepted == 1U);
            first.close();
            BOOST_TEST(co_await second.line() == "2\n");
        });
    });
}

// ---- idle_timeout

BOOST_AUTO_TEST_CASE(an_idle_connection_is_closed_with_timed_out) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        auto const timeout = 40ms;
        error_code cause;
        TCPServer server(
            host.loop(),
            [&](IOStreamPtr const& stream, Address const&) {
                stream->set_close_callback([&, stream] { cause = stream->error(); });
            },
            idle_after(timeout));
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            for (int i = 0; i < 2; ++i) { // the second when no sweep is under way any more
                Client client(host, server.addresses()[0]);
                auto const begin = std::chrono::steady_clock::now();
                cause = {};
                BOOST_TEST(co_await client.rest() == "");
                BOOST_CHECK(std::chrono::steady_clock::now() - begin >= timeout);
                BOOST_TEST(cause == asio::error::timed_out);
                BOOST_TEST(server.stats().active == 0U);
            }
        });
        server.stop();
        host.check_no_work();
        BOOST_TEST(log.lines().empty());
    });
}

BOOST_AUTO_TEST_CASE(T146_an_idle_coroutine_ends_without_an_error) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        TCPServer server(host.loop(), echo, idle_after(20ms));
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client client(host, server.addresses()[0]);
            BOOST_TEST(co_await client.rest() == "");
        });
        BOOST_TEST(log.lines().empty());
    });
}

BOOST_AUTO_TEST_CASE(traffic_in_either_direction_keeps_a_connection) {
    on_each_loop([](Host& host) {
        IOStreamPtr giver;
        TCPServer server(
            host.loop(),
            [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
                auto const kind = co_await stream->read_until("\n");
                if (kind == "give\n")
                    giver = stream;
                else
                    while (kind == "take\n")
                        co_await stream->read_bytes(1);
                co_await stream->read_until_close();
            },
            idle_after(60ms));
        server.listen(0, "127.0.0.1");
        auto const address = server.addresses()[0];
        host.run([&]() -> asio::awaitable<void> {
            Client sender(host, address);
            Client receiver(host, address);
            sender.send("take\n");
            receiver.send("give\n");
            co_await host.until([&] { return giver != nullptr; });
            for (int i = 0; i < 3; ++i) { // each lives longer than half of what an idle one may
                Client idle(host, address);
                co_await host.until([&] { return server.stats().active == 3; });
                co_await host.until([&] {
                    giver->write("x\n");
                    sender.send("x");
                    return server.stats().active < 3;
                });
                BOOST_TEST(co_await idle.rest() == "");
                BOOST_TEST(server.stats().active == 2U);
            }
            BOOST_TEST(!giver->closed());
            BOOST_TEST(co_await receiver.line() == "x\n");
            BOOST_TEST(co_await receiver.rest() != ""); // silence closes this one too
            BOOST_TEST(giver->error() == asio::error::timed_out);
            co_await host.until([&] { return server.stats().active == 0; });
        });
    });
}

// ---- Descriptors

BOOST_AUTO_TEST_CASE(T189_an_ended_connection_resumes_accepting_at_once) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        TCPServer server(host.loop(), echo);
        server.listen(0, "127.0.0.1");
        server.listen(0, "127.0.0.1");
        auto const addresses = server.addresses();
        asio::steady_timer back_off(host.context());
        bool over = false;
        host.run([&]() -> asio::awaitable<void> {
            Client first(host, addresses[0]);
            BOOST_TEST(co_await first.ask("1\n") == "1\n");
            Client waiting(host, addresses[1]);
            waiting.send("2\n");
            NoDescriptors const shortage;
            co_await host.until([&] { return server.stats().accept_errors == 6; });

            // Sooner than the back-off, which is 250 ms by now.
            back_off.expires_after(200ms);
            back_off.async_wait([&](error_code ec) { over = !ec; });
            first.finish();
            BOOST_TEST(co_await waiting.line() == "2\n");
            BOOST_TEST(!over);
            BOOST_TEST(co_await waiting.ask("3\n") == "3\n");
        });
        BOOST_TEST(log.count("Too many open files") == 1);
        BOOST_TEST(log.lines().size() == 1U);
        back_off.cancel();
        auto const before = server.stats();
        server.stop();
        auto const after = server.stats(); // what the listeners counted is kept
        BOOST_TEST(before.accept_errors >= 6U);
        BOOST_TEST(after.accept_errors == before.accept_errors);
        BOOST_TEST(after.accepted == before.accepted);
        BOOST_TEST(after.bytes_in == before.bytes_in);
        server.stop();
        BOOST_TEST(server.stats().accept_errors == before.accept_errors);
        host.check_no_work();
    });
}

BOOST_AUTO_TEST_CASE(T189_the_errors_of_a_shared_acceptor_are_of_the_server_that_accepts) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        SharedAcceptor acceptor(bind_sockets(0, "127.0.0.1"));
        TCPServer accepting(host.loop(), echo);
        TCPServer other(host.loop(), echo);
        accepting.listen(acceptor);
        other.listen(acceptor);
        host.run([&]() -> asio::awaitable<void> {
            Client client(host, acceptor.addresses()[0]);
            client.send("1\n");
            {
                NoDescriptors const shortage;
                co_await host.until([&] { return accepting.stats().accept_errors >= 2; });
            }
            BOOST_TEST(co_await client.line() == "1\n");
            auto const errors = accepting.stats().accept_errors;
            BOOST_TEST(other.stats().accept_errors == 0U);
            accepting.stop();
            BOOST_TEST(accepting.stats().accept_errors == errors);
            BOOST_TEST(other.stats().accept_errors == 0U);
        });
        other.stop();
        BOOST_TEST(accepting.stats().accept_errors >= 2U);
    });
}

BOOST_AUTO_TEST_SUITE_END()
