// SPDX-License-Identifier: BSL-1.0
// A server behind a balancer: whose connection it is, and who may say so.
#include "tornado/proxy_header.hpp"
#include "tornado/tcpserver.hpp"
#include "tornado/testing.hpp"

#include "support/descriptors.hpp"
#include "support/host.hpp"
#include "support/proxy_headers.hpp"
#include "support/tls.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

TCPServerOptions behind(std::vector<std::string> proxies) {
    TCPServerOptions options;
    options.proxy_protocol = true;
    options.trusted_proxies = std::move(proxies);
    return options;
}

/// Answers each line with the client's address and the line.
asio::awaitable<void> tell(IOStreamPtr stream, Address address) {
    for (;;)
        co_await stream->write(address.to_string() + ' ' + co_await stream->read_until("\n"));
}

bool has(CapturedLog const& log, std::string const& text) {
    for (auto const& line : log.lines())
        if (line.find(text) != line.npos)
            return true;
    return false;
}

} // namespace

BOOST_AUTO_TEST_SUITE(tcpserver_proxy)

BOOST_AUTO_TEST_CASE(the_address_is_the_clients) {
    on_each_loop([](Host& host) {
        TCPServer server(host.loop(), tell, behind({"127.0.0.0/8"}));
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            for (auto const& [header, address] :
                 {std::pair("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"s, "192.0.2.1:56324"),
                  std::pair("PROXY TCP6 2001:db8::1 ::1 7 443\r\n"s, "[2001:db8::1]:7"),
                  std::pair(binary_header(0x21, 0x11, ipv4_ends), "10.0.0.1:258"),
                  std::pair(binary_header(0x21, 0x31, unix_ends("/a", "/b")), "/a")}) {
                Client client(host, server.addresses()[0]);
                BOOST_TEST(co_await client.ask(header + "hello\n") == address + " hello\n"s);
                BOOST_TEST(co_await client.ask("again\n") == address + " again\n"s);
            }
            // The balancer asks for itself.
            for (auto const& header : {"PROXY UNKNOWN\r\n"s, binary_header(0x20, 0, "")}) {
                Client client(host, server.addresses()[0]);
                BOOST_TEST(co_await client.ask(header + "x\n") ==
                           client.name().to_string() + " x\n");
            }
            co_await host.until([&] { return server.stats().active == 0; });
        });
        BOOST_TEST(server.stats().accepted == 6U);
        BOOST_TEST(server.stats().proxy_failures == 0U);
        server.stop();
    });
}

BOOST_AUTO_TEST_CASE(a_header_may_come_byte_by_byte) {
    on_each_loop([](Host& host) {
        TCPServer server(host.loop(), tell, behind({"127.0.0.1"}));
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            for (auto const& header :
                 {"PROXY TCP4 192.0.2.1 198.51.100.2 5 443\r\n"s,
                  binary_header(0x21, 0x11, ipv4_ends + tlv(0xe0, std::string(5000, 'x')))}) {
                Client client(host, server.addresses()[0]);
                for (std::size_t i = 0; i < 40; ++i) {
                    client.send(header.substr(i, 1));
                    co_await asio::post(host.context(), asio::use_awaitable);
                }
                BOOST_TEST(server.stats().active == 0U);
                BOOST_TEST((co_await client.ask(header.substr(40) + "x\n")).ends_with(" x\n"));
            }
        });
        server.stop();
    });
}

BOOST_AUTO_TEST_CASE(what_else_the_balancer_says_is_the_streams_to_tell) {
    Host host(false);
    std::vector<std::shared_ptr<ProxyHeader const>> seen;
    IOStreamPtr kept;
    auto const handler = [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
        seen.push_back(stream->proxy_header());
        kept = stream;
        co_await stream->read_until("\n");
        seen.push_back(stream->proxy_header());
    };
    TCPServer server(host.loop(), handler, behind({"::1", "127.0.0.1"}));
    server.listen(0, "127.0.0.1");
    host.run([&]() -> asio::awaitable<void> {
        Client client(host, server.addresses()[0]);
        client.send(binary_header(0x21, 0x11, ipv4_ends + tlv(1, "h2") + tlv(2, "www.example")) +
                    "x\n");
        co_await host.until([&] { return seen.size() == 2; });
        client.close();
        co_await host.until([&] { return server.stats().active == 0; });
    });
    BOOST_TEST_REQUIRE(seen[0]);
    BOOST_TEST(seen[0] == seen[1]);
    BOOST_TEST(seen[0]->source == Address("10.0.0.1", 258));
    BOOST_TEST(seen[0]->authority() == "www.example");
    BOOST_TEST(!kept->proxy_header()); // it has given its descriptor back
}

