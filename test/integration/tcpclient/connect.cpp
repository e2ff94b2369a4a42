// SPDX-License-Identifier: BSL-1.0
// TCPClient against servers that answer, refuse and keep silent, in both families.
#include "tornado/tcpclient.hpp"
#include "tornado/tcpserver.hpp"
#include "tornado/testing.hpp"

#include "support/addresses.hpp"
#include "support/connect_options.hpp"
#include "support/events.hpp"
#include "support/host.hpp"
#include "support/scripted_resolver.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <netinet/tcp.h>
#include <set>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

using namespace tornado;
using namespace tornado::test;

namespace {

/// The TCP sockets of this process, but for what belongs to its servers.
std::ptrdiff_t client_ends() {
    std::set<std::uint16_t> servers;
    std::vector<std::uint16_t> others;
    for (auto const& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        asio::generic::stream_protocol::endpoint local;
        auto local_size = static_cast<socklen_t>(local.capacity());
        int listens = 0;
        socklen_t size = sizeof listens;
        auto const fd = std::stoi(entry.path().filename());
        if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 ||
            ::getsockname(fd, local.data(), &local_size) != 0)
            continue;
        local.resize(local_size);
        Address const address(local);
        if (listens)
            servers.insert(address.port());
        else if (address.family() == AF_INET || address.family() == AF_INET6)
            others.push_back(address.port());
    }
    return std::ranges::count_if(others, [&](auto port) { return !servers.contains(port); });
}

/// Tells each client its address and listens to nothing.
struct Server : TCPServer {
    explicit Server(Host& host, std::string const& ip = "127.0.0.1") : TCPServer(host.loop()) {
        listen(0, ip);
    }
    Address address() const { return addresses().at(0); }

    asio::awaitable<void> handle_stream(IOStreamPtr stream, Address address) override {
        stream->write(address.to_string() + "\n");
        co_await stream->read_until_close();
    }
};

/// A client whose every name stands for `addresses`, and what becomes of it.
struct Party {
    Party(Host& on, std::vector<Address> addresses)
        : host(on), resolver(on.loop()), client(on.loop(), &resolver), before(client_ends()) {
        resolver.always = std::move(addresses);
    }

    /// Connects, and gives the peer's address or the failure in a word; then nothing is left open.
    asio::awaitable<std::string> connect(ConnectOptions options = {}) {
        auto const [ec, stream] = co_await client.connect("example.com", 80, std::move(options),
                                                          asio::as_tuple(asio::use_awaitable));
        BOOST_TEST(!stream == ec.failed());
        BOOST_TEST(client_ends() == before + (stream ? 1 : 0));
        std::string result = word(ec);
        if (stream) {
            BOOST_TEST(!stream->closed());
            result = stream->remote_address().to_string();
        }
        co_return result;
    }

    Host& host;
    ScriptedResolver resolver;
    TCPClient client;
    std::ptrdiff_t before;
};

auto now() {
    return std::chrono::steady_clock::now();
}

} // namespace

BOOST_AUTO_TEST_SUITE(tcpclient_connect)

BOOST_AUTO_TEST_CASE(T162_by_literal_and_by_name_in_each_family) {
    bool const ipv6 = has_ipv6_loopback();
    on_each_loop([&](Host& host) {
        Resolver system(host.loop());
        OverrideResolver resolver(system, {{"v4", "127.0.0.1"}, {"v6", "::1"}});
        TCPClient client(host.loop(), &resolver);
        host.run([&]() -> asio::awaitable<void> {
            for (auto const family : {AF_INET, AF_INET6}) {
                if (family == AF_INET6 && !ipv6)
                    continue;
                Server const server(host, family == AF_INET ? "127.0.0.1" : "::1");
                auto const port = server.address().port();
                for (auto const asked : {family, AF_UNSPEC})
                    for (auto const& name :
                         {server.address().ip(), std::string("v") + "46"[family != AF_INET]}) {
                        auto const stream = co_await client.connect(
                            name, port, with(&ConnectOptions::family, asked));
                        BOOST_TEST(stream->remote_address() == server.address());
                        auto const own = stream->local_address().to_string() + "\n";
                        BOOST_TEST(co_await stream->read_until("\n") == own);
                    }
            }
            Server const server(host);
            auto const stream = co_await client.connect("localhost", server.address().port());
            BOOST_TEST(stream->remote_address() == server.address());
        });
    });
}

