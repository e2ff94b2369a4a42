// SPDX-License-Identifier: BSL-1.0
// Peers that take their time, beside honest ones that must not suffer for them.
#include "tornado/tcpserver.hpp"
#include "tornado/testing.hpp"

#include "support/allocations.hpp"
#include "support/host.hpp"
#include "support/tls.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

constexpr auto limit = 40ms;
constexpr std::size_t too_much = 1'000'000'000;
constexpr std::size_t large = 64 * 1024 * 1024; // no socket takes it

TCPServerOptions first_byte_within(TCPServerOptions::clock::duration timeout) {
    TCPServerOptions options;
    options.first_byte_timeout = timeout;
    return options;
}

TCPServerOptions at_least(std::size_t rate) {
    TCPServerOptions options;
    options.min_rate = rate;
    options.min_rate_window = limit;
    return options;
}

TCPServerOptions with_tls(TCPServerOptions options) {
    options.ssl = server_context();
    return options;
}

/// Each connection's first line says how it is read; what came of it is kept.
class Reader {
public:
    explicit Reader(Host& host) : gate_(host.context(), asio::steady_timer::time_point::max()) {}

    asio::awaitable<void> operator()(IOStreamPtr stream, Address) {
        try {
            co_await read(stream, co_await stream->read_until("\n"));
        } catch (system_error const& e) {
            ends.push_back(e.code());
            throw;
        }
    }

    /// Those that are busy go on.
    void open() { gate_.cancel(); }

    std::vector<error_code> ends;

private:
    asio::awaitable<void> read(IOStreamPtr const& stream, std::string const& how) {
        std::string body(1000, '\0');
        if (how == "bytes\n")
            co_await stream->read_bytes(body.size());
        if (how == "into\n")
            co_await stream->read_into(asio::buffer(body));
        if (how == "rest\n")
            co_await stream->read_until_close();
        if (how == "pieces\n") {
            while (!(co_await stream->read_bytes(1000, true)).ends_with('\n')) {
            }
            co_await stream->write("all\n");
        }
        if (how == "busy\n") {
            error_code ignored;
            co_await gate_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        }
        for (;;)
            co_await stream->write(co_await stream->read_until("\n"));
    }

    asio::steady_timer gate_;
};

/// A server that reads as it is told; what a connection needs outlives it.
struct Place {
    Place(Host& host, TCPServerOptions const& options)
        : reader(std::make_shared<Reader>(host)),
          server(
              host.loop(),
              [reader = reader](IOStreamPtr stream, Address address) {
                  return (*reader)(std::move(stream), std::move(address));
              },
              options) {
        server.listen(0, "127.0.0.1");
    }
    Address address() const { return server.addresses().at(0); }

    std::shared_ptr<Reader> const reader;
    TCPServer server;
};

asio::awaitable<SSLIOStreamPtr> connect(Host& host, Address const& server) {
    auto const stream =
        std::make_shared<SSLIOStream>(asio::ip::tcp::socket(host.context()), client_context());
    co_await stream->connect(server, "localhost");
    co_return stream;
}

asio::awaitable<void> all_gone(Host& host, TCPServer& server) {
    co_await host.until([&] { return server.stats().active == 0; });
}

} // namespace

BOOST_AUTO_TEST_SUITE(tcpserver_dawdlers)

// ---- first_byte_timeout

BOOST_AUTO_TEST_CASE(a_mute_connection_is_closed_and_others_are_not) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        Place place(host, first_byte_within(limit));
        host.run([&]() -> asio::awaitable<void> {
            Client spoke(host, place.address());
            BOOST_TEST(co_await spoke.ask("until\nx\n") == "x\n");
            Client begun(host, place.address());
            begun.send("u");
            for (int i = 0; i < 3; ++i) {
                Client mute(host, place.address());
                auto const begin = std::chrono::steady_clock::now();
                BOOST_TEST(co_await mute.rest() == "");
                BOOST_CHECK(std::chrono::steady_clock::now() - begin >= limit);
            }
            BOOST_TEST(co_await spoke.ask("y\n") == "y\n");
            BOOST_TEST(co_await begun.ask("ntil\nz\n") == "z\n");
            BOOST_TEST(place.server.stats().active == 2U);
        });
        BOOST_TEST(place.server.stats().first_byte_timeouts == 3U);
        BOOST_TEST(place.server.stats().idle_timeouts == 0U);
        BOOST_TEST(place.reader->ends.size() == 3U);
        for (auto const& ec : place.reader->ends)
            BOOST_TEST(ec == asio::error::timed_out);
        BOOST_TEST(log.lines().empty()); // browsers do it all the time
    });
}

