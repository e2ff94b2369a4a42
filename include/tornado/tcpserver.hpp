// SPDX-License-Identifier: BSL-1.0
// TCPServer: listens, accepts, and hands each connection to handle_stream as a stream.
#pragma once

#include "tornado/detail/export.hpp"
#include "tornado/detail/initiation.hpp"
#include "tornado/iostream.hpp"
#include "tornado/netutil.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tornado {

class IOLoop;
class SharedAcceptor;

/// What a server does with each connection; the limits of its streams are StreamOptions' (T161).
struct TCPServerOptions : StreamOptions {
    /// Measures time: steps of the system's clock do not touch it.
    using clock = std::chrono::steady_clock;
    /// No limit.
    static constexpr clock::duration none = clock::duration::max();

    /// Serves TLS (SSLIOStream) when it is there: of ssl_options_to_context, or Asio's own. The
    /// constructor throws std::invalid_argument for one without a certificate (T159).
    std::shared_ptr<asio::ssl::context> ssl;
    /// A TLS handshake that takes longer closes the connection with `timed_out`; Tornado has no
    /// limit.
    clock::duration handshake_timeout = std::chrono::seconds(60);

    /// A connection on which no byte moved for so long, in either direction, is closed with
    /// `timed_out`, and its descriptor is free: what a peer does not take is dropped, also after a
    /// close, whatever `linger` says. All connections share one timer for this limit and the two
    /// that follow; each may take longer by a quarter of the shortest.
    clock::duration idle_timeout = none;
    /// A connection on which a read waits so long for the peer's first byte (after the handshake,
    /// where there is one) is closed likewise.
    clock::duration first_byte_timeout = none;
    /// Bytes a second. A read that has some of the bytes that it waits for must get more at this
    /// rate, on the average of each `min_rate_window`, until it completes; otherwise the connection
    /// is closed likewise, within two windows. Nothing else is judged: not a pause between
    /// messages, not a read of whatever comes (a partial one), and not the time in which no read
    /// waits because the handler is busy; a peer that is slow to take is `idle_timeout`'s.
    ///
    /// The constructor throws std::invalid_argument for a window of less than a byte.
    std::size_t min_rate = 0;
    /// The time over which `min_rate` is an average.
    clock::duration min_rate_window = std::chrono::seconds(10);

    /// With so many connections open accepting pauses; others wait in the kernel's backlog.
    std::size_t max_connections = std::numeric_limits<std::size_t>::max();
    /// With so many connections open from one IPv4 address, or from the IPv6 addresses that share
    /// 64 bits, a further one is closed as soon as it is accepted. With `proxy_protocol` it is the
    /// client's address that counts, and what the balancer asks for itself does not; nor do Unix
    /// sockets. Each server counts its own, so that several workers together allow more.
    std::size_t max_connections_per_address = std::numeric_limits<std::size_t>::max();

    /// Each connection begins with a PROXY header, version 1 or 2, in front of TLS, in which a
    /// balancer says whose it is: handle_stream gets that address, and
    /// IOStream::proxy_header() has the rest. The balancer's own checks (LOCAL, UNKNOWN) keep the
    /// balancer's address. What is malformed or late is closed, logged and counted.
    bool proxy_protocol = false;
    /// Who may say so: IP addresses, networks ("10.0.0.0/8", "fd00::/8"), and "unix" for Unix
    /// sockets. Any other peer's connection is closed. The constructor throws
    /// std::invalid_argument for what is none of these, and for none with proxy_protocol.
    std::vector<std::string> trusted_proxies;
    /// A header that takes longer closes the connection.
    clock::duration proxy_timeout = std::chrono::seconds(5);
};

/// What a server has done so far. Of refusals for max_connections_per_address, connections without
/// a PROXY header and closes for min_rate the log has one line a minute each, which tells how many
/// there were.
struct TCPServerStats {
    std::uint64_t accepted = 0; ///< connections given to handle_stream
    std::size_t active = 0;     ///< of these, how many hold a descriptor
    std::size_t pending = 0;    ///< connections whose PROXY header has not come
    /// How often accepting paused because there were max_connections: nobody is turned away then,
    /// they wait in the kernel's backlog.
    std::uint64_t pauses = 0;
    /// Failed accepts: connections lost before they were taken, and each attempt without
    /// descriptors. Those of a SharedAcceptor count for the server whose loop accepts.
    std::uint64_t accept_errors = 0;

