// SPDX-License-Identifier: BSL-1.0
#include "tornado/tcpserver.hpp"

#include "tornado/fork.hpp"
#include "tornado/ioloop.hpp"
#include "tornado/log.hpp"

#include "iostream/stream_core.hpp"
#include "netutil/accept_loop.hpp"
#include "tcpserver/shared_acceptor.hpp"
#include "tether.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <openssl/ssl.h>

#include <list>
#include <stdexcept>
#include <string>

namespace tornado {

namespace {

// The end of its own stream is how most handlers end. Of `a() && b()`, each end has cancelled the
// other, and the exception tells the first in the order of writing, not of time.
bool is_normal_end(std::exception_ptr const& failure, detail::StreamCore& core,
                   bool cancelled_is_too = false) {
    try {
        std::rethrow_exception(failure);
    } catch (system_error const& e) {
        return core.at_end() && (e.code() == errc::stream_closed || e.code() == core.error() ||
                                 (cancelled_is_too && e.code() == asio::error::operation_aborted));
    } catch (asio::multiple_exceptions const& e) {
        return is_normal_end(e.first_exception(), core, true);
    } catch (...) {
        return false;
    }
}

void report(std::exception_ptr const& failure, detail::StreamCore& core) {
    if (is_normal_end(failure, core))
        return;
    log(Logger::application, LogLevel::error, "Error in connection callback: " + describe(failure));
}

// A failed handler's connection ends; one that close_after_flush is ending is not cut short.
void end_failed(std::exception_ptr const& failure, detail::StreamCore& core) {
    report(failure, core);
    if (!core.closed())
        core.close({});
}

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

// The part of a server that its connections share and may outlive it with.
class TCPServer::Shared final : public std::enable_shared_from_this<Shared>,
                                detail::StreamObserver {
public:
    Shared(asio::any_io_executor executor, StreamHandler handler, TCPServerOptions options)
        : executor_(std::move(executor)),
          handler_(std::move(handler)),
          options_(std::move(options)),
          sweep_(executor_.get()) {}

    asio::any_io_executor const& executor() const noexcept { return executor_.get(); }
    void add(ListenSocket socket);
    void add(SharedAcceptor::Impl& acceptor);
    void stop();
    void wait_for_end(clock::duration deadline, detail::SizeCompletion&& handler);
    void addresses(std::vector<Address>& list) const;
    TCPServerStats stats() const;
    bool uses_tls() const noexcept { return options_.ssl != nullptr; }
    void use_tls(std::shared_ptr<asio::ssl::context> context) { options_.ssl = std::move(context); }

private:
    // One shutdown() that waits. Its handler is in the timer's operation, so that it goes when the
    // context does.
    struct Ending {
        explicit Ending(asio::any_io_executor const& executor) : deadline_(executor) {}
        void end(error_code result) {
            if (!std::exchange(ended_, true)) {
                result_ = result;
                if (deadline_)
                    deadline_->cancel();
            }
        }

        detail::Tethered<asio::steady_timer> deadline_;
        error_code result_;
        bool ended_ = false; // before the deadline
    };

    AcceptHandler accept_handler();
    IOStreamPtr make_stream(AcceptedSocket connection);
    void handle_connection(AcceptedSocket connection, Address address);
    void descriptor_freed(detail::StreamCore& core) noexcept override;
    void update_accepting();
    void sweep();
    std::size_t close_all();

    detail::TetheredExecutor executor_;
    StreamHandler handler_;
    TCPServerOptions options_;
    std::vector<std::shared_ptr<detail::AcceptLoop>> listeners_;
    std::list<SharedAcceptor::Impl::Seat> seats_;
    boost::intrusive::list<detail::StreamCore> open_; // until their descriptors are free
    std::shared_ptr<Shared> self_;                    // while there are some
    std::list<std::shared_ptr<Ending>> endings_;
    detail::Tethered<asio::steady_timer> sweep_;
    TCPServerStats ended_; // what listeners and connections that are gone have counted
};

AcceptHandler TCPServer::Shared::accept_handler() {
    return [self = weak_from_this()](AcceptedSocket connection, Address address) {
        if (auto const server = self.lock())
            server->handle_connection(std::move(connection), std::move(address));
    };
}

void TCPServer::Shared::add(ListenSocket socket) {
    if (executor_.ended())
        return;
    auto listener =
        std::make_shared<detail::AcceptLoop>(executor(), std::move(socket), accept_handler());
    listeners_.push_back(listener);
    listener->start();
    update_accepting();
}

void TCPServer::Shared::add(SharedAcceptor::Impl& acceptor) {
    if (executor_.ended())
        return;
    seats_.emplace_back(acceptor.shared_from_this(), executor(), options_.max_connections,
                        accept_handler());
    update_accepting();
}

void TCPServer::Shared::stop() {
    for (auto const& listener : listeners_) {
        ended_.accept_errors += listener->errors();
        listener->stop();
    }
    for (auto const& seat : seats_)
        ended_.accept_errors += seat.accept_errors();
    listeners_.clear();
    seats_.clear();
}

IOStreamPtr TCPServer::Shared::make_stream(AcceptedSocket connection) {
    if (!options_.ssl)
        return std::make_shared<IOStream>(executor(), std::move(connection), options_);
    return std::make_shared<SSLIOStream>(executor(), std::move(connection), options_.ssl, options_,
                                         options_.handshake_timeout);
}

void TCPServer::Shared::handle_connection(AcceptedSocket connection, Address address) {
    IOStreamPtr stream;
    // Stays the connection's when start_tls makes another stream of it.
    std::shared_ptr<detail::StreamCore> core;
    try {
        stream = make_stream(std::move(connection));
        core = detail::StreamAccess::core(*stream).shared_from_this();
        core->observe(this);
        core->keep_while_establishing();
        open_.push_back(*core);
    } catch (...) {
        ++ended_.rejected;
        log(Logger::general, LogLevel::error,
            "Connection from " + address.to_string() +
                " dropped: " + describe(std::current_exception()));
        return;
    }
    ++ended_.accepted;
    self_ = shared_from_this();
    if (open_.size() == 1)
        sweep();
    update_accepting();

    try {
        auto task = handler_(stream, std::move(address));
        if (task.valid())
            asio::co_spawn(executor(), std::move(task),
                           [self = shared_from_this(), stream, core](std::exception_ptr failure) {
                               if (failure)
                                   end_failed(failure, *core);
                           });
    } catch (...) {
        end_failed(std::current_exception(), *core);
    }
}

void TCPServer::Shared::descriptor_freed(detail::StreamCore& core) noexcept {
    ended_.bytes_in += core.bytes_read();
    ended_.bytes_out += core.bytes_written();
    if (!core.established())
        ++ended_.tls_failures;
    open_.erase(open_.iterator_to(core));
    std::shared_ptr<Shared> last;
    if (open_.empty()) {
        last = std::move(self_);
        if (sweep_)
            sweep_->cancel();
        for (auto const& ending : endings_)
            ending->end({});
    }
    for (auto const& listener : listeners_)
        listener->retry_now();
    update_accepting();
}

void TCPServer::Shared::update_accepting() {
    for (auto const& listener : listeners_) {
        if (open_.size() >= options_.max_connections)
            listener->pause();
        else
            listener->resume();
    }
    for (auto const& seat : seats_)
        seat.set_active(open_.size());
}

// One timer for all connections costs less than one each, and their traffic pays nothing.
void TCPServer::Shared::sweep() {
    if (options_.idle_timeout == TCPServerOptions::none || open_.empty())
        return;
    constexpr unsigned sweeps = 4; // in a timeout
    auto const now = clock::now();
    std::vector<std::shared_ptr<detail::StreamCore>> idle;
    for (auto& core : open_)
        if (core.count_silence() > sweeps)
            idle.push_back(core.shared_from_this());
    sweep_->expires_at(now + options_.idle_timeout / sweeps);
    sweep_->async_wait([weak = weak_from_this()](error_code ec) {
        if (auto const self = weak.lock(); self && !ec)
            self->sweep();
    });
    for (auto const& core : idle) // after the last one nothing is swept
        core->close(asio::error::timed_out);
}

std::size_t TCPServer::Shared::close_all() {
    std::vector<std::shared_ptr<detail::StreamCore>> live;
    for (auto& core : open_)
        live.push_back(core.shared_from_this());
    for (auto const& core : live)
        core->close({});
    return live.size();
}

void TCPServer::Shared::wait_for_end(clock::duration deadline, detail::SizeCompletion&& handler) {
    if (open_.empty())
        return handler.post(executor(), {}, 0);
    auto const ending = std::make_shared<Ending>(executor());
    if (auto slot = handler.slot(); slot.is_connected())
        slot.assign([weak = std::weak_ptr(ending)](asio::cancellation_type) {
            if (auto const cancelled = weak.lock())
                cancelled->end(asio::error::operation_aborted);
        });
    auto const now = clock::now();
    ending->deadline_->expires_at(
        deadline < clock::time_point::max() - now ? now + deadline : clock::time_point::max());
    ending->deadline_->async_wait(
        [self = shared_from_this(), ending, handler = std::move(handler)](error_code) mutable {
            self->endings_.remove(ending);
            handler(ending->result_, ending->ended_ ? 0 : self->close_all());
        });
    endings_.push_back(ending);
}

void TCPServer::Shared::addresses(std::vector<Address>& list) const {
    if (executor_.ended())
        return;
    for (auto const& listener : listeners_)
        list.push_back(listener->local_address());
    for (auto const& seat : seats_)
        list.insert(list.end(), seat.addresses().begin(), seat.addresses().end());
}

TCPServerStats TCPServer::Shared::stats() const {
    auto sum = ended_;
    sum.active = open_.size();
    for (auto const& listener : listeners_)
        sum.accept_errors += listener->errors();
    for (auto const& seat : seats_)
        sum.accept_errors += seat.accept_errors();
    for (auto const& core : open_) {
        sum.bytes_in += core.bytes_read();
        sum.bytes_out += core.bytes_written();
    }
    return sum;
}

// ---- TCPServer

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
    if (options.max_connections == 0)
        throw std::invalid_argument("TCPServerOptions: max_connections must be positive");
    if (options.handshake_timeout <= clock::duration::zero())
        throw std::invalid_argument("TCPServerOptions: handshake_timeout must be positive");
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

TCPServerStats TCPServer::stats() const {
    return shared_ ? shared_->stats() : TCPServerStats();
}

asio::awaitable<void> TCPServer::handle_stream(IOStreamPtr, Address) {
    throw std::logic_error(
        "TCPServer::handle_stream is not overridden: derive from TCPServer and override it, or "
        "give the constructor a handler");
}

} // namespace tornado
