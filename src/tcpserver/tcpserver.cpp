// SPDX-License-Identifier: BSL-1.0
#include "tornado/tcpserver.hpp"

#include "tornado/fork.hpp"
#include "tornado/ioloop.hpp"

#include "tcpserver/shared.hpp"

#include <boost/asio/ssl/context.hpp>
#include <openssl/ssl.h>

#include <stdexcept>
#include <string>

namespace tornado {

namespace {

void check_certificate(asio::ssl::context& context, char const* where) {
    if (SSL_CTX_check_private_key(context.native_handle()) != 1)
        throw std::invalid_argument(std::string(where) +
                                    ": the TLS context has no certificate with its key: give "
                                    "ssl_options_to_context a certfile");
}

TCPServer::StreamHandler handler_of(TCPServer& server) {
    return [&server](IOStreamPtr stream, Address address) {
        return server.handle_stream(std::move(stream), std::move(address));
    };
}

} // namespace

struct TCPServer::Plan {
    StreamHandler handler;
    TCPServerOptions options;
};

TCPServer::TCPServer(TCPServerOptions options)
    : TCPServer(IOLoop::current_if_any(), {handler_of(*this), std::move(options)}) {}

TCPServer::TCPServer(IOLoop& loop, TCPServerOptions options)
    : TCPServer(&loop, {handler_of(*this), std::move(options)}) {}

TCPServer::TCPServer(StreamHandler handler, TCPServerOptions options, Tag)
    : TCPServer(IOLoop::current_if_any(), {std::move(handler), std::move(options)}) {}

TCPServer::TCPServer(IOLoop& loop, StreamHandler handler, TCPServerOptions options, Tag)
    : TCPServer(&loop, {std::move(handler), std::move(options)}) {}

TCPServer::TCPServer(IOLoop* loop, Plan plan) {
    auto const& options = plan.options;
    if (options.idle_timeout <= clock::duration::zero())
        throw std::invalid_argument("TCPServerOptions: idle_timeout must be positive");
    if (options.first_byte_timeout <= clock::duration::zero())
        throw std::invalid_argument("TCPServerOptions: first_byte_timeout must be positive");
    if (options.linger < clock::duration::zero())
        throw std::invalid_argument("TCPServerOptions: linger must not be negative");
    if (options.min_rate != 0 &&
        (options.min_rate_window == TCPServerOptions::none ||
         detail::Patience::bytes_in_window(Shared::limits_of(options)) == 0))
        throw std::invalid_argument("TCPServerOptions: min_rate_window must be finite, and long "
                                    "enough for a byte at min_rate");
    if (options.max_connections == 0)
        throw std::invalid_argument("TCPServerOptions: max_connections must be positive");
    if (options.max_connections_per_address == 0)
        throw std::invalid_argument(
            "TCPServerOptions: max_connections_per_address must be positive");
    if (options.handshake_timeout <= clock::duration::zero())
        throw std::invalid_argument("TCPServerOptions: handshake_timeout must be positive");
    if (options.proxy_timeout <= clock::duration::zero())
        throw std::invalid_argument("TCPServerOptions: proxy_timeout must be positive");
    if (detail::Networks(options.trusted_proxies).empty() && options.proxy_protocol)
        throw std::invalid_argument("TCPServerOptions: proxy_protocol needs trusted_proxies, the "
                                    "networks of your balancers: anybody else could say who they "
                                    "please");
    if (options.ssl)
        check_certificate(*options.ssl, "TCPServerOptions");
    plan_ = std::make_unique<Plan>(std::move(plan));
    if (loop)
        start_on(*loop);
}

void TCPServer::start_on(IOLoop& loop) const {
    shared_ = std::make_shared<Shared>(loop.get_executor(), std::move(plan_->handler),
                                       std::move(plan_->options));
    plan_.reset();
}

TCPServer::Shared& TCPServer::shared() const {
    if (!shared_)
        start_on(IOLoop::current());
    return *shared_;
}

TCPServer::~TCPServer() {
    stop();
    if (shared_)
        shared_->drop_pending();
}

void TCPServer::listen(detail::Port port, std::string const& address, ListenOptions options) {
    add_sockets(bind_sockets(port, address, options));
}

void TCPServer::listen(SharedAcceptor& acceptor) {
    shared().add(*acceptor.impl_);
}

void TCPServer::add_sockets(std::vector<ListenSocket> sockets) {
    for (auto& socket : sockets)
        add_socket(std::move(socket));
}

void TCPServer::add_socket(ListenSocket socket) {
    shared().add(std::move(socket));
}

void TCPServer::bind(detail::Port port, std::string const& address, ListenOptions options) {
    auto sockets = bind_sockets(port, address, options);
    if (started_)
        return add_sockets(std::move(sockets));
    for (auto& socket : sockets)
        bound_.push_back(std::move(socket));
}

void TCPServer::start(int num_processes, int max_restarts) {
    if (started_)
        throw std::logic_error("TCPServer::start was called before: a server starts once");
    if (num_processes != 1)
        fork_processes(num_processes, max_restarts);
    started_ = true;
    add_sockets(std::exchange(bound_, {}));
}

void TCPServer::stop() {
    bound_.clear();
    if (shared_)
        shared_->stop();
}

TCPServer::executor_type const& TCPServer::get_executor() const {
    return shared().executor();
}

void TCPServer::start_shutdown(clock::duration deadline, detail::SizeCompletion&& handler) {
    stop();
    shared().wait_for_end(deadline, std::move(handler));
}

void TCPServer::reload_tls(std::shared_ptr<asio::ssl::context> context) {
    if (!shared().uses_tls())
        throw std::logic_error("TCPServer::reload_tls: the server was made without TLS: give "
                               "TCPServerOptions::ssl to the constructor");
    if (!context)
        throw std::invalid_argument("TCPServer::reload_tls: there is no context");
    check_certificate(*context, "TCPServer::reload_tls");
    shared_->use_tls(std::move(context));
}

std::vector<Address> TCPServer::addresses() const {
    std::vector<Address> list;
    if (shared_)
        shared_->addresses(list);
    for (auto const& socket : bound_)
        list.push_back(socket.local_address());
    return list;
}

std::vector<ListenSocket> TCPServer::listen_sockets() const {
    std::vector<ListenSocket> list;
    if (shared_)
        shared_->listen_sockets(list);
    for (auto const& socket : bound_)
        list.push_back(ListenSocket::duplicate_of(socket.native_handle()));
    return list;
}

TCPServerStats TCPServer::stats() const {
    return shared_ ? shared_->stats() : TCPServerStats();
}

asio::awaitable<void> TCPServer::handle_stream(IOStreamPtr, Address) {
    throw std::logic_error(
        "TCPServer::handle_stream is not overridden: derive from TCPServer and override it, or "
        "give the constructor a handler");
}

} // namespace tornado