BOOST_AUTO_TEST_CASE(T163_refused) {
    Refusing const refusing;
    on_each_loop([&](Host& host) {
        CapturedLog const log;
        TCPClient client(host.loop());
        host.run([&]() -> asio::awaitable<void> {
            auto const [ec, stream] = co_await client.connect(
                "127.0.0.1", refusing.address().port(), asio::as_tuple(asio::use_awaitable));
            BOOST_TEST(ec == asio::error::connection_refused);
            BOOST_TEST(!stream);
        });
        auto const name = refusing.address().to_string();
        BOOST_TEST_REQUIRE(log.lines().size() == 1U);
        BOOST_TEST(log.lines()[0] ==
                   "Cannot connect to " + name + ", trying " + name + ": Connection refused");
    });
}

BOOST_AUTO_TEST_CASE(without_descriptors_connect_fails) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        Server const server(host);
        TCPClient client(host.loop());
        auto const port = server.address().port();
        host.run([&]() -> asio::awaitable<void> {
            rlimit former{};
            ::getrlimit(RLIMIT_NOFILE, &former);
            rlimit const none{0, former.rlim_max};
            ::setrlimit(RLIMIT_NOFILE, &none);
            auto const [ec, stream] =
                co_await client.connect("127.0.0.1", port, asio::as_tuple(asio::use_awaitable));
            ::setrlimit(RLIMIT_NOFILE, &former);
            BOOST_TEST(ec == asio::error::no_descriptors);
            static_cast<void>(co_await client.connect("127.0.0.1", port));
        });
    });
}

BOOST_AUTO_TEST_CASE(the_descriptor_is_fit_for_a_loop) {
    on_each_loop([](Host& host) {
        Server const server(host);
        TCPClient client(host.loop());
        host.run([&]() -> asio::awaitable<void> {
            auto const stream = co_await client.connect("127.0.0.1", server.address().port());
            auto const fd = stream->native_handle();
            BOOST_TEST((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
            BOOST_TEST((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
            int nodelay = 0;
            socklen_t size = sizeof nodelay;
            ::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &size);
            BOOST_TEST(nodelay == 1);
        });
    });
}

BOOST_AUTO_TEST_CASE(the_options_limits_reach_the_stream) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        Server const server(host);
        TCPClient client(host.loop());
        ConnectOptions options;
        options.max_buffer_size = 4;
        host.run([&]() -> asio::awaitable<void> {
            auto const stream =
                co_await client.connect("127.0.0.1", server.address().port(), options);
            auto const [ec, line] =
                co_await stream->read_until("\n", asio::as_tuple(asio::use_awaitable));
            BOOST_TEST(word(ec) == "full");
        });
    });
}

// ---- The source

BOOST_AUTO_TEST_CASE(T164_a_good_source_ip_is_what_the_server_sees) {
    on_each_loop([](Host& host) {
        Server const server(host);
        TCPClient client(host.loop());
        host.run([&]() -> asio::awaitable<void> {
            auto const stream =
                co_await client.connect("localhost", server.address().port(),
                                        with(&ConnectOptions::source_ip, "127.0.0.2"));
            BOOST_TEST((co_await stream->read_until("\n")).starts_with("127.0.0.2:"));
        });
    });
}

BOOST_AUTO_TEST_CASE(T164_a_source_port_alone_binds_to_the_loopback_of_the_family) {
    bool const ipv6 = has_ipv6_loopback();
    on_each_loop([&](Host& host) {
        TCPClient client(host.loop());
        for (std::string const ip : {"127.0.0.1", "::1"}) {
            if (ip == "::1" && !ipv6)
                continue;
            Server const server(host, ip);
            auto const port = Refusing(ip).address().port(); // free again
            host.run([&]() -> asio::awaitable<void> {
                auto const stream = co_await client.connect(
                    ip, server.address().port(), with(&ConnectOptions::source_port, port));
                BOOST_TEST(stream->local_address() == Address(ip, port));
                BOOST_TEST(co_await stream->read_until("\n") ==
                           Address(ip, port).to_string() + "\n");
            });
        }
    });
}