BOOST_AUTO_TEST_CASE(without_the_option_a_header_is_like_any_text) {
    Host host(false);
    TCPServer server(host.loop(), [](IOStreamPtr stream, Address) -> asio::awaitable<void> {
        BOOST_TEST(!stream->proxy_header());
        co_await stream->write(co_await stream->read_until("\n"));
    });
    server.listen(0, "127.0.0.1");
    host.run([&]() -> asio::awaitable<void> {
        Client client(host, server.addresses()[0]);
        BOOST_TEST(co_await client.ask("PROXY UNKNOWN\r\n") == "PROXY UNKNOWN\r\n");
    });
}

BOOST_AUTO_TEST_CASE(it_comes_in_front_of_tls) {
    on_each_loop([](Host& host) {
        auto options = behind({"127.0.0.1"});
        options.ssl = server_context();
        TCPServer server(host.loop(), tell, options);
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            auto const plain = std::make_shared<IOStream>(asio::ip::tcp::socket(host.context()));
            co_await plain->connect(server.addresses()[0]);
            co_await plain->write(binary_header(0x21, 0x21, ipv6_ends));
            auto const client = co_await plain->start_tls(false, client_context(), "localhost");
            client->write("x\n");
            BOOST_TEST(co_await client->read_until("\n") == "[2001:db8::1]:258 x\n");
            client->close();
            co_await host.until([&] { return server.stats().active == 0; });
        });
        BOOST_TEST(server.stats().tls_failures == 0U);
        server.stop();
    });
}

BOOST_AUTO_TEST_CASE(unix_sockets_are_trusted_by_name) {
    Host host(false);
    auto const path = std::filesystem::temp_directory_path() /
                      ("tornado_asio_proxy_" + std::to_string(::getpid()));
    TCPServer server(host.loop(), tell, behind({"unix"}));
    server.add_socket(bind_unix_socket(path));
    host.run([&]() -> asio::awaitable<void> {
        Client client(host, server.addresses()[0]);
        BOOST_TEST(co_await client.ask("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nx\n") ==
                   "192.0.2.1:1 x\n");
    });
    std::filesystem::remove(path);
}

BOOST_AUTO_TEST_CASE(a_stranger_is_shown_the_door) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        TCPServer server(host.loop(), tell, behind({"10.0.0.0/8"}));
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client client(host, server.addresses()[0]);
            client.send("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nx\n");
            BOOST_TEST(co_await client.rest() == "");
            BOOST_TEST(has(log, " (" + client.name().to_string() + "): it is not one of"));
        });
        BOOST_TEST(server.stats().accepted == 0U);
        BOOST_TEST(server.stats().proxy_failures == 1U);
        BOOST_TEST(server.stats().proxy_strangers == 1U);
        server.stop();
    });
}

BOOST_AUTO_TEST_CASE(a_flood_without_headers_is_a_line_of_each_kind) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        TCPServer strict(host.loop(), tell, behind({"10.0.0.0/8"}));
        TCPServer server(host.loop(), tell, behind({"127.0.0.1"}));
        strict.listen(0, "127.0.0.1");
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            for (int i = 0; i < 5; ++i)
                for (auto const* const each : {&strict, &server}) {
                    Client client(host, each->addresses()[0]);
                    client.send("GET / HTTP/1.1\r\n\r\n");
                    BOOST_TEST(co_await client.rest() == "");
                }
        });
        BOOST_TEST(strict.stats().proxy_strangers == 5U);
        BOOST_TEST(server.stats().proxy_failures == 5U);
        BOOST_TEST(server.stats().proxy_strangers == 0U);
        BOOST_TEST(log.lines().size() == 2U);
    });
}

BOOST_AUTO_TEST_CASE(what_is_no_header_is_told_and_closed) {
    on_each_loop([](Host& host) {
        auto const descriptors = open_descriptors();
        for (auto const& sent :
             {std::pair("GET / HTTP/1.1\r\n\r\n"s, "what came is no PROXY header"s),
              std::pair("PROXY TCP4 1.2.3.4\r\n"s, "a PROXY line with an address that is none"s),
              std::pair("PROXY TCP4 1.2."s, "the end came within the PROXY header"s),
              std::pair(binary_header(0x21, 0x11, "short"),
                        "a PROXY header that is too short for its addresses"s),
              std::pair(""s, ""s)}) { // a check that the port is open
            auto const& text = sent.first;
            auto const& problem = sent.second;
            CapturedLog const log;
            TCPServer server(host.loop(), tell, behind({"127.0.0.1"}));
            server.listen(0, "127.0.0.1");
            host.run([&]() -> asio::awaitable<void> {
                Client client(host, server.addresses()[0]);
                client.send(text);
                client.finish();
                BOOST_TEST(co_await client.rest() == "");
                co_await host.until([&] { return server.stats().proxy_failures == 1; });
            });
            BOOST_TEST(server.stats().accepted == 0U);
            BOOST_TEST(server.stats().proxy_strangers == 0U);
            BOOST_TEST(server.stats().proxy_timeouts == 0U);
            BOOST_TEST(log.lines().size() == (problem.empty() ? 0U : 1U));
            BOOST_TEST((problem.empty() || has(log, "): " + problem)));
        }
        host.run([&]() -> asio::awaitable<void> {
            co_await host.until([&] { return open_descriptors() <= descriptors + 1; });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_late_header_is_not_waited_for) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        auto options = behind({"127.0.0.1"});
        options.proxy_timeout = 20ms;
        TCPServer server(host.loop(), tell, options);
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client silent(host, server.addresses()[0]);
            Client slow(host, server.addresses()[0]);
            slow.send("PROXY TCP4 ");
            BOOST_TEST(co_await silent.rest() == "");
            BOOST_TEST(co_await slow.rest() == "");
        });
        BOOST_TEST(server.stats().proxy_failures == 2U);
        BOOST_TEST(server.stats().proxy_timeouts == 2U);
        BOOST_TEST(has(log, "no whole PROXY header within 20 ms"));
        server.stop();
    });
}

