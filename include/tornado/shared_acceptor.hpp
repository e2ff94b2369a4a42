// SPDX-License-Identifier: BSL-1.0
// One acceptor for the servers of several loops.
#pragma once

#include "tornado/detail/export.hpp"
#include "tornado/netutil.hpp"

#include <memory>
#include <vector>

namespace tornado {

/// Listening sockets for servers on several loops, one on each: a connection goes to the server
/// with the fewest, servers with equally many take turns, and one at its max_connections is passed
/// over while others have room. What ListenOptions::reuse_port does is cheaper, as nothing crosses
/// a thread, but it spreads by chance, and a Unix socket does not have it.
///
///     SharedAcceptor acceptor(bind_sockets(8888));
///     LoopGroup loops;
///     loops.run(0, [&](IOLoop& loop) {
///         auto server = std::make_unique<TCPServer>(loop, echo);
///         server->listen(acceptor);
///         return server;
///     });
///
/// The loop of the server that came first accepts for all; when that server stops, another's does.
/// A connection crosses to its server's thread before any byte of it is read. When every server has
/// as many as it may, accepting pauses. After the last server has stopped, or its loop has ended,
/// the sockets are closed, and a server that comes later gets nothing. Connections that are on
/// their way to a server that stops go to another one; those on their way to a loop that ends are
/// closed with it.
///
/// May be destroyed at any moment: servers that listen keep what they need. Thread-safe.
class TORNADO_ASIO_EXPORT SharedAcceptor {
public:
    /// The sockets of bind_sockets, bind_unix_socket or systemd_sockets. Connections wait in the
    /// kernel until the first server listens.
    explicit SharedAcceptor(std::vector<ListenSocket> sockets);
    /// The same, with one socket.
    explicit SharedAcceptor(ListenSocket socket);

    SharedAcceptor(SharedAcceptor const&) = delete;
    SharedAcceptor& operator=(SharedAcceptor const&) = delete;
    ~SharedAcceptor();

    /// Where it listens, or did; real ports in place of 0.
    std::vector<Address> const& addresses() const noexcept;

private:
    friend class TCPServer;
    class Impl;

    std::shared_ptr<Impl> impl_;
};

} // namespace tornado
