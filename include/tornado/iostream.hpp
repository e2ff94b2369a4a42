// SPDX-License-Identifier: BSL-1.0
// The streams: IOStream over a socket, SSLIOStream over TLS, PipeIOStream over any descriptor.
#pragma once

#include "tornado/address.hpp"
#include "tornado/base_iostream.hpp"
#include "tornado/detail/export.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <openssl/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace boost::asio::ssl {
class context;
}

namespace tornado {

class AcceptedSocket;
class IOStream;
class SSLIOStream;
struct ProxyHeader;
class PipeIOStream;

/// A stream is shared by whoever works with it, and by its own operations in flight.
using IOStreamPtr = std::shared_ptr<IOStream>;
/// The same for TLS.
using SSLIOStreamPtr = std::shared_ptr<SSLIOStream>;
/// The same for pipes.
using PipeIOStreamPtr = std::shared_ptr<PipeIOStream>;

namespace detail {
using ConnectCompletion = Completion<IOStreamPtr>;
using StartTlsCompletion = Completion<SSLIOStreamPtr>;

template <class Protocol>
Protocol make_protocol(int family) {
    if constexpr (std::is_same_v<Protocol, asio::generic::stream_protocol>)
        return Protocol(family, 0);
    else if constexpr (requires { Protocol::v6(); })
        return family == AF_INET6 ? Protocol::v6() : Protocol::v4();
    else
        return Protocol();
}
} // namespace detail

/// A BaseIOStream over a TCP or Unix stream socket.
class TORNADO_ASIO_EXPORT IOStream : public BaseIOStream {
public:
    /// Any of Asio's: `asio::ip::tcp::socket`, `asio::local::stream_protocol::socket`, with any
    /// executor.
    using socket_type = asio::basic_stream_socket<asio::generic::stream_protocol>;

    /// Takes a socket, connected or to be connected by connect() (T127), and stays on its executor.
    /// Switches TCP_NODELAY on and the descriptor to non-blocking. Throws system_error.
    template <class Protocol, class Executor>
    explicit IOStream(asio::basic_stream_socket<Protocol, Executor> socket,
                      StreamOptions const& options = {})
        : IOStream(socket_type(std::move(socket)), options) {}
    /// The same, of any protocol.
    explicit IOStream(socket_type socket, StreamOptions const& options = {});
    /// Takes an accepted connection onto `executor`.
    IOStream(asio::any_io_executor executor, AcceptedSocket connection,
             StreamOptions const& options = {});
    ~IOStream() override;

    /// Connects to `peer`. Completion: `void(error_code, IOStreamPtr)`, with this stream (T063).
    /// When it fails the stream is closed with the cause, before the writes that wait for it fail,
    /// before the close callback (T125). Reads and writes are legal meanwhile (T062). Cancelling it
    /// (any type) closes the stream with `operation_aborted`. The result is null for a stream that
    /// no shared_ptr owns. Tornado: IOStream.connect.
    ///
    /// `server_hostname`: the name that an SSLIOStream asks for and verifies (T132); a plain stream
    /// ignores it. With TLS completion comes after the handshake. Throws std::invalid_argument, in
    /// the caller, for a name that is none.
    template <asio::completion_token_for<void(error_code, IOStreamPtr)> Token = asio::deferred_t>
    auto connect(Address const& peer, Token&& token = asio::deferred_t());
    /// The same; with TLS, to a server of that name.
    template <asio::completion_token_for<void(error_code, IOStreamPtr)> Token = asio::deferred_t>
    auto connect(Address const& peer, std::string server_hostname,
                 Token&& token = asio::deferred_t());

    /// Begins TLS on a stream in use, as SMTP's STARTTLS does (T128). The new stream takes over the
    /// connection, the limits and the close callback; this one is closed and done with (T130).
    /// Writes that were not yet sent leave first, in clear text.
    ///
    /// `server_side`: whether this end is the server. `context`: from ssl_options_to_context, or
    /// any of Asio's; kept. `server_hostname`: for a client, what SNI says and the certificate must
    /// name (T132).
    ///
    /// Completion: `void(error_code, SSLIOStreamPtr)`, after the handshake. Errors: `not_idle`, and
    /// nothing has changed, when an operation is pending, the stream is closed, or bytes were
    /// received and not read (T129): sent in clear text before the switch, they could pass for
    /// encrypted ones. So a server calls it directly after the write that invites the client to
    /// begin. A code of certificate_category() when the peer's certificate is not accepted (T131);
    /// `server_name_required`; OpenSSL's (`asio::error::get_ssl_category()`) for anything else that
    /// TLS finds; `timed_out` after 60 seconds. Throws std::invalid_argument, in the caller, for a
    /// name that is none and for no context. Cancelling it (any type) closes the connection.
    /// Tornado: IOStream.start_tls; RFC 3207.
    template <asio::completion_token_for<void(error_code, SSLIOStreamPtr)> Token = asio::deferred_t>
    auto start_tls(bool server_side, std::shared_ptr<asio::ssl::context> context,
                   std::string server_hostname = {}, Token&& token = asio::deferred_t());