BOOST_AUTO_TEST_CASE(who_has_not_said_yet_counts_as_a_connection) {
    on_each_loop([](Host& host) {
        auto options = behind({"127.0.0.1"});
        options.max_connections = 1;
        TCPServer server(host.loop(), tell, options);
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client first(host, server.addresses()[0]);
            first.send("PROXY ");
            Client second(host, server.addresses()[0]);
            second.send("PROXY UNKNOWN\r\nsecond\n");
            for (int i = 0; i < 20; ++i)
                co_await asio::post(host.context(), asio::use_awaitable);
            BOOST_TEST(server.stats().accepted == 0U);
            BOOST_TEST((co_await first.ask("UNKNOWN\r\nx\n")).ends_with(" x\n"));
            first.close();
            BOOST_TEST((co_await second.line()).ends_with(" second\n"));
        });
        server.stop();
    });
}

BOOST_AUTO_TEST_CASE(shutdown_waits_for_those_that_have_not_said_yet) {
    on_each_loop([](Host& host) {
        TCPServer server(host.loop(), tell, behind({"127.0.0.1"}));
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client one(host, server.addresses()[0]);
            one.send("PROXY ");
            Client other(host, server.addresses()[0]);
            other.send("PROXY ");
            for (int i = 0; i < 20; ++i)
                co_await asio::post(host.context(), asio::use_awaitable);
            bool ended = false;
            std::size_t forced = 99;
            server.shutdown(50ms, [&](error_code, std::size_t n) {
                forced = n;
                ended = true;
            });
            BOOST_TEST((co_await one.ask("UNKNOWN\r\nx\n")).ends_with(" x\n"));
            one.close();
            BOOST_TEST(co_await other.rest() == "");
            co_await host.until([&] { return ended; });
            BOOST_TEST(forced == 1U);
        });
    });
}

BOOST_AUTO_TEST_CASE(a_server_that_goes_gives_no_more_to_its_handler) {
    on_each_loop([](Host& host) {
        auto const descriptors = open_descriptors();
        std::optional<Client> client;
        {
            TCPServer server(
                host.loop(), [](IOStreamPtr, Address) { BOOST_ERROR("called"); },
                behind({"127.0.0.1"}));
            server.listen(0, "127.0.0.1");
            client.emplace(host, server.addresses()[0]);
            client->send("PROXY ");
            host.run([&]() -> asio::awaitable<void> {
                co_await host.until([&] { return open_descriptors() == descriptors + 3; });
            });
        }
        host.run([&]() -> asio::awaitable<void> { BOOST_TEST(co_await client->rest() == ""); });
    });
}

BOOST_AUTO_TEST_CASE(the_end_of_the_context_comes_first) {
    for (bool const foreign : {false, true}) {
        auto const descriptors = open_descriptors();
        {
            std::optional<Host> host(std::in_place, foreign);
            TCPServer server(
                host->loop(), [](IOStreamPtr, Address) { BOOST_ERROR("called"); },
                behind({"127.0.0.1"}));
            server.listen(0, "127.0.0.1");
            std::optional<Client> client(std::in_place, *host, server.addresses()[0]);
            client->send("PROXY ");
            auto const before = open_descriptors();
            host->run([&]() -> asio::awaitable<void> {
                co_await host->until([&] { return open_descriptors() == before + 1; });
            });
            client.reset();
            host.reset();
        }
        BOOST_TEST(open_descriptors() == descriptors);
    }
}

BOOST_AUTO_TEST_CASE(options_that_make_no_sense) {
    BOOST_CHECK_THROW(TCPServer(tell, behind({})), std::invalid_argument);
    BOOST_CHECK_THROW(TCPServer(tell, behind({"balancer"})), std::invalid_argument);
    auto options = behind({"::1"});
    options.proxy_timeout = 0s;
    BOOST_CHECK_THROW(TCPServer(tell, options), std::invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
