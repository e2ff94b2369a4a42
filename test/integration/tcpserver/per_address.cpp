// SPDX-License-Identifier: BSL-1.0
// So many connections from one address, and no more.
#include "tornado/tcpserver.hpp"
#include "tornado/testing.hpp"

#include "support/addresses.hpp"
#include "support/descriptors.hpp"
#include "support/echo.hpp"
#include "support/host.hpp"
#include "support/tls.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>

#include <deque>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <utility>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

TCPServerOptions at_most(std::size_t connections) {
    TCPServerOptions options;
    options.max_connections_per_address = connections;
    return options;
}

/// The server refuses one from here.
asio::awaitable<bool> refuses(Host& host, Address const& server) {
    Client client(host, server);
    co_return (co_await client.rest()).empty();
}

} // namespace

BOOST_AUTO_TEST_SUITE(tcpserver_per_address)

BOOST_AUTO_TEST_CASE(one_too_many_is_refused_until_another_ends) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        TCPServer server(host.loop(), echo, at_most(2));
        server.listen(0, "127.0.0.1");
        auto const address = server.addresses()[0];
        auto const descriptors = open_descriptors();
        host.run([&]() -> asio::awaitable<void> {
            Client first(host, address);
            BOOST_TEST(co_await first.ask("1\n") == "1\n");
            Client second(host, address);
            BOOST_TEST(co_await second.ask("2\n") == "2\n");
            for (int i = 0; i < 3; ++i)
                BOOST_TEST(co_await refuses(host, address));
            BOOST_TEST(server.stats().active == 2U);
            BOOST_TEST(server.stats().address_refusals == 3U);
            BOOST_TEST(co_await first.ask("1\n") == "1\n");
            for (int i = 0; i < 3; ++i) {
                second.close();
                co_await host.until([&] { return server.stats().active == 1; });
                second = Client(host, address);
                BOOST_TEST(co_await second.ask("3\n") == "3\n");
            }
            first.close();
            second.close();
            co_await host.until([&] { return server.stats().active == 0; });
        });
        BOOST_TEST(server.stats().accepted == 5U);
        BOOST_TEST(server.stats().rejected == 0U);
        BOOST_TEST(open_descriptors() == descriptors);
        BOOST_TEST(log.count("allows, 2") == 1); // of three
        BOOST_TEST(log.lines().size() == 1U);
    });
}

BOOST_AUTO_TEST_CASE(another_address_is_another_matter) {
    Host host(false);
    CapturedLog const log;
    TCPServer server(host.loop(), echo, at_most(1));
    server.listen(0, "127.0.0.1");
    bool const ipv6 = has_ipv6_loopback();
    if (ipv6)
        server.listen(0, "::1");
    host.run([&]() -> asio::awaitable<void> {
        Client first(host, server.addresses()[0]);
        BOOST_TEST(co_await first.ask("1\n") == "1\n");
        asio::ip::tcp::socket other(host.context(), {asio::ip::make_address_v4("127.0.0.2"), 0});
        other.connect(server.addresses()[0].tcp_endpoint());
        co_await host.until([&] { return server.stats().active == 2; });
        BOOST_TEST(co_await refuses(host, server.addresses()[0]));
        if (ipv6) {
            Client third(host, server.addresses()[1]);
            BOOST_TEST(co_await third.ask("3\n") == "3\n");
            BOOST_TEST(co_await refuses(host, server.addresses()[1]));
        }
    });
}