BOOST_AUTO_TEST_CASE(T164_an_unusable_source_ip_or_port_fails_loudly) {
    Refusing const taken;
    on_each_loop([&](Host& host) {
        CapturedLog const log;
        Server const server(host);
        Silent const silent;
        Party party(host, {silent.address(), server.address()});
        host.run([&]() -> asio::awaitable<void> {
            auto const port = taken.address().port();
            BOOST_TEST(co_await party.connect(with(&ConnectOptions::source_ip, "203.0.113.7")) ==
                       error_code(EADDRNOTAVAIL, boost::system::system_category()).message());
            BOOST_TEST(co_await party.connect(with(&ConnectOptions::source_port, port)) ==
                       error_code(asio::error::address_in_use).message());
            BOOST_TEST(co_await party.connect(with(&ConnectOptions::source_ip, "::1")) ==
                       error_code(asio::error::address_family_not_supported).message());
        });
        BOOST_TEST_REQUIRE(log.lines().size() == 3U);
        BOOST_TEST(log.lines()[0].starts_with(
            "Cannot connect to example.com:80, binding to 203.0.113.7:0: "));
        BOOST_TEST(log.lines()[1].starts_with("Cannot connect to example.com:80, binding to " +
                                              taken.address().to_string() + ": "));
        BOOST_TEST(
            log.lines()[2].starts_with("Cannot connect to example.com:80, binding to [::1]:0: "));
    });
}

// ---- Happy Eyeballs

BOOST_AUTO_TEST_CASE(T167_the_first_address_answers_and_no_other_is_tried) {
    on_each_loop([](Host& host) {
        Server const first(host);
        Server const second(host);
        Party party(host, {first.address(), second.address(), Address("::1", 1)});
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await party.connect() == first.address().to_string());
            co_await host.until([&] { return first.stats().accepted == 1; });
        });
        BOOST_TEST(second.stats().accepted == 0U);
    });
}

BOOST_AUTO_TEST_CASE(T168_one_family_the_next_is_tried_and_the_last_error_reported) {
    Refusing const refusing;
    Refusing const last;
    on_each_loop([&](Host& host) {
        CapturedLog const log;
        Server const server(host);
        host.run([&]() -> asio::awaitable<void> {
            Party some(host, {refusing.address(), refusing.address(), server.address()});
            BOOST_TEST(co_await some.connect() == server.address().to_string());
            BOOST_TEST(log.lines().empty());
            Party none(host, {refusing.address(), last.address()});
            BOOST_TEST(co_await none.connect() == "refused");
        });
        BOOST_TEST_REQUIRE(log.lines().size() == 1U);
        BOOST_TEST(log.lines()[0] == "Cannot connect to example.com:80, trying " +
                                         last.address().to_string() + ": Connection refused");
    });
}

BOOST_AUTO_TEST_CASE(T168_one_family_a_silent_address_has_0_3_seconds_alone) {
    Silent const first;
    Silent const second;
    on_each_loop([&](Host& host) {
        CapturedLog const log;
        Server const server(host);
        Party two(host, {first.address(), server.address()});
        Party three(host, {first.address(), second.address(), server.address()});
        host.run([&]() -> asio::awaitable<void> {
            auto begin = now();
            BOOST_TEST(co_await two.connect() == server.address().to_string());
            BOOST_CHECK(now() - begin >= 300ms);
            begin = now();
            BOOST_TEST(co_await three.connect() == server.address().to_string());
            BOOST_CHECK(now() - begin >= 600ms);
        });
        BOOST_TEST(log.lines().empty());
    });
}

BOOST_AUTO_TEST_CASE(T168_a_failure_starts_the_next_at_once_also_beside_a_silent_address) {
    Silent const silent;
    Refusing const refusing;
    on_each_loop([&](Host& host) {
        Server const server(host);
        std::vector<Address> addresses(8, refusing.address());
        addresses[1] = silent.address();
        addresses.push_back(server.address());
        Party party(host, addresses);
        auto const begin = now();
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await party.connect() == server.address().to_string());
        });
        BOOST_CHECK(now() - begin >= 300ms); // alone is the silent one only once
        BOOST_CHECK(now() - begin < 1800ms);
    });
}

BOOST_AUTO_TEST_CASE(T169_the_first_failure_starts_the_other_family) {
    if (!has_ipv6_loopback())
        return;
    Refusing const refusing;
    Silent const silent;
    on_each_loop([&](Host& host) {
        Server const server(host, "::1");
        Party party(host, {refusing.address(), silent.address(), server.address()});
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await party.connect() == server.address().to_string());
        });
    });
}

BOOST_AUTO_TEST_CASE(T170_the_other_family_has_its_chance_after_0_3_seconds) {
    if (!has_ipv6_loopback())
        return;
    for (bool const v6_first : {false, true})
        on_each_loop([&](Host& host) {
            CapturedLog const log;
            Silent const silent(v6_first ? "::1" : "127.0.0.1");
            Server const server(host, v6_first ? "127.0.0.1" : "::1");
            Party party(host, {silent.address(), silent.address(), server.address()});
            auto const begin = now();
            host.run([&]() -> asio::awaitable<void> {
                BOOST_TEST(co_await party.connect() == server.address().to_string());
            });
            BOOST_CHECK(now() - begin >= 300ms);
            BOOST_TEST(log.lines().empty());
        });
}

