// SPDX-License-Identifier: BSL-1.0
// TCPClient: from a host name to a connected stream, by the first address that answers.
#pragma once

#include "tornado/detail/export.hpp"
#include "tornado/detail/initiation.hpp"
#include "tornado/iostream.hpp"
#include "tornado/resolver.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace tornado {

class IOLoop;

/// How TCPClient connects; the limits of the stream are StreamOptions'.
struct ConnectOptions : StreamOptions {
    /// Measures time: steps of the system's clock do not touch it.
    using clock = std::chrono::steady_clock;
    /// No limit.
    static constexpr clock::duration none = clock::duration::max();

    /// As they are by default. No aggregate: g++ 12 destroys one that is made in a co_await
    /// expression twice.
    ConnectOptions() = default;

    /// AF_INET or AF_INET6 to try that family's addresses alone.
    int family = AF_UNSPEC;
    /// Makes the stream an SSLIOStream; the certificate must name the host (T175). See
    /// ssl_options_to_context.
    std::shared_ptr<asio::ssl::context> ssl = {};
    /// This end's address, an IP literal; if it is given and `family` is not, its family counts.
    std::string source_ip = {};
    /// This end's port; without `source_ip`, of the loopback of the family (T164).
    detail::Port source_port = 0;
    /// For the whole of it: the name, the connection and the TLS handshake (T165, T173).
    clock::duration timeout = none;
};

/// Connects to hosts.
///
///     TCPClient client;
///     ConnectOptions options;
///     options.timeout = std::chrono::seconds(10);
///     auto stream = co_await client.connect("example.com", 80, options);
///
/// All addresses of the name are candidates ("Happy Eyeballs", RFC 8305): they are tried in the
/// resolver's order, but with their families in turn, each 0.3 seconds after the one before it or
/// at once when any has failed. The first connection that stands is kept, every other attempt is
/// closed (T166 to T174; Tornado tries the addresses of a family one after the other).
///
/// A client belongs to its executor's thread. It may be destroyed at any moment there: what it has
/// begun goes on, as everywhere here; close() or a cancellation ends it. After the end of its
/// context a client is closed: a connect() destroys its handler uncalled.
class TORNADO_ASIO_EXPORT TCPClient {
public:
    /// Any of Asio's.
    using executor_type = asio::any_io_executor;

    /// A client on IOLoop::current(). `resolver`: must outlive the client, and may be on another
    /// context, if that is destroyed before the client's; null for a Resolver of its own.
    explicit TCPClient(Resolver* resolver = nullptr);
    /// The same on `loop`.
    explicit TCPClient(IOLoop& loop, Resolver* resolver = nullptr);
    /// For plain Asio; streams and completions are on `executor`.
    explicit TCPClient(asio::any_io_executor executor, Resolver* resolver = nullptr);

    TCPClient(TCPClient const&) = delete;
    TCPClient& operator=(TCPClient const&) = delete;
    ~TCPClient();

    /// Where completions run.
    executor_type const& get_executor() const noexcept;

    /// Connects. `host`: a name or an IP literal. Completion: `void(error_code, IOStreamPtr)`, a
    /// connected stream; with `ssl`, an SSLIOStream after its handshake. Throws
    /// std::invalid_argument, in the caller, for a port that is not from 0 to 65535, a `source_ip`
    /// that is no IP address and, with `ssl`, a host that is no name.
    ///
    /// Errors: those of Resolver::resolve (T126); when every address has failed, the last one's
    /// (T163, T172); when the source cannot be bound to, the reason (T164); those of
    /// IOStream::start_tls; `timed_out` after the time-out; `operation_aborted` after close(). A
    /// code has no room for names, so each failure also writes one warning to the log that says
    /// host, port, what was being done, and the cause (what TLS finds wrong, the stream says in its
    /// own line); a close() or a cancellation writes none.
    ///
    /// Any number may overlap. Cancelling (any type) closes every attempt and completes with
    /// `operation_aborted`. Tornado: TCPClient.connect.
    template <asio::completion_token_for<void(error_code, IOStreamPtr)> Token = asio::deferred_t>
    [[nodiscard]] auto connect(std::string host, detail::Port port, ConnectOptions options,
                               Token&& token = asio::deferred_t()) {
        check_connect(host, options);
        return asio::async_initiate<Token, void(error_code, IOStreamPtr)>(
            detail::Initiation{this,
                               [](TCPClient& self, auto&& handler, std::string name,
                                  std::uint16_t at, ConnectOptions with) {
                                   self.start_connect(std::move(name), at, std::move(with),
                                                      {std::forward<decltype(handler)>(handler),
                                                       self.get_executor()});
                               }},
            token, std::move(host), std::uint16_t{port}, std::move(options));
    }
    /// The same, with the options as they are by default.
    template <asio::completion_token_for<void(error_code, IOStreamPtr)> Token = asio::deferred_t>
    [[nodiscard]] auto connect(std::string host, detail::Port port,
                               Token&& token = asio::deferred_t()) {
        return connect(std::move(host), port, ConnectOptions(), std::forward<Token>(token));
    }

    /// Ends what is pending with `operation_aborted`, and whatever is begun later; streams that are
    /// connected go on. Closes the resolver if the client has made it (T176). Harmless twice.
    void close();

private:
    class Connecting;
    struct Shared;

    static void check_connect(std::string const& host, ConnectOptions const& options);
    void start_connect(std::string host, std::uint16_t port, ConnectOptions options,
                       detail::ConnectCompletion&& handler);

    std::shared_ptr<Shared> shared_; // with what is pending, which may outlive the client
};

} // namespace tornado
