// SPDX-License-Identifier: BSL-1.0
// Peers that reset, trickle, end one side or never read.
#include "tornado/iostream.hpp"
#include "tornado/testing.hpp"

#include "support/events.hpp"
#include "support/stream_pairs.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <string>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

void reset(Socket& socket) {
    socket.set_option(asio::socket_base::linger(true, 0));
    socket.close();
}

} // namespace

BOOST_AUTO_TEST_SUITE(iostream_peers)

BOOST_AUTO_TEST_CASE(T111_a_reset_with_a_read_pending) {
    CapturedLog const log;
    StreamAndSocket<TcpKind> io;
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.stream->read_until("\n", events.on("read"));
    io.poll();
    reset(io.peer);
    io.run();
    BOOST_TEST(events.take() == "read!reset, close");
    BOOST_TEST(word(io.stream->error()) == "reset");
    BOOST_TEST(log.lines().empty());
}

BOOST_AUTO_TEST_CASE(T059_T111_a_reset_with_bytes_unread) {
    for (bool const write : {false, true}) {
        CapturedLog const log;
        StreamAndSocket<TcpKind> io;
        Events events;
        asio::write(io.peer, asio::buffer("hello", 5));
        io.stream->set_close_callback(events.at("close"));
        std::array<char, 5> buffer;
        io.stream->read_into(asio::buffer(buffer), events.on("read"));
        reset(io.peer);
        if (write)
            io.stream->write("x");
        io.run();
        // Linux keeps what had come before the reset.
        auto const order = events.take();
        BOOST_TEST((order == "read:5, close" || order == "read!reset, close"), order);
        BOOST_TEST(log.lines().empty());
    }
}

BOOST_AUTO_TEST_CASE(T111_T114_a_reset_while_writing) {
    CapturedLog const log;
    StreamAndSocket<TcpKind> io;
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.stream->write(std::string(20000000, 'x'), events.on("write"));
    io.poll();
    BOOST_TEST(io.stream->writing());
    reset(io.peer);
    io.run();
    BOOST_TEST(events.take() == "write!reset, close");
    BOOST_TEST(log.lines().empty());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(writing_to_a_peer_that_is_gone_raises_no_signal, Kind, SocketKinds) {
    CapturedLog const log;
    StreamAndSocket<Kind> io;
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.stream->set_write_watermarks(0, 100, {});
    io.peer.close();
    auto const write = [&](auto& self, error_code ec) -> void {
        if (!ec)
            io.stream->write(std::string(1000, 'x'), [&](error_code next) { self(self, next); });
    };
    write(write, {});
    io.run();
    BOOST_TEST(events.take() == "close");
    BOOST_TEST((io.stream->error() == errc::stream_closed));
    BOOST_TEST(log.lines().empty());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T110_a_half_close_ends_the_stream_or_not, Kind, SocketKinds) {
    for (bool const half_close : {false, true}) {
        StreamAndSocket<Kind> io(StreamOptions{.half_close = half_close});
        Events events;
        io.stream->set_close_callback(events.at("close"));
        asio::write(io.peer, asio::buffer("request\n", 8));
        io.peer.shutdown(Socket::shutdown_send);
        io.run_test([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await io.stream->read_until("\n") == "request\n");
            BOOST_TEST(co_await io.stream->read_until_close() == "");
            BOOST_TEST(io.stream->closed() == !half_close);
            if (half_close) {
                co_await io.stream->write("answer");
                std::array<char, 6> answer;
                co_await asio::async_read(io.peer, asio::buffer(answer), asio::use_awaitable);
                BOOST_TEST(std::string(answer.data(), 6) == "answer");
                io.stream->close();
            }
        });
        io.run();
        BOOST_TEST(events.take() == "close");
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_peer_that_trickles_is_understood, Kind, SocketKinds) {
    StreamAndSocket<Kind> io;
    std::string const text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n0123456789";
    std::array<char, 10> body;
    std::string head;
    bool done = false;
    io.stream->read_until_regex("\r?\n\r?\n", [&](error_code, std::string data) {
        head = std::move(data);
        io.stream->read_into(asio::buffer(body), [&](error_code, std::size_t) { done = true; });
    });
    for (std::size_t i = 0; i < text.size(); ++i) {
        asio::write(io.peer, asio::buffer(&text[i], 1));
        io.run_until([&] { return io.stream->bytes_read() == i + 1; });
        io.poll();
    }
    BOOST_TEST(done);
    BOOST_TEST(head + std::string(body.data(), body.size()) == text);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T098_a_peer_that_never_reads_fills_a_bounded_queue, Kind,
                              SocketKinds) {
    StreamAndSocket<Kind> io(StreamOptions{.max_write_buffer_size = 1000000});
    std::string const data(100000, 'x');
    int refused = 0;
    for (int i = 0; i < 200 && refused == 0; ++i) {
        io.stream->write(data, [&](error_code ec) { refused += ec == error::buffer_full; });
        io.poll();
    }
    BOOST_TEST(refused == 1);
    BOOST_TEST(!io.stream->closed());
    auto const sent = io.stream->bytes_written();
    BOOST_CHECK_THROW(io.stream->write(data), system_error);
    io.stream->close();
    BOOST_TEST(io.stream->bytes_written() == sent);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(close_after_flush_does_not_wait_forever_for_the_peer, Kind,
                              SocketKinds) {
    StreamAndSocket<Kind> io;
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.stream->write("goodbye");
    io.stream->close_after_flush(20ms);
    io.run();
    BOOST_TEST(events.take() == "close");
    BOOST_TEST(io.stream->native_handle() == -1);
    std::string got;
    error_code ec;
    asio::read(io.peer, asio::dynamic_buffer(got), ec);
    BOOST_TEST(got == "goodbye");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(watermarks_hold_a_writer, Kind, SocketKinds) {
    StreamAndSocket<Kind> io;
    Events events;
    constexpr std::size_t size = 20000000;
    io.stream->set_write_watermarks(100000, 1000000,
                                    [&](bool above) { events.add(above ? "above" : "below"); });
    io.stream->write(std::string(size, 'x'));
    io.poll();
    BOOST_TEST(events.take() == "above");
    std::string got(size, '\0');
    bool done = false;
    asio::async_read(io.peer, asio::buffer(got), [&](error_code, std::size_t) { done = true; });
    io.run_until([&] { return done; });
    io.poll();
    BOOST_TEST(events.take() == "below");
}

BOOST_AUTO_TEST_SUITE_END()