    /// Switches Nagle's delay off (true, the default for TCP) or on. Does nothing on other sockets
    /// (T123).
    void set_nodelay(bool value);

    /// This end's address; empty when not connected or when the descriptor is free: a closed stream
    /// keeps it while it still sends.
    Address local_address() const;
    /// The peer's address; empty likewise.
    Address remote_address() const;
    /// What a balancer said of this connection in the PROXY protocol; null when there was no header
    /// (see TCPServerOptions::proxy_protocol), and when the connection has given its descriptor
    /// back. `#include <tornado/proxy_header.hpp>` for what is in it.
    std::shared_ptr<ProxyHeader const> proxy_header() const noexcept;

    int native_handle() const noexcept; ///< -1 when the descriptor is free

    /// Gives the socket back to plain Asio; this stream is closed then, and its close callback is
    /// not run. Bytes that were received and not read are moved to `unread`. Throws
    /// system_error(error::not_idle), and changes nothing, while an operation is in flight, bytes
    /// wait to be sent, or `unread` is null and bytes are there.
    ///
    ///     auto socket = stream->release<asio::ip::tcp>();
    ///
    /// An SSLIOStream has no socket to give: `operation_not_supported`.
    template <class Protocol = asio::generic::stream_protocol>
    asio::basic_stream_socket<Protocol> release(std::string* unread = nullptr) {
        auto const protocol = detail::make_protocol<Protocol>(family());
        return asio::basic_stream_socket<Protocol>(get_executor(), protocol,
                                                   release_descriptor(unread));
    }

protected:
    /// For the streams of this library.
    explicit IOStream(std::shared_ptr<detail::StreamCore> core) noexcept;

private:
    using endpoint_type = asio::generic::stream_protocol::endpoint;

    virtual void check_server(std::string const& hostname) const; // throws
    virtual void expect_server(std::string const& hostname);
    static void check_tls(std::shared_ptr<asio::ssl::context> const& context,
                          std::string const& server_hostname);
    void start_connect(endpoint_type const& peer, std::string const& server_hostname,
                       detail::ConnectCompletion&&);
    void begin_tls(bool server_side, std::shared_ptr<asio::ssl::context> context,
                   std::string const& server_hostname, detail::StartTlsCompletion&&);
    int family() const noexcept;
    int release_descriptor(std::string* unread);
};

/// An IOStream whose bytes are encrypted. The handshake begins by itself (T134): on a connected
/// socket when the stream is made, with 60 seconds to be over, else after connect(). From the
/// loop's next turn on, or from set_close_callback, it is an operation in flight that keeps a
/// shared stream alive. Reads and writes are legal before it is over and wait for it (T137); what
/// is written in one turn leaves in as few records as it fits in.
///
/// A handshake that fails closes the stream with the cause, a code of certificate_category() or
/// OpenSSL's (`asio::error::get_ssl_category()`), and logs one warning; a peer that merely goes
/// away is not worth a line (T138). A peer that ends the connection without TLS's close_notify has
/// ended it (T139): then error() is `asio::ssl::error::stream_truncated` in place of
/// `asio::error::eof`, for protocols to which that matters. close() sends close_notify and waits
/// for nobody.
class TORNADO_ASIO_EXPORT SSLIOStream : public IOStream {
public:
    /// Takes a socket, connected or to be connected by connect(), and stays on its executor.
    /// `context` is kept. `server_hostname`: as in IOStream::start_tls. Throws system_error, or
    /// std::invalid_argument for a name that is none.
    template <class Protocol, class Executor>
    SSLIOStream(asio::basic_stream_socket<Protocol, Executor> socket,
                std::shared_ptr<asio::ssl::context> context, bool server_side = false,
                std::string const& server_hostname = {}, StreamOptions const& options = {})
        : SSLIOStream(socket_type(std::move(socket)), std::move(context), server_side,
                      server_hostname, options) {}
    /// The same, of any protocol.
    SSLIOStream(socket_type socket, std::shared_ptr<asio::ssl::context> context,
                bool server_side = false, std::string const& server_hostname = {},
                StreamOptions const& options = {});
    /// Takes an accepted connection onto `executor`, as a server. A handshake that takes longer
    /// than `handshake_timeout` closes it with `timed_out`.
    SSLIOStream(asio::any_io_executor executor, AcceptedSocket connection,
                std::shared_ptr<asio::ssl::context> context, StreamOptions const& options = {},
                clock::duration handshake_timeout = std::chrono::seconds(60));
    ~SSLIOStream() override;

