// SPDX-License-Identifier: BSL-1.0
// TCPClient up to the first attempt: names, options, deadlines, ends.
#include "tornado/tcpclient.hpp"

#include "tornado/testing.hpp"

#include "support/addresses.hpp"
#include "support/connect_options.hpp"
#include "support/descriptors.hpp"
#include "support/events.hpp"
#include "support/host.hpp"
#include "support/io.hpp"
#include "support/scripted_resolver.hpp"
#include "support/tls.hpp"
#include "support/uncalled.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

using namespace tornado;
using namespace tornado::test;

namespace {

asio::awaitable<error_code> failure_of(TCPClient& client, std::string host, std::uint16_t port,
                                       ConnectOptions options = {}) {
    auto const [ec, stream] = co_await client.connect(std::move(host), port, std::move(options),
                                                      asio::as_tuple(asio::use_awaitable));
    BOOST_TEST(!stream == ec.failed());
    co_return ec;
}

} // namespace

BOOST_AUTO_TEST_SUITE(tcpclient)

// ---- The name

BOOST_AUTO_TEST_CASE(T126_a_name_that_does_not_resolve_fails_connect) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        TCPClient client(host.loop());
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await failure_of(client, std::string(300, 'x'), 80) ==
                       asio::error::host_not_found);
            BOOST_TEST(co_await failure_of(client, "a\nb", 443) == asio::error::host_not_found);
            BOOST_CHECK_THROW(co_await client.connect("", 80), system_error);
        });
        BOOST_TEST_REQUIRE(log.lines().size() == 3U);
        BOOST_TEST(log.lines()[1] == "Cannot connect to a\\x0ab:443, looking up the name: "
                                     "Host not found (authoritative)");
    });
}

BOOST_AUTO_TEST_CASE(the_resolver_is_asked_for_host_port_and_family) {
    on_each_loop([](Host& host) {
        ScriptedResolver resolver(host.loop());
        TCPClient client(host.loop(), &resolver);
        Events events;
        client.connect("a", 1, events.on("a"));
        client.connect("b", 2, with(&ConnectOptions::family, AF_INET6), events.on("b"));
        client.connect("c", 3, with(&ConnectOptions::source_ip, "127.0.0.1"), events.on("c"));
        client.connect(
            "d", 4,
            with(&ConnectOptions::family, AF_INET6, with(&ConnectOptions::source_ip, "127.0.0.1")),
            events.on("d"));
        auto const& asked = resolver.questions;
        BOOST_TEST_REQUIRE(asked.size() == 4U);
        BOOST_TEST((asked[0].host == "a" && asked[0].port == 1 && asked[0].family == AF_UNSPEC));
        BOOST_TEST((asked[1].host == "b" && asked[1].port == 2 && asked[1].family == AF_INET6));
        BOOST_TEST(asked[2].family == AF_INET);
        BOOST_TEST(asked[3].family == AF_INET6);
        client.close();
    });
}

BOOST_AUTO_TEST_CASE(T165_the_timeout_covers_the_name) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        ScriptedResolver resolver(host.loop());
        TCPClient client(host.loop(), &resolver);
        host.run([&]() -> asio::awaitable<void> {
            for (auto const timeout : {20ms, 0ms, -1ms})
                BOOST_TEST(co_await failure_of(client, "example.com", 80,
                                               with(&ConnectOptions::timeout, timeout)) ==
                           asio::error::timed_out);
        });
        for (auto const& question : resolver.questions)
            BOOST_TEST(!question.completion.wanted());
        BOOST_TEST(
            log.count("Cannot connect to example.com:80, looking up the name: Connection timed") ==
            3);
    });
}

BOOST_AUTO_TEST_CASE(T165_a_timeout_that_did_not_expire_leaves_nothing) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        ScriptedResolver resolver(host.loop());
        TCPClient client(host.loop(), &resolver);
        Events events;
        for (auto const timeout :
             {ConnectOptions::clock::duration(1h), ConnectOptions::clock::duration::max() - 1ns})
            client.connect("x", 80, with(&ConnectOptions::timeout, timeout), events.on("x"));
        resolver.answer(asio::error::no_data);
        resolver.answer(asio::error::no_data);
        host.check_no_work(); // runs both to their ends
        host.run([&]() -> asio::awaitable<void> {
            co_await asio::post(host.context(), asio::use_awaitable);
        });
        BOOST_TEST(events.take().starts_with("x!"));
    });
}

// ---- The source

BOOST_AUTO_TEST_CASE(T164_a_source_that_is_no_address_fails_loudly) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        ScriptedResolver resolver(host.loop());
        TCPClient client(host.loop(), &resolver);
        std::string told;
        host.run([&]() -> asio::awaitable<void> {
            try {
                auto const options = with(&ConnectOptions::source_ip, "local\nhost");
                static_cast<void>(co_await client.connect("::1", 80, options));
            } catch (std::invalid_argument const& e) {
                told = e.what();
            }
        });
        BOOST_TEST(told == "ConnectOptions: source_ip \"local\\x0ahost\" is not an IP address");
        BOOST_TEST(resolver.questions.empty());
        BOOST_TEST(log.lines().empty());
    });
}