BOOST_AUTO_TEST_CASE(a_handler_that_does_not_listen_yet_hears_nobody) {
    on_each_loop([](Host& host) {
        asio::steady_timer gate(host.context(), asio::steady_timer::time_point::max());
        std::vector<IOStreamPtr> waiting;
        TCPServer server(
            host.loop(),
            [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
                if (waiting.empty()) {
                    waiting.push_back(stream);
                    error_code ignored;
                    co_await gate.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
                    waiting.clear();
                }
                co_await stream->read_until_close();
            },
            first_byte_within(limit));
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            Client patient(host, server.addresses()[0]);
            co_await host.until([&] { return !waiting.empty(); });
            for (int i = 0; i < 2; ++i)
                BOOST_TEST(co_await Client(host, server.addresses()[0]).rest() == "");
            BOOST_TEST(server.stats().active == 1U);
            gate.cancel();
            BOOST_TEST(co_await patient.rest() == "");
        });
        BOOST_TEST(server.stats().first_byte_timeouts == 3U);
    });
}

BOOST_AUTO_TEST_CASE(a_handshake_is_no_byte_of_a_message) {
    Host host(false);
    Place place(host, with_tls(first_byte_within(limit)));
    host.run([&]() -> asio::awaitable<void> {
        Client stalled(host, place.address()); // has time for its handshake
        stalled.send("\x16\x03\x01");
        for (int i = 0; i < 2; ++i) {
            auto const client = co_await connect(host, place.address());
            co_await host.until([&] { return place.server.stats().active == 1; });
        }
        BOOST_TEST(place.server.stats().first_byte_timeouts == 2U);
        BOOST_TEST(place.server.stats().tls_failures == 0U);
    });
}

// ---- min_rate

BOOST_AUTO_TEST_CASE(a_message_that_trickles_ends_its_connection) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        Place place(host, at_least(too_much));
        host.run([&]() -> asio::awaitable<void> {
            std::uint64_t ended = 0;
            for (auto const* how : {"until\n", "bytes\n", "into\n", "rest\n", ""}) {
                Client slow(host, place.address());
                slow.send(how + "x"s);
                auto const begin = std::chrono::steady_clock::now();
                co_await host.until([&] {
                    try {
                        slow.send("x");
                    } catch (system_error const&) { // is closed this moment
                    }
                    return place.server.stats().rate_timeouts != ended;
                });
                ++ended;
                BOOST_CHECK(std::chrono::steady_clock::now() - begin >= limit);
                co_await slow.rest();
                BOOST_TEST(place.server.stats().active == 0U);
            }
        });
        BOOST_TEST(place.server.stats().rate_timeouts == 5U);
        for (auto const& ec : place.reader->ends)
            BOOST_TEST(ec == asio::error::timed_out);
        BOOST_TEST(log.count("Closed connection ") == 1); // and no line each
        BOOST_TEST(log.count("1000000000 bytes a second") == 1);
        BOOST_TEST(log.lines().size() == 1U);
    });
}

