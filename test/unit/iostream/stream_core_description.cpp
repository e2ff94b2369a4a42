// SPDX-License-Identifier: BSL-1.0
// What a stream is called, and what it says of itself: what is pending, queued and unread.
#include "iostream/stream_core.hpp"

#include "tornado/testing.hpp"

#include "support/certificates.hpp"
#include "support/scripted_stream.hpp"
#include "support/stream_pairs.hpp"
#include "tether.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>

using namespace tornado;
using namespace tornado::test;

namespace {

auto const nothing = [](auto&&...) {};

std::string description(Io& io) {
    std::string lines;
    detail::describe_tethers(io.context, lines);
    return lines;
}

/// Of the stream alone, from after its age on; empty if it has no line.
std::string state_of(Io& io, BaseIOStream const& stream) {
    auto const text = description(io);
    auto const begin = text.find("connection " + std::to_string(stream.id()));
    if (begin == text.npos)
        return {};
    auto const line = text.substr(begin, text.find('\n', begin) - begin);
    return line.substr(line.find(" old") + 4);
}

} // namespace

BOOST_AUTO_TEST_SUITE(stream_core_description)

BOOST_AUTO_TEST_CASE(a_connection_is_told_with_its_peer_descriptor_and_age) {
    StreamPair<TcpKind> io;
    auto const line = "connection " + std::to_string(io.near->id()) + " (" +
                      io.near->remote_address().to_string() + "): descriptor " +
                      std::to_string(io.near->native_handle()) + ", 0.";
    BOOST_TEST(description(io).find(line) == 0U, description(io));
    BOOST_TEST(state_of(io, *io.near) == ", idle");
    BOOST_TEST(io.far->id() == io.near->id() + 1);
}

BOOST_AUTO_TEST_CASE(each_kind_of_read_is_named) {
    std::array<char, 9> room;
    auto const check = [](auto begin, std::string const& words) {
        StreamPair<TcpKind> io;
        begin(*io.near);
        BOOST_TEST(state_of(io, *io.near) == ", " + words);
        io.far->close();
    };
    check([](IOStream& s) { s.read_until("\n", nothing); }, "reads until a delimiter");
    check([](IOStream& s) { s.read_until("ab", nothing); }, "reads until a delimiter");
    check([](IOStream& s) { s.read_until_regex("a+b", nothing); }, "reads until a match");
    check([](IOStream& s) { s.read_bytes(7, nothing); }, "reads 7 bytes");
    check([](IOStream& s) { s.read_bytes(7, true, nothing); }, "reads up to 7 bytes");
    check([](IOStream& s) { s.read_until_close(nothing); }, "reads until the end");
    check([](IOStream& s) { s.fill(3, nothing); }, "waits until 3 bytes are buffered");
    check([&](IOStream& s) { s.read_into(asio::buffer(room), nothing); }, "reads 9 bytes");
    check([&](IOStream& s) { s.read_into(asio::buffer(room), true, nothing); },
          "reads up to 9 bytes");
}

BOOST_AUTO_TEST_CASE(bytes_that_wait_either_way_are_counted) {
    StreamPair<TcpKind> io;
    io.near->read_bytes(100, nothing);
    io.far->write("hello");
    io.run_until([&] { return io.near->bytes_read() == 5; });
    BOOST_TEST(state_of(io, *io.near) == ", reads 100 bytes, 5 bytes unread");
    io.near->write("ab");
    BOOST_TEST(state_of(io, *io.near) == ", reads 100 bytes, 2 bytes to send, 5 bytes unread");
    char path[] = "/tmp/tornado_asio_description_XXXXXX";
    int const file = ::mkstemp(path);
    ::unlink(path);
    BOOST_REQUIRE(::ftruncate(file, 1000) == 0);
    io.near->send_file(file, 0, 1000, nothing);
    BOOST_TEST(state_of(io, *io.near) ==
               ", reads 100 bytes, 2 bytes to send, 1000 bytes of files to send, 5 bytes unread");
    ::close(file);
}

BOOST_AUTO_TEST_CASE(the_stages_of_a_stream) {
    Io io;
    asio::ip::tcp::acceptor acceptor(io.context, {asio::ip::address_v4::loopback(), 0});
    auto const stream = std::make_shared<IOStream>(asio::ip::tcp::socket(io.context));
    BOOST_TEST(state_of(io, *stream) == ", not connected");
    stream->connect(acceptor.local_endpoint(), nothing);
    BOOST_TEST(state_of(io, *stream) == ", connecting");
    io.run_until([&] { return state_of(io, *stream) == ", idle"; });
    stream->shutdown_write();
    auto peer = acceptor.accept();
    stream->close_after_flush();
    BOOST_TEST(state_of(io, *stream) == ", closing after its writes");
    peer.close();
    io.run();
    BOOST_TEST(state_of(io, *stream) == ""); // it waits for nothing
    BOOST_TEST(description(io) == "");
}

