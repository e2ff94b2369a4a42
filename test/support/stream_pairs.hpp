// SPDX-License-Identifier: BSL-1.0
// Two streams that are connected with each other, of each kind that there is.
#pragma once

#include "tornado/iostream.hpp"
#include "tornado/ssl_options.hpp"

#include "support/certificates.hpp"
#include "support/io.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <fcntl.h>
#include <memory>
#include <sys/socket.h>
#include <tuple>
#include <unistd.h>
#include <utility>

namespace tornado::test {

using Socket = IOStream::socket_type;

inline std::pair<asio::ip::tcp::socket, asio::ip::tcp::socket> tcp_sockets(Io& io) {
    asio::ip::tcp::acceptor acceptor(io.context, {asio::ip::address_v4::loopback(), 0});
    asio::ip::tcp::socket near(io.context);
    near.connect(acceptor.local_endpoint());
    return {std::move(near), acceptor.accept()};
}

inline std::pair<asio::local::stream_protocol::socket, asio::local::stream_protocol::socket>
unix_sockets(Io& io) {
    asio::local::stream_protocol::socket near(io.context);
    asio::local::stream_protocol::socket far(io.context);
    asio::local::connect_pair(near, far);
    return {std::move(near), std::move(far)};
}

template <class Stream>
using Streams = std::pair<std::shared_ptr<Stream>, std::shared_ptr<Stream>>;

/// Streams that are made of two sockets and nothing else.
template <class Kind>
struct PlainKind {
    using Stream = IOStream;
    static Streams<Stream> streams(Io& io, StreamOptions const& near, StreamOptions const& far) {
        auto [a, b] = Kind::sockets(io);
        return {std::make_shared<IOStream>(std::move(a), near),
                std::make_shared<IOStream>(std::move(b), far)};
    }
};

struct TcpKind : PlainKind<TcpKind> {
    static std::pair<Socket, Socket> sockets(Io& io) { return tcp_sockets(io); }
};

struct UnixKind : PlainKind<UnixKind> {
    static std::pair<Socket, Socket> sockets(Io& io) { return unix_sockets(io); }
};

/// Near is the client, far the server; the handshake is over.
struct TlsKind {
    using Stream = IOStream;
    static Streams<Stream> streams(Io& io, StreamOptions const& near, StreamOptions const& far) {
        static auto const client = ssl_options_to_context({.ca_certs = certificates().ca}, false);
        static auto const server =
            ssl_options_to_context({.certfile = certificates().localhost.certfile,
                                    .keyfile = certificates().localhost.keyfile},
                                   true);
        auto [a, b] = tcp_sockets(io);
        auto const a_stream =
            std::make_shared<SSLIOStream>(std::move(a), client, false, "localhost", near);
        auto const b_stream = std::make_shared<SSLIOStream>(std::move(b), server, true, "", far);
        io.run_test([=]() -> asio::awaitable<void> {
            co_await a_stream->wait_for_handshake();
            co_await b_stream->wait_for_handshake();
        });
        return {a_stream, b_stream};
    }
};

/// Streams that are made of two descriptors, `a` to read and `b` to write.
template <class Kind>
struct DescriptorKind {
    using Stream = PipeIOStream;
    static Streams<Stream> streams(Io& io, StreamOptions const& near, StreamOptions const& far) {
        auto const [a, b] = Kind::descriptors();
        return {std::make_shared<PipeIOStream>(io.executor(), a, near),
                std::make_shared<PipeIOStream>(io.executor(), b, far)};
    }
};

struct PipeKind : DescriptorKind<PipeKind> {
    static std::pair<int, int> descriptors() {
        int ends[2];
        BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        return {ends[0], ends[1]};
    }
};

/// As a program finds them that was started by another one.
struct BlockingPipeKind : DescriptorKind<BlockingPipeKind> {
    static std::pair<int, int> descriptors() {
        int ends[2];
        BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        return {ends[0], ends[1]};
    }
};

struct SocketDescriptorKind : DescriptorKind<SocketDescriptorKind> {
    static std::pair<int, int> descriptors() {
        int ends[2];
        BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        return {ends[0], ends[1]};
    }
};

/// A test of every kind of stream reads from `near` what `far` writes.
template <class Kind>
struct StreamPair : Io {
    std::shared_ptr<typename Kind::Stream> near;
    std::shared_ptr<typename Kind::Stream> far;

    explicit StreamPair(StreamOptions const& near_options = {},
                        StreamOptions const& far_options = {}) {
        std::tie(near, far) = Kind::streams(*this, near_options, far_options);
    }
};

/// A stream and a plain socket at its other end, for peers that no stream would be.
template <class Kind>
struct StreamAndSocket : Io {
    IOStreamPtr stream;
    Socket peer{context};

    explicit StreamAndSocket(StreamOptions const& options = {}) {
        auto [a, b] = Kind::sockets(*this);
        stream = std::make_shared<IOStream>(std::move(a), options);
        peer = std::move(b);
    }
};

/// Kinds of which both ends are streams.
using PairKinds =
    std::tuple<TcpKind, UnixKind, TlsKind, SocketDescriptorKind, PipeKind, BlockingPipeKind>;
/// Those of which each end is a connection.
using ConnectionKinds = std::tuple<TcpKind, UnixKind, TlsKind>;
/// Those of which each end both reads and writes.
using TwoWayKinds = std::tuple<TcpKind, UnixKind, TlsKind, SocketDescriptorKind>;
/// Kinds of which the far end can be a plain socket.
using SocketKinds = std::tuple<TcpKind, UnixKind>;

} // namespace tornado::test