BOOST_AUTO_TEST_CASE(honest_connections_are_not_slow) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        Place place(host, at_least(100'000)); // 4000 bytes a window
        host.run([&]() -> asio::awaitable<void> {
            Client fresh(host, place.address()); // has said nothing yet
            Client paused(host, place.address());
            BOOST_TEST(co_await paused.ask("until\nx\n") == "x\n");
            Client waits(host, place.address()); // for us, in the middle of its next message
            waits.send("busy\nha");
            Client pieces(host, place.address()); // sends little, which the handler takes as it is
            pieces.send("pieces\n");
            Client fast(host, place.address());
            fast.send("until\n");
            // Each of these takes a window.
            for (std::uint64_t ended = 0; ended < 4; ++ended) {
                Client slow(host, place.address());
                slow.send("until\nx");
                co_await host.until([&] {
                    pieces.send("x");
                    fast.send(std::string(1000, 'x'));
                    return place.server.stats().rate_timeouts > ended;
                });
            }
            BOOST_TEST(place.server.stats().active == 5U);
            BOOST_TEST(co_await fresh.ask("until\nx\n") == "x\n");
            BOOST_TEST(co_await paused.ask("y\n") == "y\n");
            waits.send("lf\n");
            place.reader->open();
            BOOST_TEST(co_await waits.line() == "half\n");
            BOOST_TEST(co_await pieces.ask("\n") == "all\n");
            BOOST_TEST((co_await fast.ask("\n")).size() > 4000U);
        });
        BOOST_TEST(place.server.stats().rate_timeouts == 4U);
    });
}

// The kernel has what the handler does not take, and the peer can send no more.
BOOST_AUTO_TEST_CASE(an_upload_that_waits_for_us_is_not_slow) {
    Host host(false);
    std::size_t taken = 0;
    auto options = at_least(too_much);
    options.read_chunk_size = 1024;
    asio::steady_timer gate(host.context());
    TCPServer server(
        host.loop(),
        [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
            for (;;) {
                taken += (co_await stream->read_bytes(1024)).size();
                gate.expires_after(limit / 8);
                co_await gate.async_wait(asio::use_awaitable);
            }
        },
        options);
    server.listen(0, "127.0.0.1");
    host.run([&]() -> asio::awaitable<void> {
        Client client(host, server.addresses()[0]);
        client.send(std::string(64 * 1024, 'x'));
        auto const begin = std::chrono::steady_clock::now();
        co_await host.until([&] { return taken >= 24 * 1024; });
        BOOST_CHECK(std::chrono::steady_clock::now() - begin > 2 * limit);
        BOOST_TEST(server.stats().active == 1U);
        client.close();
        co_await all_gone(host, server);
    });
    BOOST_TEST(server.stats().rate_timeouts == 0U);
}

BOOST_AUTO_TEST_CASE(a_message_that_stops_ends_a_tls_connection_too) {
    Host host(false);
    CapturedLog const log;
    Place place(host, with_tls(at_least(1000)));
    host.run([&]() -> asio::awaitable<void> {
        auto const honest = co_await connect(host, place.address());
        honest->write("until\n");
        auto const slow = co_await connect(host, place.address());
        slow->write("until\nx");
        co_await host.until([&] { return place.server.stats().rate_timeouts == 1; });
        honest->write("x\n");
        BOOST_TEST(co_await honest->read_until("\n") == "x\n");
    });
}

// ---- idle_timeout and linger

// A peer that takes nothing, of a stream that is open, ends after what is queued, or is closed and
// still sending.
BOOST_AUTO_TEST_CASE(idle_timeout_frees_the_descriptor_too) {
    on_each_loop([](Host& host) {
        for (bool const tls : {false, true}) {
            TCPServerOptions options;
            options.idle_timeout = limit;
            options.linger = 1h;
            if (tls)
                options = with_tls(options);
            int handled = 0;
            std::vector<error_code> ends;
            TCPServer server(
                host.loop(),
                [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
                    auto const way = handled++;
                    if (tls)
                        co_await std::static_pointer_cast<SSLIOStream>(stream)
                            ->wait_for_handshake();
                    stream->set_close_callback([&, stream] { ends.push_back(stream->error()); });
                    stream->set_write_watermarks(large, large, nullptr); // completes at once
                    co_await stream->write(std::string(large, 'x'));
                    if (way == 1)
                        stream->close_after_flush(1h);
                    if (way == 2)
                        stream->close();
                },
                options);
            server.listen(0, "127.0.0.1");
            host.run([&]() -> asio::awaitable<void> {
                std::deque<Client> plain;
                std::vector<SSLIOStreamPtr> secured;
                for (int i = 0; i < 3; ++i)
                    if (tls)
                        secured.push_back(co_await connect(host, server.addresses()[0]));
                    else
                        plain.emplace_back(host, server.addresses()[0]);
                co_await host.until([&] { return handled == 3; });
                co_await all_gone(host, server);
                co_await host.until([&] { return ends.size() == 3; });
            });
            BOOST_TEST(server.stats().idle_timeouts == 3U);
            BOOST_TEST(std::ranges::count(ends, asio::error::timed_out) == 2);
            BOOST_TEST(std::ranges::count(ends, error_code()) == 1);
        }
    });
}

