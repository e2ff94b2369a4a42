// SPDX-License-Identifier: BSL-1.0
// SSLIOStream, and how a plain stream becomes one.
#include "tornado/iostream.hpp"
#include "tornado/log.hpp"
#include "tornado/netutil.hpp"

#include "iostream/stream_core.hpp"
#include "transport/socket.hpp"
#include "transport/stream_socket.hpp"
#include "transport/tls.hpp"
#include "transport/tls_names.hpp"

#include <boost/asio/error.hpp>
#include <openssl/ssl.h>

#include <stdexcept>

namespace tornado {

std::chrono::steady_clock::duration detail::handshake_limit = std::chrono::seconds(60);

namespace {

using Context = std::shared_ptr<asio::ssl::context>;

void check_context(Context const& context) {
    if (!context)
        throw std::invalid_argument("TLS needs a context: make one with ssl_options_to_context");
}

std::unique_ptr<detail::TlsTransport> make_transport(Context context, bool server_side,
                                                     std::string const& server_hostname) {
    check_context(context);
    return std::make_unique<detail::TlsTransport>(std::move(context), server_side, server_hostname);
}

std::shared_ptr<detail::StreamCore> make_core(Context context, bool server_side,
                                              std::string const& server_hostname,
                                              std::unique_ptr<detail::Transport> lower,
                                              bool connected, StreamOptions const& options,
                                              BaseIOStream::clock::duration handshake_timeout,
                                              std::uint64_t id = detail::new_connection_id()) {
    auto transport = make_transport(std::move(context), server_side, server_hostname);
    transport->lay_over(std::move(lower));
    auto const core =
        std::make_shared<detail::StreamCore>(std::move(transport), options, false, id);
    if (connected) {
        core->establish();
        core->limit_establishing(handshake_timeout);
    }
    return core;
}

std::shared_ptr<detail::StreamCore> make_core(Context context, bool server_side,
                                              std::string const& server_hostname,
                                              IOStream::socket_type socket,
                                              StreamOptions const& options) {
    bool const connected = detail::is_connected(socket);
    return make_core(std::move(context), server_side, server_hostname,
                     detail::make_socket_transport(std::move(socket)), connected, options,
                     detail::handshake_limit);
}

// For a stream that has given its own away; of TLS if it is an SSLIOStream, which may be asked
// about that.
std::shared_ptr<detail::StreamCore> make_closed_core(asio::any_io_executor const& executor,
                                                     Context tls, std::uint64_t id) {
    std::unique_ptr<detail::Transport> transport =
        detail::make_socket_transport(IOStream::socket_type(executor));
    if (tls) {
        auto over = make_transport(std::move(tls), true, {});
        over->lay_over(std::move(transport));
        transport = std::move(over);
    }
    auto const core =
        std::make_shared<detail::StreamCore>(std::move(transport), StreamOptions(), false, id);
    core->close({});
    return core;
}

} // namespace

void IOStream::check_tls(Context const& context, std::string const& server_hostname) {
    check_context(context);
    detail::check_server_name(server_hostname);
}

void IOStream::begin_tls(bool server_side, Context context, std::string const& server_hostname,
                         detail::StartTlsCompletion&& handler) {
    if (!core().is_idle())
        return handler.post(get_executor(), error::not_idle, nullptr);
    std::unique_ptr<detail::TlsTransport> transport;
    std::shared_ptr<detail::StreamCore> empty;
    try {
        transport = make_transport(context, server_side, server_hostname);
        bool const is_tls = dynamic_cast<SSLIOStream const*>(this) != nullptr;
        empty = make_closed_core(get_executor(), is_tls ? context : nullptr, id());
    } catch (system_error const& e) {
        log(Logger::general, LogLevel::warning, "SSL Error on " + core().name() + ": " + e.what());
        return handler.post(get_executor(), e.code(), nullptr);
    }
    auto const self = weak_from_this().lock(); // outlives this call
    auto const body = core().shared_from_this();
    body->establish_over([&](std::unique_ptr<detail::Transport> lower, std::string const& unsent) {
        transport->lay_over(std::move(lower), unsent);
        return std::move(transport);
    });
    body->limit_establishing(detail::handshake_limit);
    SSLIOStreamPtr const stream(new SSLIOStream(body));
    detail::StreamAccess::give_body(*this, empty);
    auto const slot = handler.slot();
    body->wait_established(
        [handler = std::move(handler)](error_code ec,
                                       std::shared_ptr<BaseIOStream> secured) mutable {
            handler(ec, std::static_pointer_cast<SSLIOStream>(std::move(secured)));
        },
        slot, true);
}

SSLIOStream::SSLIOStream(socket_type socket, Context context, bool server_side,
                         std::string const& server_hostname, StreamOptions const& options)
    : IOStream(
          make_core(std::move(context), server_side, server_hostname, std::move(socket), options)) {
    set_nodelay(true);
}

// The listener's TCP_NODELAY is inherited.
SSLIOStream::SSLIOStream(asio::any_io_executor executor, AcceptedSocket connection, Context context,
                         StreamOptions const& options, clock::duration handshake_timeout)
    : IOStream(make_core(std::move(context), true, {},
                         detail::carrier_of(std::move(connection), executor), true, options,
                         handshake_timeout, connection.id())) {}

SSLIOStream::SSLIOStream(std::shared_ptr<detail::StreamCore> core) noexcept
    : IOStream(std::move(core)) {}

SSLIOStream::~SSLIOStream() = default;

void SSLIOStream::check_server(std::string const& hostname) const {
    detail::check_server_name(hostname);
}

void SSLIOStream::expect_server(std::string const& hostname) {
    static_cast<detail::TlsTransport&>(core().transport()).expect_server(hostname);
}

void SSLIOStream::start_wait_for_handshake(detail::VoidCompletion&& handler) {
    auto ec = core().cannot_wait();
    if (!ec && !core().connects())
        ec = asio::error::not_connected;
    if (ec)
        return handler.post(get_executor(), ec);
    auto const slot = handler.slot();
    core().wait_established([handler = std::move(handler)](
                                error_code failure, auto const&) mutable { handler(failure); },
                            slot, false);
}

std::string SSLIOStream::alpn() const {
    unsigned char const* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(native_handle(), &name, &size);
    return {reinterpret_cast<char const*>(name), size};
}

std::string SSLIOStream::cipher() const {
    auto const* const cipher = SSL_get_current_cipher(native_handle());
    return cipher ? SSL_CIPHER_get_name(cipher) : "";
}

std::string SSLIOStream::server_name() const {
    auto const* const name = SSL_get_servername(native_handle(), TLSEXT_NAMETYPE_host_name);
    return name ? name : "";
}

std::shared_ptr<X509> SSLIOStream::peer_certificate() const {
    return {SSL_get1_peer_certificate(native_handle()), X509_free};
}

SSL* SSLIOStream::native_handle() const noexcept {
    return static_cast<detail::TlsTransport const&>(core().transport()).native_tls();
}

} // namespace tornado
