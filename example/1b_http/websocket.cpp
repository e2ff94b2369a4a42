// SPDX-License-Identifier: BSL-1.0
// A WebSocket echo on one screen: Boost.Beast speaks the protocol, on our stream.
#include <tornado.hpp>
#include <tornado/beast.hpp>

#include "serve.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;

asio::awaitable<void> serve(tornado::IOStreamPtr stream, tornado::Address) {
    websocket::stream<tornado::IOStream&> ws(*stream);
    ws.set_option(websocket::stream_base::timeout::suggested(boost::beast::role_type::server));
    ws.read_message_max(64 * 1024);
    auto const [refused] = co_await ws.async_accept(asio::as_tuple(asio::deferred));
    if (refused)
        co_return; // no WebSocket
    for (;;) {
        boost::beast::flat_buffer message;
        auto const [ended, size] = co_await ws.async_read(message, asio::as_tuple(asio::deferred));
        if (ended)
            co_return; // in good order (websocket::error::closed) or not
        ws.text(ws.got_text());
        co_await ws.async_write(message.data(), asio::deferred);
    }
}

int main(int argc, char** argv) {
    return example::run("websocket", [&] {
        example::Place place;
        example::Options options("websocket", "sends every message back");
        place.add_to(options);
        if (!options.parse(argc, argv))
            return;
        tornado::IOLoop loop;
        tornado::TCPServer server(loop, serve);
        example::serve(loop, server, place, "ws");
    });
}