BOOST_AUTO_TEST_CASE(a_stream_whose_peer_has_ended_and_one_that_sends_on_after_its_close) {
    StreamPair<TcpKind> io({.half_close = true}, {});
    io.far->shutdown_write();
    io.near->read_until_close(nothing);
    io.run_until([&] { return state_of(io, *io.near) == ", the peer has ended"; });
    io.near->write(std::string(30'000'000, 'x')); // more than the kernel takes
    io.poll();
    io.near->write("y", nothing);
    io.near->close();
    BOOST_TEST(state_of(io, *io.near).starts_with(", closed"), state_of(io, *io.near));
}

BOOST_AUTO_TEST_CASE(the_handshake_is_a_stage_of_its_own) {
    Io io;
    auto [client, server] = tcp_sockets(io);
    auto const context = ssl_options_to_context({.certfile = certificates().localhost.certfile,
                                                 .keyfile = certificates().localhost.keyfile},
                                                true);
    auto const stream = std::make_shared<SSLIOStream>(std::move(server), context, true);
    BOOST_TEST(state_of(io, *stream) == ", in the TLS handshake");
}

BOOST_AUTO_TEST_CASE(a_pipe_has_no_peer) {
    StreamPair<PipeKind> io;
    io.near->read_until("\n", nothing);
    auto const line = "connection " + std::to_string(io.near->id()) + ": descriptor " +
                      std::to_string(io.near->native_handle()) + ", 0.";
    BOOST_TEST(description(io).find(line) == 0U, description(io));
    BOOST_TEST(state_of(io, *io.near) == ", reads until a delimiter");
}

// ---- The id

BOOST_AUTO_TEST_CASE_TEMPLATE(every_stream_has_an_id_of_its_own, Kind, PairKinds) {
    StreamPair<Kind> io;
    BOOST_TEST(io.near->id() != 0U);
    BOOST_TEST(io.far->id() > io.near->id());
    auto const id = io.near->id();
    io.near->close();
    BOOST_TEST(io.near->id() == id);
}

BOOST_AUTO_TEST_CASE(start_tls_keeps_the_id_on_both_streams) {
    StreamPair<TcpKind> io;
    auto const near_id = io.near->id();
    auto const far_id = io.far->id();
    std::shared_ptr<SSLIOStream> near;
    std::shared_ptr<SSLIOStream> far;
    auto const client = ssl_options_to_context({.ca_certs = certificates().ca}, false);
    auto const server = ssl_options_to_context({.certfile = certificates().localhost.certfile,
                                                .keyfile = certificates().localhost.keyfile},
                                               true);
    io.near->start_tls(false, client, "localhost",
                       [&](error_code, SSLIOStreamPtr stream) { near = stream; });
    io.far->start_tls(true, server, "", [&](error_code, SSLIOStreamPtr stream) { far = stream; });
    io.run_until([&] { return near && far; });
    BOOST_TEST(near->id() == near_id);
    BOOST_TEST(io.near->id() == near_id); // it was this connection's
    BOOST_TEST(far->id() == far_id);
    auto const next = std::make_shared<IOStream>(asio::ip::tcp::socket(io.context));
    BOOST_TEST(next->id() > far_id);
}

// ---- Log lines

BOOST_AUTO_TEST_CASE(lines_of_the_log_name_the_connection) {
    {
        CapturedLog const log;
        StreamPair<TcpKind> io;
        auto const name = "connection " + std::to_string(io.near->id()) + " (" +
                          io.near->remote_address().to_string() + ')';
        io.near->read_until("\n", 3, nothing);
        io.far->write("abcdef");
        io.run_until([&] { return io.near->closed(); });
        BOOST_TEST(log.count("Unsatisfiable read, closing " + name) == 1);
    }
    {
        CapturedLog const log;
        StreamPair<TcpKind> io({.max_buffer_size = 10}, {});
        auto const name = "connection " + std::to_string(io.near->id()) + " (" +
                          io.near->remote_address().to_string() + ')';
        io.near->read_until("\n", nothing);
        io.far->write(std::string(100, 'x'));
        io.run_until([&] { return io.near->closed(); });
        BOOST_TEST(log.count("Reached maximum read buffer size, closing " + name) == 1);
    }
    {
        CapturedLog const log;
        StreamPair<TcpKind> io;
        auto const name = "connection " + std::to_string(io.near->id()) + " (" +
                          io.near->remote_address().to_string() + ')';
        io.near->set_write_watermarks(0, 1, [](bool) { throw std::runtime_error("mark"); });
        io.near->write(std::string(30'000'000, 'x')); // more than the kernel takes
        io.run_until([&] { return log.count("mark") != 0; });
        BOOST_TEST(log.count("Exception in write watermark callback of " + name +
                             ": std::runtime_error: mark") == 1);
    }
    { // the descriptor is free by then, and who the peer was nobody knows any more
        CapturedLog const log;
        StreamPair<TcpKind> io;
        auto const name = "connection " + std::to_string(io.near->id());
        io.near->set_close_callback([] { throw std::runtime_error("end"); });
        io.near->close();
        io.run_until([&] { return log.count("end") != 0; });
        BOOST_TEST(
            log.count("Exception in close callback of " + name + ": std::runtime_error: end") == 1);
    }
}

BOOST_AUTO_TEST_SUITE_END()