BOOST_AUTO_TEST_CASE(T170_a_delay_that_a_failure_has_begun_anew_is_waited_for) {
    Silent const silent;
    Refusing const refusing;
    Host host(true);
    Server const server(host);
    Party party(host, {refusing.address(), silent.address(), server.address()});
    Events events;
    party.client.connect("example.com", 80, events.on("x"));
    host.context().poll_one();          // hears the answer
    host.context().poll_one();          // begins the first attempt, and its delay
    std::this_thread::sleep_for(350ms); // is over when the loop looks, and it has failed as well
    auto const begin = now();
    host.run([&]() -> asio::awaitable<void> {
        co_await host.until([&] { return events.take() == "x:stream"; });
    });
    BOOST_CHECK(now() - begin >= 300ms);
}

BOOST_AUTO_TEST_CASE(T171_the_first_may_win_after_the_timer) {
    if (!has_ipv6_loopback())
        return;
    Host host(true);
    Silent first;
    Silent const second("::1");
    auto const address = first.address();
    Party party(host, {address, second.address()});
    asio::steady_timer later(host.context(), 400ms); // both are under way by then
    std::unique_ptr<ListenSocket> listener;
    later.async_wait([&](error_code) {
        party.before -= client_ends();
        listener = std::make_unique<ListenSocket>(first.answer());
        party.before += client_ends();
    });
    host.run([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await party.connect() == address.to_string());
    });
    host.check_no_work();
}

BOOST_AUTO_TEST_CASE(T172_all_of_both_families_fail) {
    if (!has_ipv6_loopback())
        return;
    Refusing const v4;
    Refusing const v6("::1");
    on_each_loop([&](Host& host) {
        CapturedLog const log;
        Party party(host, {v4.address(), v6.address(), v4.address(), v6.address()});
        host.run(
            [&]() -> asio::awaitable<void> { BOOST_TEST(co_await party.connect() == "refused"); });
        BOOST_TEST(log.lines().size() == 1U);
    });
}

BOOST_AUTO_TEST_CASE(T172_the_failure_that_came_last_is_the_one_reported) {
    Refusing const first;
    Refusing const second;
    on_each_loop([&](Host& host) {
        CapturedLog const log;
        // Of another family, and so the second.
        Address const other(asio::local::stream_protocol::endpoint("/nonexistent/socket"));
        Party party(host, {first.address(), second.address(), other});
        host.run(
            [&]() -> asio::awaitable<void> { BOOST_TEST(co_await party.connect() == "refused"); });
        BOOST_TEST_REQUIRE(log.lines().size() == 1U);
        BOOST_TEST(log.lines()[0] == "Cannot connect to example.com:80, trying " +
                                         second.address().to_string() + ": Connection refused");
    });
}

BOOST_AUTO_TEST_CASE(T173_the_overall_timeout_closes_every_attempt) {
    bool const ipv6 = has_ipv6_loopback();
    Silent const v4;
    on_each_loop([&](Host& host) {
        CapturedLog const log;
        Party one(host, {v4.address(), v4.address()});
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await one.connect(with(&ConnectOptions::timeout, 30ms)) == "timed_out");
        });
        BOOST_TEST_REQUIRE(log.lines().size() == 1U);
        BOOST_TEST(log.lines()[0] == "Cannot connect to example.com:80, trying " +
                                         v4.address().to_string() + ": Connection timed out");
        if (!ipv6)
            return;
        Silent const v6("::1");
        Party both(host, {v4.address(), v6.address()});
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await both.connect(with(&ConnectOptions::timeout, 350ms)) == "timed_out");
        });
    });
}

BOOST_AUTO_TEST_CASE(T174_before_the_overall_timeout_success_and_failure_stand) {
    Refusing const refusing;
    on_each_loop([&](Host& host) {
        CapturedLog const log;
        Server const server(host);
        Party good(host, {refusing.address(), server.address()});
        Party bad(host, {refusing.address(), refusing.address()});
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await good.connect(with(&ConnectOptions::timeout, 1h)) ==
                       server.address().to_string());
            BOOST_TEST(co_await bad.connect(with(&ConnectOptions::timeout, 1h)) == "refused");
            auto const stream =
                co_await good.client.connect("x", 80, with(&ConnectOptions::timeout, 50ms));
            asio::steady_timer timer(host.context(), 60ms);
            co_await timer.async_wait(asio::use_awaitable);
            BOOST_TEST(!stream->closed());
        });
    });
}

