// SPDX-License-Identifier: BSL-1.0
#include "tornado/tcpclient.hpp"

#include "tornado/ioloop.hpp"
#include "tornado/log.hpp"
#include "tornado/netutil.hpp"

#include "ioloop/time.hpp"
#include "iostream/stream_core.hpp"
#include "last_error.hpp"
#include "netutil/address.hpp"
#include "tcpclient/connector.hpp"
#include "tether.hpp"
#include "transport/tls_names.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cerrno>
#include <map>
#include <optional>
#include <stdexcept>
#include <sys/socket.h>
#include <vector>

namespace tornado {

namespace {

// What each attempt has before the next one is begun beside it (T170; RFC 8305, 5: the Connection
// Attempt Delay).
constexpr auto attempt_delay = std::chrono::milliseconds(300);

std::string host_and_port(std::string const& host, std::uint16_t port) {
    auto const name = detail::printable(host);
    return (host.find(':') == host.npos ? name : '[' + name + ']') + ':' + std::to_string(port);
}

} // namespace

struct TCPClient::Shared {
    explicit Shared(asio::any_io_executor on) : executor(std::move(on)) {}

    detail::TetheredExecutor executor;
    std::unique_ptr<Resolver> own_resolver;
    Resolver* resolver;
    std::map<std::uint64_t, Connecting*> pending; // in the order of their beginning
    std::uint64_t last_id = 0;
    bool closed = false;
};

// One connect(). What is in flight, a look-up, attempts or a handshake, keeps it alive.
//
//     resolving --addresses--> trying --the first connection--> [securing] --> ended
//            any --failure, deadline, cancellation, close()--------------------> ended
//
// ended: the handler is on its way, and what still comes in is closed or ignored.
class TCPClient::Connecting : public std::enable_shared_from_this<Connecting> {
public:
    Connecting(std::shared_ptr<Shared> client, std::string host, std::uint16_t port,
               ConnectOptions options, detail::ConnectCompletion&& handler)
        : client_(std::move(client)),
          id_(++client_->last_id),
          host_(std::move(host)),
          port_(port),
          options_(std::move(options)),
          handler_(std::move(handler)),
          deadline_(client_->executor.get()),
          delay_(client_->executor.get()) {
        client_->pending.emplace(id_, this);
    }
    ~Connecting() { client_->pending.erase(id_); }

    void start();
    void end(error_code ec, IOStreamPtr stream = nullptr);

private:
    using Timer = detail::Tethered<asio::steady_timer>;

    void resolve();
    void try_addresses(std::vector<Address> addresses);
    void try_next();
    void attempt(std::size_t index);
    void attempted(std::size_t index, error_code ec, IOStreamPtr const& stream);
    void secure(IOStream& stream, Address const& address);
    void fail(error_code cause);
    void close_attempts();
    void start_timer(Timer& timer, ConnectOptions::clock::duration delay,
                     void (Connecting::*expired)());
    void deadline_expired() { fail(asio::error::timed_out); }
    void delay_expired();

    std::shared_ptr<Shared> client_;
    std::uint64_t const id_;
    std::string host_;
    std::uint16_t port_;
    ConnectOptions options_;
    detail::ConnectCompletion handler_; // until the end
    Timer deadline_;                    // both timers end with this object
    Timer delay_;
    asio::cancellation_signal cancel_; // of the look-up or the handshake
    std::optional<Address> source_;
    std::vector<Address> addresses_;
    std::optional<detail::Connector> connector_;
    std::map<std::size_t, IOStreamPtr> attempts_;
    std::string doing_; // for the log
};

void TCPClient::Connecting::start() {
    if (auto slot = handler_.slot(); slot.is_connected())
        slot.assign([weak = weak_from_this()](asio::cancellation_type) {
            if (auto const self = weak.lock())
                self->end(asio::error::operation_aborted);
        });
    if (client_->closed)
        return end(asio::error::operation_aborted);
    if (options_.timeout != ConnectOptions::none)
        start_timer(deadline_, options_.timeout, &Connecting::deadline_expired);
    resolve();
}

void TCPClient::Connecting::resolve() {
    doing_ = "looking up the name";
    if (!options_.source_ip.empty()) {
        source_.emplace(options_.source_ip, options_.source_port);
        if (options_.family == AF_UNSPEC)
            options_.family = source_->family();
    }
    client_->resolver->resolve(
        host_, port_, options_.family,
        asio::bind_cancellation_slot(
            cancel_.slot(), asio::bind_executor(client_->executor.get(),
                                                [self = shared_from_this()](
                                                    error_code ec, std::vector<Address> found) {
                                                    if (!self->handler_)
                                                        return;
                                                    if (ec)
                                                        self->fail(ec);
                                                    else
                                                        self->try_addresses(std::move(found));
                                                })));
}

void TCPClient::Connecting::try_addresses(std::vector<Address> addresses) {
    addresses_ = std::move(addresses);
    std::vector<int> families;
    for (auto const& address : addresses_)
        families.push_back(address.family());
    connector_.emplace(families);
    try_next();
}

void TCPClient::Connecting::delay_expired() {
    connector_->timer_expired();
    if (!connector_->decided())
        try_next();
}

void TCPClient::Connecting::try_next() {
    while (auto const index = connector_->next()) {
        attempt(*index);
        if (connector_->wants_timer())
            start_timer(delay_, attempt_delay, &Connecting::delay_expired);
    }
    if (connector_->decided())
        fail(connector_->error());
}

void TCPClient::Connecting::attempt(std::size_t index) {
    auto const& address = addresses_[index];
    doing_ = "trying " + address.to_string();
    AcceptedSocket socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                          address.family());
    if (socket.native_handle() < 0)
        return connector_->failed(detail::last_error());
    if (source_ || options_.source_port != 0) {
        auto const source = source_.value_or(
            Address(address.family() == AF_INET6 ? "::1" : "127.0.0.1", options_.source_port));
        auto const endpoint = source.endpoint();
        if (::bind(socket.native_handle(), endpoint.data(),
                   static_cast<socklen_t>(endpoint.size())) != 0) {
            auto const ec = detail::last_error();
            doing_ = "binding to " + source.to_string();
            return fail(ec);
        }
    }
    try {
        auto const stream = std::make_shared<IOStream>(
            std::move(socket).into_socket(client_->executor.get()), options_);
        stream->connect(address, [self = shared_from_this(), index](error_code ec,
                                                                    IOStreamPtr const& connected) {
            self->attempted(index, ec, connected);
        });
        attempts_.emplace(index, stream);
    } catch (system_error const& e) { // Asio does not take the socket
        connector_->failed(e.code());
    }
}