// ---- What cannot even be begun

BOOST_AUTO_TEST_CASE(a_number_that_is_no_port_is_refused_in_the_caller) {
    LoopFixture test(30s);
    ScriptedResolver resolver(test.loop);
    TCPClient client(test.loop, &resolver);
    int caught = 0;
    test.run([&]() -> asio::awaitable<void> {
        for (long const number : {70'000L, -1L})
            try {
                static_cast<void>(co_await client.connect("localhost", number));
            } catch (std::invalid_argument const& e) {
                caught += std::string(e.what()).starts_with("port " + std::to_string(number));
            }
    });
    BOOST_TEST(caught == 2);
    BOOST_CHECK_THROW(with(&ConnectOptions::source_port, 65'536), std::invalid_argument);
    BOOST_TEST(with(&ConnectOptions::source_port, 65'535).source_port == 65'535);
    BOOST_TEST(resolver.questions.empty());
}

BOOST_AUTO_TEST_CASE(a_resolver_that_throws_is_what_is_reported) {
    struct Throwing : Resolver {
        using Resolver::Resolver;
        void look_up(std::string, std::uint16_t, int, Completion) override {
            throw system_error(asio::error::network_unreachable, "no name server");
        }
    };
    on_each_loop([](Host& host) {
        CapturedLog const log;
        Throwing resolver(host.loop());
        TCPClient client(host.loop(), &resolver);
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await failure_of(client, "example.com", 80) ==
                       asio::error::network_unreachable);
        });
        BOOST_TEST(log.count("Exception in look_up of \"example.com\": ") == 1);
        BOOST_TEST(log.count("system_error: no name server: Network is unreachable") == 1);
        BOOST_TEST(log.count("Cannot connect to example.com:80, looking up the name: Network is "
                             "unreachable") == 1);
        BOOST_TEST(log.lines().size() == 2U);
    });
}

// ---- Ends

BOOST_AUTO_TEST_CASE(T176_close_closes_a_resolver_of_its_own_alone) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        ScriptedResolver resolver(host.loop());
        TCPClient client(host.loop(), &resolver);
        TCPClient other(host.loop());
        Events events;
        client.connect("a", 80, events.on("a"));
        client.connect("b", 80, events.on("b"));
        other.connect("127.0.0.1", 80, events.on("other"));
        for (auto* const closed : {&client, &other}) {
            closed->close();
            closed->close();
        }
        client.connect("c", 80, events.on("late"));
        BOOST_TEST(events.take() == ""); // never inside the call
        BOOST_TEST(resolver.closed == 0);
        BOOST_TEST_REQUIRE(resolver.questions.size() == 2U);
        BOOST_TEST(!resolver.questions[0].completion.wanted());
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await failure_of(client, "d", 80) == asio::error::operation_aborted);
        });
        host.check_no_work();
        BOOST_TEST(events.take() == "a!aborted, b!aborted, other!aborted, late!aborted");
        BOOST_TEST(log.lines().empty()); // the caller's will
    });
}

BOOST_AUTO_TEST_CASE(a_connect_goes_on_without_its_client) {
    on_each_loop([](Host& host) {
        ScriptedResolver resolver(host.loop());
        auto server = bind_unused_port().first;
        Events events;
        TCPClient(host.loop(), &resolver).connect("x", 80, events.on("x"));
        resolver.answer({server.local_address()});
        host.run([&]() -> asio::awaitable<void> {
            co_await host.until([&] { return events.take() == "x:stream"; });
        });
    });
}

BOOST_AUTO_TEST_CASE(each_kind_of_cancellation_ends_the_look_up) {
    using asio::cancellation_type;
    for (auto const type :
         {cancellation_type::terminal, cancellation_type::partial, cancellation_type::total})
        on_each_loop([type](Host& host) {
            CapturedLog const log;
            ScriptedResolver resolver(host.loop());
            TCPClient client(host.loop(), &resolver);
            Events events;
            asio::cancellation_signal signal;
            client.connect("x", 80, with(&ConnectOptions::timeout, 1h),
                           asio::bind_cancellation_slot(signal.slot(), events.on("x")));
            signal.emit(type);
            signal.emit(type);
            BOOST_TEST(events.take() == ""); // never inside the call
            host.run([&]() -> asio::awaitable<void> {
                co_await host.until([&] { return events.take() == "x!aborted"; });
            });
            BOOST_TEST(!signal.slot().has_handler());
            BOOST_TEST(!resolver.questions[0].completion.wanted());
            BOOST_TEST(log.lines().empty());
        });
}

