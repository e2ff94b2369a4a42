// SPDX-License-Identifier: BSL-1.0
// Layers of Asio's own over a stream.
#include "tornado/iostream.hpp"

#include "support/events.hpp"
#include "support/stream_pairs.hpp"
#include "support/tls.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <string>
#include <type_traits>

using namespace tornado;
using namespace tornado::test;

BOOST_AUTO_TEST_SUITE(iostream_layers)

BOOST_AUTO_TEST_CASE_TEMPLATE(asios_tls_over_a_stream, Kind, ConnectionKinds) {
    using Layer = asio::ssl::stream<IOStream&>;
    StreamPair<Kind> io;
    auto const client_side = client_context();
    auto const server_side = server_context();
    Layer client(*io.near, *client_side);
    Layer server(*io.far, *server_side);
    static_assert(std::is_same_v<Layer::executor_type, IOStream::executor_type>);
    BOOST_TEST(&client.lowest_layer() == io.near.get());
    BOOST_TEST(&client.next_layer() == io.near.get());
    BOOST_TEST((client.get_executor() == io.near->get_executor()));

    std::string const text(1'000'000, 'x');
    bool ended = false;
    asio::co_spawn(
        io.context,
        [&]() -> asio::awaitable<void> {
            co_await server.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
            std::string line;
            auto const n = co_await asio::async_read_until(server, asio::dynamic_buffer(line), "\n",
                                                           asio::use_awaitable);
            co_await asio::async_write(server, asio::buffer(line, n), asio::use_awaitable);
            co_await asio::async_write(server, asio::buffer(text), asio::use_awaitable);
            co_await server.async_shutdown(asio::use_awaitable);
        },
        [&](std::exception_ptr failure) { ended = !failure; });
    io.run_test([&]() -> asio::awaitable<void> {
        co_await client.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
        co_await asio::async_write(client, asio::buffer("hello\n", 6), asio::use_awaitable);
        std::string got(6 + text.size(), '\0');
        co_await asio::async_read(client, asio::buffer(got), asio::use_awaitable);
        BOOST_TEST((got == "hello\n" + text));
        co_await client.async_shutdown(asio::use_awaitable);
    });
    io.run_until([&] { return ended; });
    BOOST_TEST(!io.near->closed()); // it is the stream's own end that closes it
}

BOOST_AUTO_TEST_SUITE_END()