void TCPClient::Connecting::attempted(std::size_t index, error_code ec, IOStreamPtr const& stream) {
    attempts_.erase(index);
    if (ec) {
        if (connector_->decided())
            return;
        doing_ = "trying " + addresses_[index].to_string();
        connector_->failed(ec);
        try_next();
    } else if (!connector_->succeeded()) {
        stream->close(); // too late (T171)
    } else if (options_.ssl) {
        secure(*stream, addresses_[index]);
    } else {
        end({}, stream);
    }
}

void TCPClient::Connecting::secure(IOStream& stream, Address const& address) {
    doing_ = "in the TLS handshake with " + address.to_string();
    close_attempts();
    stream.start_tls(false, options_.ssl, host_,
                     asio::bind_cancellation_slot(
                         cancel_.slot(),
                         [self = shared_from_this()](error_code ec, SSLIOStreamPtr const& secured) {
                             if (detail::is_tls_failure(ec))
                                 self->end(ec);
                             else if (ec)
                                 self->fail(ec);
                             else
                                 self->end({}, secured);
                         }));
}

void TCPClient::Connecting::fail(error_code cause) {
    if (!handler_)
        return;
    log(Logger::general, LogLevel::warning,
        "Cannot connect to " + host_and_port(host_, port_) + ", " + doing_ + ": " +
            cause.message());
    end(cause);
}

void TCPClient::Connecting::end(error_code ec, IOStreamPtr stream) {
    if (!handler_)
        return;
    client_->pending.erase(id_);
    if (connector_)
        connector_->end();
    handler_.post(client_->executor.get(), ec, std::move(stream));
    cancel_.emit(asio::cancellation_type::terminal);
    close_attempts();
}

void TCPClient::Connecting::close_attempts() {
    for (auto const& [index, stream] : std::exchange(attempts_, {}))
        stream->close(asio::error::operation_aborted);
}

void TCPClient::Connecting::start_timer(Timer& timer, ConnectOptions::clock::duration delay,
                                        void (Connecting::*expired)()) {
    timer->expires_at(detail::add_clamped(ConnectOptions::clock::now(), delay));
    // One that is set anew may have expired already, with its handler in the queue.
    timer->async_wait([weak = weak_from_this(), &timer, expired](error_code ec) {
        if (auto const self = weak.lock();
            self && !ec && timer && timer->expiry() <= ConnectOptions::clock::now())
            (*self.*expired)();
    });
}

// ---- TCPClient

TCPClient::TCPClient(Resolver* resolver) : TCPClient(IOLoop::current(), resolver) {}

TCPClient::TCPClient(IOLoop& loop, Resolver* resolver) : TCPClient(loop.get_executor(), resolver) {}

TCPClient::TCPClient(asio::any_io_executor executor, Resolver* resolver)
    : shared_(std::make_shared<Shared>(std::move(executor))) {
    if (!resolver)
        shared_->own_resolver = std::make_unique<Resolver>(get_executor());
    shared_->resolver = resolver ? resolver : shared_->own_resolver.get();
}

TCPClient::~TCPClient() = default;

TCPClient::executor_type const& TCPClient::get_executor() const noexcept {
    return shared_->executor.get();
}

void TCPClient::check_connect(std::string const& host, ConnectOptions const& options) {
    if (!options.source_ip.empty() && !is_valid_ip(options.source_ip))
        throw std::invalid_argument("ConnectOptions: source_ip \"" +
                                    detail::printable(options.source_ip) +
                                    "\" is not an IP address");
    if (options.ssl)
        detail::check_server_name(host);
}

void TCPClient::start_connect(std::string host, std::uint16_t port, ConnectOptions options,
                              detail::ConnectCompletion&& handler) {
    if (shared_->executor.ended())
        return;
    std::make_shared<Connecting>(shared_, std::move(host), port, std::move(options),
                                 std::move(handler))
        ->start();
}

void TCPClient::close() {
    shared_->closed = true;
    for (auto const& [id, connecting] : std::exchange(shared_->pending, {}))
        connecting->shared_from_this()->end(asio::error::operation_aborted);
    if (shared_->own_resolver)
        shared_->own_resolver->close();
}

} // namespace tornado