// ---- A port of chance: nobody listens, and the kernel gives it to the client itself

BOOST_AUTO_TEST_CASE(a_client_that_would_be_connected_to_itself_is_refused) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        auto const address = Refusing().address(); // free again
        Party party(host, {address});
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await party.connect(with(&ConnectOptions::source_port, address.port())) ==
                       "refused");
        });
        BOOST_TEST_REQUIRE(log.lines().size() == 1U);
        BOOST_TEST(log.lines()[0] == "Cannot connect to example.com:80, trying " +
                                         address.to_string() + ": Connection refused");
    });
}

BOOST_AUTO_TEST_CASE(a_client_that_would_be_connected_to_itself_tries_on) {
    if (!has_ipv6_loopback())
        return;
    on_each_loop([](Host& host) {
        Server const server(host, "::1");
        auto const address = Refusing().address();
        Party party(host, {address, server.address()});
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await party.connect(with(&ConnectOptions::source_port, address.port())) ==
                       server.address().to_string());
        });
    });
}

// ---- Cancellation

BOOST_AUTO_TEST_CASE(a_cancellation_closes_every_attempt) {
    bool const ipv6 = has_ipv6_loopback();
    Silent const v4;
    std::unique_ptr<Silent> v6(ipv6 ? new Silent("::1") : nullptr);
    on_each_loop([&](Host& host) {
        CapturedLog const log;
        Party party(host, {v4.address(), v6 ? v6->address() : v4.address()});
        Events events;
        asio::cancellation_signal signal;
        party.client.connect("x", 80, with(&ConnectOptions::timeout, 1h),
                             asio::bind_cancellation_slot(signal.slot(), events.on("x")));
        auto const under_way = party.before + 2;
        host.run([&]() -> asio::awaitable<void> {
            co_await host.until([&] { return client_ends() == under_way; });
            signal.emit(asio::cancellation_type::total);
            BOOST_TEST(events.take() == ""); // never inside the call
            BOOST_TEST(client_ends() == party.before);
            co_await host.until([&] { return events.take() == "x!aborted"; });
        });
        BOOST_TEST(log.lines().empty());
    });
}

BOOST_AUTO_TEST_CASE(close_ends_attempts_and_leaves_streams_alone) {
    Silent const silent;
    on_each_loop([&](Host& host) {
        Server const server(host);
        Party party(host, {server.address()});
        Events events;
        host.run([&]() -> asio::awaitable<void> {
            auto const stream = co_await party.client.connect("x", 80);
            party.resolver.always = {silent.address()};
            party.client.connect("y", 80, events.on("y"));
            co_await host.until([&] { return client_ends() == party.before + 2; });
            party.client.close();
            co_await host.until([&] { return events.take() == "y!aborted"; });
            BOOST_TEST(client_ends() == party.before + 1);
            BOOST_TEST(!(co_await stream->read_until("\n")).empty());
        });
    });
}

BOOST_AUTO_TEST_CASE(a_race_with_a_timer_that_wins) {
    using namespace asio::experimental::awaitable_operators;
    Silent const silent;
    on_each_loop([&](Host& host) {
        Party party(host, {silent.address()});
        host.run([&]() -> asio::awaitable<void> {
            asio::steady_timer timer(host.context(), 20ms);
            auto const first = co_await (party.client.connect("x", 80, {}, asio::use_awaitable) ||
                                         timer.async_wait(asio::use_awaitable));
            BOOST_TEST(first.index() == 1U);
            BOOST_TEST(client_ends() == party.before);
        });
    });
}

BOOST_AUTO_TEST_CASE(many_at_a_time) {
    on_each_loop([](Host& host) {
        Server const server(host);
        TCPClient client(host.loop());
        int constexpr count = 200;
        int connected = 0;
        for (int i = 0; i < count; ++i)
            client.connect("127.0.0.1", server.address().port(),
                           [&](error_code ec, IOStreamPtr const&) { connected += !ec; });
        host.run([&]() -> asio::awaitable<void> {
            co_await host.until(
                [&] { return connected == count && server.stats().accepted == count; });
            co_await host.until([&] { return server.stats().active == 0; });
        });
    });
}

BOOST_AUTO_TEST_SUITE_END()