    // Accepted by the kernel, and never given to handle_stream:
    std::uint64_t rejected = 0;         ///< connections that could not be made a stream
    std::uint64_t address_refusals = 0; ///< those refused for max_connections_per_address
    std::uint64_t proxy_failures = 0;   ///< those without a PROXY header that counts; of these,
    std::uint64_t proxy_strangers = 0;  ///< were of none of the trusted_proxies
    std::uint64_t proxy_timeouts = 0;   ///< did not send it within proxy_timeout

    // Ended by a limit:
    std::uint64_t idle_timeouts = 0;       ///< those ended by idle_timeout,
    std::uint64_t first_byte_timeouts = 0; ///< by first_byte_timeout,
    std::uint64_t rate_timeouts = 0;       ///< and by min_rate

    std::uint64_t handshakes = 0;         ///< TLS handshakes that were completed; of these,
    std::uint64_t resumptions = 0;        ///< took up an earlier session
    std::uint64_t tls_failures = 0;       ///< connections that ended before their handshake did;
    std::uint64_t handshake_timeouts = 0; ///< of these, for handshake_timeout

    std::uint64_t bytes_in = 0;  ///< received by all connections, open and ended
    std::uint64_t bytes_out = 0; ///< sent likewise
};

/// A non-blocking TCP or Unix-socket server.
///
/// Derive from it and override handle_stream, or give a callable to the constructor. Both forms of
/// a handler fit one signature: a coroutine, or a function that sets callbacks up and returns `{}`.
///
///     TCPServer server([](IOStreamPtr stream, Address) -> asio::awaitable<void> {
///         for (;;)
///             co_await stream->write(co_await stream->read_until("\n"));
///     });
///     server.listen(8888);
///     IOLoop::current().start();
///
/// The end of its own stream (end of file, reset, a close, a time-out) that ends a handler as an
/// exception is a normal end. Any other exception, the end of some other stream included, is logged
/// with its type and text and closes that connection; the server goes on (T146, T148).
///
/// A server belongs to its loop's thread, and may be destroyed at any moment there: it stops
/// listening, and live connections go on. A handler that is a member of what was destroyed with it
/// must not use `this` then. The end of its loop stops a server, too; what it is to listen on later
/// is closed.
class TORNADO_ASIO_EXPORT TCPServer {
public:
    /// Any of Asio's.
    using executor_type = asio::any_io_executor;
    /// That of the options.
    using clock = TCPServerOptions::clock;
    /// Copied once; lives as long as the server or a connection that it handles.
    using StreamHandler = std::function<asio::awaitable<void>(IOStreamPtr, Address)>;

    /// A server on this thread's current loop; where there is none, on the one that is current when
    /// it first needs one, to listen or start. So it can be made before a fork.
    explicit TCPServer(TCPServerOptions options = {});
    /// A server on `loop`.
    explicit TCPServer(IOLoop& loop, TCPServerOptions options = {});

    /// `handler` takes `(IOStreamPtr, Address)` and returns nothing or an `asio::awaitable<void>`.
    template <std::invocable<IOStreamPtr, Address> Handler>
    TCPServer(Handler handler, TCPServerOptions options = {})
        : TCPServer(adapt(std::move(handler)), std::move(options), Tag()) {}
    /// The same on `loop`.
    template <std::invocable<IOStreamPtr, Address> Handler>
    TCPServer(IOLoop& loop, Handler handler, TCPServerOptions options = {})
        : TCPServer(loop, adapt(std::move(handler)), std::move(options), Tag()) {}

    TCPServer(TCPServer const&) = delete;
    TCPServer& operator=(TCPServer const&) = delete;
    virtual ~TCPServer();

    /// Where completions run.
    executor_type const& get_executor() const;