// Never used; with a look-up, attempts, or a handshake pending; used.
BOOST_AUTO_TEST_CASE(a_client_that_outlives_its_context_is_closed) {
    Silent const silent;
    auto const mute = bind_unused_port().first; // its queue accepts
    auto const descriptors = open_descriptors();
    for (int stage = 0; stage < 6; ++stage)
        for (bool const used_after : {false, true})
            BOOST_TEST_CONTEXT("stage " << stage) {
                auto io = std::make_unique<Io>();
                ScriptedResolver resolver(io->executor());
                TCPClient client(asio::make_strand(io->context), &resolver);
                TCPClient own_resolver(io->executor());
                Uncalled const uncalled;
                auto options = with(&ConnectOptions::timeout, 1h);
                if (stage == 4)
                    options.ssl = client_context();
                if (stage != 0) {
                    client.connect("x", 80, options, uncalled.handler());
                    own_resolver.connect("localhost", silent.address().port(), options,
                                         uncalled.handler());
                }
                switch (stage) {
                case 2:
                    resolver.answer({silent.address(), Address("::1", 1)});
                    break;
                case 3:
                    resolver.answer({silent.address()});
                    io->poll();
                    break;
                case 4:
                    resolver.answer({mute.local_address()});
                    io->poll();
                    break;
                case 5:
                    resolver.always = {mute.local_address()};
                    io->run_test([&]() -> asio::awaitable<void> {
                        static_cast<void>(co_await client.connect("y", 80));
                    });
                    break;
                }
                io.reset();
                BOOST_TEST(uncalled.left() == 0);
                // A thread that looks up what nobody waits for has some open for a while.
                for (auto const end = std::chrono::steady_clock::now() + 30s;
                     open_descriptors() != descriptors && std::chrono::steady_clock::now() < end;)
                    std::this_thread::yield();
                BOOST_TEST(open_descriptors() == descriptors);
                if (used_after) {
                    client.connect("x", 80, options, uncalled.handler());
                    own_resolver.connect("127.0.0.1", 80, uncalled.handler());
                    BOOST_TEST(uncalled.left() == 0);
                    client.close();
                    own_resolver.close();
                    client.connect("x", 80, uncalled.handler());
                    BOOST_TEST(uncalled.left() == 0);
                }
            }
}

// ---- Tokens and executors

BOOST_AUTO_TEST_CASE(the_default_loop_is_the_current_one) {
    LoopFixture test(30s);
    TCPClient client;
    auto const [server, port] = bind_unused_port();
    test.run([&, number = port]() -> asio::awaitable<void> {
        auto const stream = co_await client.connect("127.0.0.1", number);
        BOOST_TEST(stream->loop() == &test.loop);
    });
}

BOOST_AUTO_TEST_CASE(a_client_on_plain_asio_and_with_any_token) {
    asio::thread_pool pool(1);
    TCPClient client(asio::make_strand(pool));
    auto const server = bind_unused_port().first;
    auto stream =
        client.connect("127.0.0.1", server.local_address().port(), {}, asio::use_future).get();
    BOOST_TEST(stream->remote_address() == server.local_address());
    asio::post(stream->get_executor(), [&] { stream.reset(); });
    pool.join();
}

BOOST_AUTO_TEST_CASE(the_resolver_may_be_on_another_context) {
    Io io;
    Io names;
    ScriptedResolver resolver(names.executor());
    auto const server = bind_unused_port().first;
    resolver.always = {server.local_address()};
    TCPClient client(io.executor(), &resolver);
    Events events;
    client.connect("x", 80, events.on("x"));
    names.run();
    pollfd connection{server.native_handle(), POLLIN, 0};
    BOOST_TEST(::poll(&connection, 1, 0) == 0); // nothing is begun there
    io.run();
    BOOST_TEST(events.take() == "x:stream");
}

BOOST_AUTO_TEST_CASE(a_resolver_on_a_context_that_does_not_run_holds_up_no_end) {
    CapturedLog const log;
    Io io;
    Io names;
    ScriptedResolver resolver(names.executor());
    TCPClient client(io.executor(), &resolver);
    Events events;
    client.connect("x", 80, with(&ConnectOptions::timeout, 1h), events.on("x"));
    client.connect("y", 80, with(&ConnectOptions::timeout, 1ms), events.on("y"));
    io.run_until(
        [&, seen = std::string()]() mutable { return (seen += events.take()) == "y!timed_out"; });
    client.close();
    io.run_until(
        [&, seen = std::string()]() mutable { return (seen += events.take()) == "x!aborted"; });
}

BOOST_AUTO_TEST_CASE(completion_runs_on_the_handlers_executor) {
    Io io;
    asio::io_context other;
    TCPClient client(io.executor());
    auto const server = bind_unused_port().first;
    bool called = false;
    client.connect("127.0.0.1", server.local_address().port(),
                   asio::bind_executor(other, [&](error_code, IOStreamPtr) {
                       called = other.get_executor().running_in_this_thread();
                   }));
    io.run_until([&] {
        other.poll();
        return called;
    });
}

BOOST_AUTO_TEST_SUITE_END()