    /// Completes when the handshake is over, at once if it is already (T136). Completion:
    /// `void(error_code)`. Errors: what the handshake failed with; `not_connected` before
    /// connect(); `already_waiting` while another wait, a connect() or a start_tls() is pending.
    /// Cancelling it ends the wait and leaves the handshake alone. Tornado:
    /// SSLIOStream.wait_for_handshake.
    template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
    auto wait_for_handshake(Token&& token = asio::deferred_t());

    // What the handshake has agreed on; empty before it is over (T135).
    std::string alpn() const;   ///< the protocol, such as `h2` (RFC 7301)
    std::string cipher() const; ///< such as `TLS_AES_256_GCM_SHA384`
    /// The name that the client asked for (SNI, RFC 6066).
    std::string server_name() const;
    /// The peer's certificate, verified if the context says so; null if it has shown none.
    std::shared_ptr<X509> peer_certificate() const;
    /// OpenSSL's own view, for whatever is not here; lives as long as the stream.
    SSL* native_handle() const noexcept;

private:
    friend class IOStream;

    explicit SSLIOStream(std::shared_ptr<detail::StreamCore> core) noexcept;
    void check_server(std::string const& hostname) const override;
    void expect_server(std::string const& hostname) override;
    void start_wait_for_handshake(detail::VoidCompletion&&);
};

/// A BaseIOStream over a descriptor: one end of a pipe, a FIFO, a terminal or another character
/// device, or a stream socket whose family does not matter. What it is for, reading or writing or
/// both, is asked of the descriptor; an operation the other way fails with
/// `error::wrong_direction`, and harms nothing.
///
/// O_NONBLOCK belongs to the open file, which other processes may share. A pipe, a FIFO or a
/// terminal that blocks is therefore opened once more, and stays as it is for everybody else. The
/// rest (sockets, the master of a pseudo-terminal, most devices, and what /proc/self/fd cannot
/// open: a terminal of another user, say) is set to non-blocking, and back when the stream closes
/// or releases it.
///
/// When the last reader of a pipe has gone, the stream that writes it closes with `broken_pipe`,
/// and no signal is raised (T144). A FIFO that nobody writes yet is waited for; one that its last
/// writer has left is at its end, as a pipe is. A terminal is read only while a read is pending,
/// because others read it too; so the close callback of one that is merely written to never runs by
/// itself. Tornado: PipeIOStream (T141 to T145).
///
///     auto in = std::make_shared<tornado::PipeIOStream>(STDIN_FILENO);
///     while (...) use(co_await in->read_until("\n"));
class TORNADO_ASIO_EXPORT PipeIOStream : public BaseIOStream {
public:
    /// Owns `fd` from when it has returned, on IOLoop::current() or `executor`. Whether a program
    /// that is executed inherits it is left as it is. Throws std::invalid_argument, which names the
    /// descriptor and the remedy, when it is not open, or a regular file or directory: epoll cannot
    /// wait for those, IOLoop::run_in_executor can.
    explicit PipeIOStream(int fd, StreamOptions const& options = {});
    /// The same, on `executor`.
    PipeIOStream(asio::any_io_executor executor, int fd, StreamOptions const& options = {});
    ~PipeIOStream() override;

    int native_handle() const noexcept; ///< what was given; -1 when that is free

    /// Gives the descriptor back, in the mode in which it came; this stream is closed then, and its
    /// close callback is not run. `unread`, errors: as IOStream::release.
    int release(std::string* unread = nullptr);
};

} // namespace tornado

#include "tornado/detail/iostream.hpp"