BOOST_AUTO_TEST_CASE(an_address_that_listens_for_both_families_counts_ipv4_as_ipv4) {
    Host host(false);
    CapturedLog const log;
    if (!has_ipv6_loopback())
        return;
    TCPServer server(host.loop(), echo, at_most(1));
    asio::ip::tcp::acceptor both(host.context());
    both.open(asio::ip::tcp::v6());
    both.set_option(asio::ip::v6_only(false));
    both.bind({asio::ip::address_v6::any(), 0});
    both.listen();
    auto const port = both.local_endpoint().port();
    server.add_socket(ListenSocket(both.release()));
    host.run([&]() -> asio::awaitable<void> {
        Address const address("127.0.0.1", port);
        Client first(host, address);
        BOOST_TEST(co_await first.ask("1\n") == "1\n");
        asio::ip::tcp::socket other(host.context(), {asio::ip::make_address_v4("127.0.0.2"), 0});
        other.connect(address.tcp_endpoint());
        co_await host.until([&] { return server.stats().active == 2; });
        BOOST_TEST(co_await refuses(host, address));
    });
}

BOOST_AUTO_TEST_CASE(unix_sockets_are_not_counted) {
    Host host(false);
    auto const path = std::filesystem::temp_directory_path() /
                      ("tornado_asio_per_address_" + std::to_string(::getpid()));
    TCPServer server(host.loop(), echo, at_most(1));
    server.add_socket(bind_unix_socket(path));
    host.run([&]() -> asio::awaitable<void> {
        std::deque<Client> clients;
        for (int i = 0; i < 5; ++i)
            BOOST_TEST(co_await clients.emplace_back(host, server.addresses()[0]).ask("x\n") ==
                       "x\n");
    });
    BOOST_TEST(server.stats().address_refusals == 0U);
    std::filesystem::remove(path);
}

BOOST_AUTO_TEST_CASE(behind_a_balancer_it_is_the_clients_address_that_counts) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        auto options = at_most(1);
        options.proxy_protocol = true;
        options.trusted_proxies = {"127.0.0.0/8"};
        TCPServer server(host.loop(), echo, options);
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            std::deque<Client> clients;
            // The second is the first one's neighbour; what the balancer asks for itself is no
            // one's.
            for (auto const* header :
                 {"TCP4 192.0.2.1 192.0.2.9 1 2", "TCP4 192.0.2.2 192.0.2.9 1 2",
                  "TCP6 2001:db8::1 2001:db8::9 1 2", "UNKNOWN", "UNKNOWN"})
                BOOST_TEST(co_await clients.emplace_back(host, server.addresses()[0])
                               .ask("PROXY "s + header + "\r\nx\n") == "x\n");
            for (auto const* header :
                 {"TCP4 192.0.2.1 192.0.2.9 3 2", "TCP6 ::ffff:192.0.2.2 ::1 1 2",
                  "TCP6 2001:db8::2 2001:db8::9 1 2"}) {
                Client client(host, server.addresses()[0]);
                client.send("PROXY "s + header + "\r\nx\n");
                BOOST_TEST(co_await client.rest() == "");
            }
            BOOST_TEST(server.stats().active == 5U);
        });
        BOOST_TEST(server.stats().address_refusals == 3U);
        BOOST_TEST(server.stats().proxy_failures == 0U);
        BOOST_TEST(log.count(" (192.0.2.1:3): its address has as many") == 1);
        BOOST_TEST(log.lines().size() == 1U);
    });
}

// A flood is cheap: what is refused has begun no handshake.
BOOST_AUTO_TEST_CASE(a_connection_counts_from_before_its_handshake) {
    Host host(false);
    CapturedLog const log;
    auto options = at_most(1);
    options.ssl = server_context();
    TCPServer server(host.loop(), echo, options);
    server.listen(0, "127.0.0.1");
    host.run([&]() -> asio::awaitable<void> {
        Client first(host, server.addresses()[0]);
        co_await host.until([&] { return server.stats().active == 1; });
        BOOST_TEST(co_await refuses(host, server.addresses()[0]));
        BOOST_TEST(server.stats().tls_failures == 0U);
        first.close();
        co_await host.until([&] { return server.stats().active == 0; });
        Client third(host, server.addresses()[0]);
        co_await host.until([&] { return server.stats().active == 1; });
    });
    BOOST_TEST(server.stats().address_refusals == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
