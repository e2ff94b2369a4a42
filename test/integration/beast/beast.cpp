// SPDX-License-Identifier: BSL-1.0
// Boost.Beast on streams, plain and TLS: HTTP, and WebSockets from the first byte to the last.
#include "tornado/beast.hpp"

#include "support/events.hpp"
#include "support/stream_pairs.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/test/unit_test.hpp>

#include <string>
#include <tuple>
#include <type_traits>

namespace beast = boost::beast;
namespace websocket = beast::websocket;

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

using Kinds = std::tuple<TcpKind, TlsKind>;

template <class Kind>
using StreamOf = std::conditional_t<std::is_same_v<Kind, TlsKind>, SSLIOStream, IOStream>;

/// A WebSocket over each end of a pair; near is the client.
template <class Kind>
struct WebSocketPair : StreamPair<Kind> {
    using Stream = StreamOf<Kind>;

    websocket::stream<Stream&> client{static_cast<Stream&>(*this->near)};
    websocket::stream<Stream&> server{static_cast<Stream&>(*this->far)};

    WebSocketPair() {
        Events events;
        client.async_handshake("localhost", "/", events.on("client"));
        server.async_accept(events.on("server"));
        this->run_until([&] { return client.is_open() && server.is_open(); });
        BOOST_TEST(events.take() == "server, client");
    }

    /// Both are gone, and nothing is left to do.
    void check_ended() {
        BOOST_TEST(this->near->closed());
        BOOST_TEST(this->far->closed());
        this->run();
        BOOST_TEST(this->near->native_handle() == -1);
        BOOST_TEST(this->far->native_handle() == -1);
    }
};

/// Sends every message back until the peer closes; the code that ended it.
template <class WebSocket>
asio::awaitable<error_code> echo(WebSocket& ws) {
    for (beast::flat_buffer message;; message.clear()) {
        auto const [ec, n] = co_await ws.async_read(message, asio::as_tuple(asio::use_awaitable));
        if (ec)
            co_return ec;
        ws.text(ws.got_text());
        co_await ws.async_write(message.data(), asio::use_awaitable);
    }
}

template <class WebSocket>
asio::awaitable<std::string> ask(WebSocket& ws, std::string const& text) {
    co_await ws.async_write(asio::buffer(text), asio::use_awaitable);
    beast::flat_buffer answer;
    co_await ws.async_read(answer, asio::use_awaitable);
    co_return beast::buffers_to_string(answer.data());
}

template <class Near, class Far, class Io>
void check_echo(Io& io, Near& asks, Far& answers) {
    error_code end;
    asio::co_spawn(io.context, echo(answers), [&](std::exception_ptr, error_code ec) { end = ec; });
    io.run_test([&]() -> asio::awaitable<void> {
        auto const large = std::string(1'000'000, 'x');
        BOOST_TEST(co_await ask(asks, "hello") == "hello");
        auto const back = co_await ask(asks, large);
        BOOST_TEST((back == large));
        co_await asks.async_close(websocket::close_code::normal, asio::use_awaitable);
    });
    io.run_until([&] { return end.failed(); });
    BOOST_TEST((end == websocket::error::closed));
    BOOST_TEST(answers.reason().code == websocket::close_code::normal);
}

} // namespace

BOOST_AUTO_TEST_SUITE(beast_streams)

BOOST_AUTO_TEST_CASE_TEMPLATE(a_client_that_closes_a_websocket, Kind, Kinds) {
    WebSocketPair<Kind> io;
    check_echo(io, io.client, io.server);
    io.check_ended();
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_server_that_closes_a_websocket, Kind, Kinds) {
    WebSocketPair<Kind> io;
    check_echo(io, io.server, io.client);
    io.check_ended();
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_server_ends_the_connection_first, Kind, Kinds) {
    using role = beast::role_type;
    StreamPair<Kind> io;
    auto& client = static_cast<StreamOf<Kind>&>(*io.near);
    auto& server = static_cast<StreamOf<Kind>&>(*io.far);
    Events events;
    async_teardown(role::client, client, events.on("client"));
    io.poll();
    BOOST_TEST(events.take() == "");
    BOOST_TEST(!client.closed());
    server.write("too late");
    async_teardown(role::server, server, events.on("server"));
    BOOST_TEST(events.take() == ""); // never inside the call
    io.run();
    BOOST_TEST(events.take() == "client, server");
    BOOST_TEST(client.closed());
    BOOST_TEST(server.closed());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_teardown_can_be_cancelled, Kind, Kinds) {
    StreamPair<Kind> io;
    auto& client = static_cast<StreamOf<Kind>&>(*io.near);
    Events events;
    asio::cancellation_signal cancel;
    async_teardown(beast::role_type::client, client,
                   asio::bind_cancellation_slot(cancel.slot(), events.on("teardown")));
    io.poll();
    cancel.emit(asio::cancellation_type::terminal);
    io.poll();
    BOOST_TEST(events.take() == "teardown!aborted");
    BOOST_TEST(client.closed());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_teardown_that_waits_for_nobody, Kind, Kinds) {
    StreamPair<Kind> io;
    error_code ec = asio::error::fault;
    io.near->write("last words");
    teardown(beast::role_type::server, static_cast<StreamOf<Kind>&>(*io.near), ec);
    BOOST_TEST(!ec);
    BOOST_TEST(io.near->closed());
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await io.far->read_until_close() == "last words");
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(beasts_time_outs_close_the_stream, Kind, Kinds) {
    WebSocketPair<Kind> io;
    Events events;
    beast::flat_buffer message;
    io.server.set_option(websocket::stream_base::timeout{30s, 1ms, false});
    io.server.async_read(message, [&](error_code ec, std::size_t) {
        BOOST_TEST((ec == beast::error::timeout));
        events.add("read");
    });
    io.run_until([&] { return io.far->closed(); });
    io.poll();
    BOOST_TEST(events.take() == "read");
    BOOST_TEST((io.far->error() == asio::error::timed_out));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(http_messages, Kind, Kinds) {
    namespace http = beast::http;
    using Stream = StreamOf<Kind>;
    StreamPair<Kind> io;
    auto& client = static_cast<Stream&>(*io.near);
    auto& server = static_cast<Stream&>(*io.far);
    io.run_test([&]() -> asio::awaitable<void> {
        std::string const body(1'000'000, 'b');
        http::request<http::string_body> question(http::verb::post, "/", 11, body);
        question.prepare_payload();
        asio::co_spawn(
            io.context,
            [&]() -> asio::awaitable<void> {
                beast::flat_buffer buffer;
                http::request<http::string_body> request;
                co_await http::async_read(server, buffer, request, asio::use_awaitable);
                http::response<http::string_body> answer(http::status::ok, 11, request.body());
                answer.prepare_payload();
                co_await http::async_write(server, answer, asio::use_awaitable);
            },
            asio::detached);
        co_await http::async_write(client, question, asio::use_awaitable);
        beast::flat_buffer buffer;
        http::response<http::string_body> answer;
        co_await http::async_read(client, buffer, answer, asio::use_awaitable);
        BOOST_TEST((answer.body() == body));
    });
}

BOOST_AUTO_TEST_SUITE_END()