    /// Binds and accepts at once, as often as called (T153); port 0 picks one, see addresses()
    /// (T154). Throws as bind_sockets does.
    void listen(detail::Port port, std::string const& address = "", ListenOptions options = {});
    /// Takes its part, from now on, of the connections that `acceptor` accepts for several servers.
    void listen(SharedAcceptor& acceptor);
    /// Accepts on sockets that bind_sockets, bind_unix_socket or systemd_sockets made.
    void add_sockets(std::vector<ListenSocket> sockets);
    /// The same, with one socket.
    void add_socket(ListenSocket socket);
    /// Binds, and accepts from start() on; after start() at once (T153).
    void bind(detail::Port port, std::string const& address = "", ListenOptions options = {});
    /// Accepts on what bind() bound. Unless `num_processes` is 1, in so many worker processes, 0
    /// being one for each core; this returns in the workers only, and the parent supervises them as
    /// fork_processes says, and throws what that throws. There must be no IOLoop yet:
    ///
    ///     tornado::TCPServer server(echo);
    ///     server.bind(8888);
    ///     server.start(0);
    ///     tornado::IOLoop::current().start();
    ///
    /// Throws std::logic_error when called twice (T153, T155).
    void start(int num_processes = 1, int max_restarts = 100);

    /// Closes the listening sockets; live connections go on (T152). Harmless twice (T150), legal in
    /// a handler (T151); listen() may follow (T158).
    void stop();

    /// stop()s, waits until no connection holds a descriptor, and after `deadline` closes the rest.
    /// Completion: `void(error_code, std::size_t)`, how many had to be closed. Cancelling it (any
    /// type) ends the wait and closes nothing. Several may wait at a time, and may outlast the
    /// server.
    template <asio::completion_token_for<void(error_code, std::size_t)> Token = asio::deferred_t>
    [[nodiscard]] auto shutdown(clock::duration deadline, Token&& token = asio::deferred_t()) {
        return asio::async_initiate<Token, void(error_code, std::size_t)>(
            detail::Initiation{this,
                               [deadline](TCPServer& self, auto&& handler) {
                                   self.start_shutdown(deadline,
                                                       {std::forward<decltype(handler)>(handler),
                                                        self.get_executor()});
                               }},
            token);
    }

    /// Connections from now on use `context`; live ones keep what they have. Throws
    /// std::logic_error on a server that was made without TLS, std::invalid_argument for a context
    /// without a certificate.
    void reload_tls(std::shared_ptr<asio::ssl::context> context);

    /// Where it listens, bound and not yet started sockets included; real ports in place of 0.
    std::vector<Address> addresses() const;
    /// Duplicates of the sockets that it listens on, in the order of addresses(), for a Handover:
    /// as long as one is open its port takes connections. Those of a SharedAcceptor are not among
    /// them. Throws system_error when descriptors have run out.
    std::vector<ListenSocket> listen_sockets() const;
    /// What it has done so far. Adds up what the open connections have counted, so that their
    /// traffic pays nothing for it.
    TCPServerStats stats() const;

    /// Called for each connection; on a TLS server the stream is an SSLIOStream, whose handshake
    /// may not be over (T135). The server keeps no reference: the stream lives while the handler or
    /// its operations do. The default throws std::logic_error.
    virtual asio::awaitable<void> handle_stream(IOStreamPtr stream, Address address);

private:
    struct Tag {};
    class Shared;
    struct Plan;

    TCPServer(StreamHandler handler, TCPServerOptions options, Tag);
    TCPServer(IOLoop& loop, StreamHandler handler, TCPServerOptions options, Tag);
    TCPServer(IOLoop* loop, Plan plan);
    void start_on(IOLoop& loop) const;
    Shared& shared() const;
    void start_shutdown(clock::duration deadline, detail::SizeCompletion&& handler);

    template <class Handler>
    static StreamHandler adapt(Handler handler) {
        if constexpr (std::is_void_v<std::invoke_result_t<Handler&, IOStreamPtr, Address>>)
            return [handler = std::move(handler)](
                       IOStreamPtr stream, Address address) mutable -> asio::awaitable<void> {
                handler(std::move(stream), std::move(address));
                return {};
            };
        else
            return handler;
    }

    mutable std::unique_ptr<Plan> plan_;     // until there is a loop
    mutable std::shared_ptr<Shared> shared_; // with the connections, which may outlive the server
    std::vector<ListenSocket> bound_;
    bool started_ = false;
};

} // namespace tornado