BOOST_AUTO_TEST_CASE(a_closed_connection_lingers_as_long_as_it_is_told) {
    on_each_loop([](Host& host) {
        TCPServerOptions options;
        options.linger = limit;
        TCPServer server(
            host.loop(),
            [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
                stream->set_write_watermarks(large, large, nullptr);
                co_await stream->write(std::string(large, 'x'));
                stream->close();
            },
            options);
        server.listen(0, "127.0.0.1");
        host.run([&]() -> asio::awaitable<void> {
            auto const begin = std::chrono::steady_clock::now();
            Client client(host, server.addresses()[0]);
            co_await host.until([&] { return server.stats().accepted == 1; });
            co_await all_gone(host, server);
            auto const took = std::chrono::steady_clock::now() - begin;
            BOOST_CHECK(took >= limit);
            BOOST_CHECK(took < 10s);
        });
        BOOST_TEST(server.stats().idle_timeouts == 0U);
    });
}

// ---- All together

BOOST_AUTO_TEST_CASE(limits_cost_no_allocation) {
    if (!counts_allocations)
        return;
    Host host(false);
    auto options = at_least(1);
    options.min_rate_window = 1s;
    options.idle_timeout = 1min;
    options.first_byte_timeout = 16ms; // a sweep every 2 ms
    std::string buffer(100, '\0');
    std::size_t lines = 0;
    std::function<void(IOStreamPtr const&)> read = [&](IOStreamPtr const& stream) {
        stream->read_into(asio::buffer(buffer), true, [&, stream](error_code ec, std::size_t n) {
            if (ec)
                return;
            ++lines;
            stream->write(std::string_view(buffer).substr(0, n));
            read(stream);
        });
    };
    TCPServer server(
        host.loop(), [&](IOStreamPtr const& stream, Address const&) { read(stream); }, options);
    server.listen(0, "127.0.0.1");
    // The client is the kernel's business alone.
    host.run([&]() -> asio::awaitable<void> {
        Client client(host, server.addresses()[0]);
        auto const talk = [&]() -> asio::awaitable<void> {
            auto const until = std::chrono::steady_clock::now() + 30ms;
            co_await host.until([&] {
                client.send("x");
                return std::chrono::steady_clock::now() > until;
            });
        };
        co_await talk();
        auto const before = allocations();
        auto const turns = lines;
        co_await talk();
        BOOST_TEST(lines > turns);
        BOOST_TEST(allocations() - before < 10U); // the coroutine's own
        client.close();
        co_await all_gone(host, server);
    });
}

BOOST_AUTO_TEST_CASE(limits_without_sense_throw) {
    IOLoop loop;
    auto const throws = [&](auto set) {
        TCPServerOptions options;
        options.min_rate = 10;
        set(options);
        BOOST_CHECK_THROW(TCPServer(loop, options), std::invalid_argument);
    };
    for (auto const timeout : {0ms, -1ms}) {
        throws([=](auto& options) { options.first_byte_timeout = timeout; });
        throws([=](auto& options) { options.min_rate_window = timeout; });
    }
    throws([](auto& options) { options.min_rate_window = TCPServerOptions::none; });
    throws([](auto& options) { options.min_rate_window = 99ms; }); // less than a byte
    throws([](auto& options) { options.linger = -1ms; });
    throws([](auto& options) { options.max_connections_per_address = 0; });
    TCPServerOptions options; // the window is nobody's business
    options.min_rate_window = 0s;
    options.linger = 0s;
    BOOST_CHECK_NO_THROW(TCPServer(loop, options));
}

BOOST_AUTO_TEST_SUITE_END()
