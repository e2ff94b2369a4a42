// SPDX-License-Identifier: BSL-1.0
#include "tcpserver/shared.hpp"

#include "tornado/log.hpp"

#include "netutil/connection_name.hpp"
#include "seconds.hpp"
#include "transport/tls.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <openssl/ssl.h>

#include <optional>
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
    log(Logger::application, LogLevel::error,
        "Error in connection callback of " + core.name() + ": " + describe(failure));
}

// A failed handler's connection ends; one that close_after_flush is ending is not cut short.
void end_failed(std::exception_ptr const& failure, detail::StreamCore& core) {
    report(failure, core);
    if (!core.closed())
        core.close({});
}

// What a balancer asks for itself has no address of a client.
std::optional<detail::AddressCounts::Place>
enter(detail::AddressCounts& counts, Address const& address, ProxyHeader const* header) {
    bool const is_ip = address.family() == AF_INET || address.family() == AF_INET6;
    if (!is_ip || (header && header->source == Address()))
        return counts.enter({});
    auto const ip = address.tcp_endpoint().address();
    return ip.is_v4() ? counts.enter(ip.to_v4().to_bytes()) : counts.enter(ip.to_v6().to_bytes());
}

void log_some(detail::LineLimit& limit, std::string line) {
    auto const held = limit.pass(TCPServer::clock::now());
    if (!held)
        return;
    if (*held != 0)
        line += " (as were " + std::to_string(*held) + " others since the last such line)";
    log(Logger::general, LogLevel::warning, line);
}

} // namespace

AcceptHandler TCPServer::Shared::accept_handler() {
    return [self = weak_from_this()](AcceptedSocket connection, Address address) {
        if (auto const server = self.lock())
            server->take(std::move(connection), address);
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

void TCPServer::Shared::take(AcceptedSocket connection, Address const& peer) {
    if (!options_.proxy_protocol)
        return handle_connection(std::move(connection), peer);
    if (trusted_.contains(peer))
        return read_proxy_header(std::move(connection), peer);
    ++ended_.proxy_failures;
    ++ended_.proxy_strangers;
    log_some(
        stranger_lines_,
        "Dropped " + detail::connection_name(connection.id(), peer) +
            ": it is not one of TCPServerOptions::trusted_proxies, and no other peer may connect "
            "to a server with proxy_protocol");
}

void TCPServer::Shared::read_proxy_header(AcceptedSocket connection, Address const& peer) {
    auto const id = connection.id();
    try {
        auto const reader =
            std::make_shared<detail::ProxyReader>(executor(), std::move(connection));
        auto const place = pending_.insert(pending_.end(), reader);
        update_accepting();
        reader->start(options_.proxy_timeout, [self = shared_from_this(), place, peer,
                                               reader = reader.get()](AcceptedSocket after,
                                                                      std::string const& problem) {
            self->pending_.erase(place);
            if (after.native_handle() >= 0) {
                auto const header = std::make_shared<ProxyHeader const>(reader->parser());
                self->handle_connection(
                    std::move(after), header->source == Address() ? peer : header->source, header);
                return self->one_less();
            }
            ++self->ended_.proxy_failures;
            self->ended_.proxy_timeouts += reader->timed_out();
            if (!problem.empty())
                log_some(self->proxy_lines_,
                         "Dropped " + detail::connection_name(after.id(), peer) + ": " + problem);
            self->one_less();
        });
    } catch (...) {
        drop(detail::connection_name(id, peer), std::current_exception());
    }
}

void TCPServer::Shared::drop(std::string const& connection, std::exception_ptr const& reason) {
    ++ended_.rejected;
    log(Logger::general, LogLevel::error, "Dropped " + connection + ": " + describe(reason));
}

void TCPServer::Shared::refuse(std::string const& connection) {
    ++ended_.address_refusals;
    log_some(refusal_lines_, "Refused " + connection +
                                 ": its address has as many as "
                                 "TCPServerOptions::max_connections_per_address allows, " +
                                 std::to_string(options_.max_connections_per_address));
}

std::unique_ptr<TCPServer::Shared::Particulars>
TCPServer::Shared::particulars(std::shared_ptr<ProxyHeader const> header,
                               detail::AddressCounts::Place place) const {
    if (!header && !place && !sweeps())
        return nullptr;
    return std::make_unique<Particulars>(
        Particulars{std::move(header), std::move(place), {}, false});
}

void TCPServer::Shared::handle_connection(AcceptedSocket connection, Address address,
                                          std::shared_ptr<ProxyHeader const> header) {
    IOStreamPtr stream;
    // Stays the connection's when start_tls makes another stream of it.
    std::shared_ptr<detail::StreamCore> core;
    auto const id = connection.id();
    try {
        auto place = enter(addresses_, address, header.get());
        if (!place)
            return refuse(detail::connection_name(id, address));
        stream = make_stream(std::move(connection));
        core = detail::StreamAccess::core(*stream).shared_from_this();
        auto& record =
            open_.emplace_back(*this, *core, particulars(std::move(header), std::move(*place)));
        record.position = std::prev(open_.end());
        core->observe(&record);
        core->keep_while_establishing();
    } catch (...) {
        return drop(detail::connection_name(id, address), std::current_exception());
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

// Destroys `connection`.
void TCPServer::Shared::ended(Connection& connection) noexcept {
    auto const& core = connection.core;
    ended_.bytes_in += core.bytes_read();
    ended_.bytes_out += core.bytes_written();
    if (!core.established()) {
        ++ended_.tls_failures;
        bool const judged = connection.particulars && connection.particulars->judged;
        ended_.handshake_timeouts += core.error() == asio::error::timed_out && !judged;
    }
    open_.erase(connection.position);
    auto const last = open_.empty() ? std::move(self_) : nullptr;
    if (open_.empty() && sweep_)
        sweep_->cancel();
    one_less();
}

// Clear text has none, so this is TLS on top.
void TCPServer::Shared::count_handshake(detail::StreamCore& core) noexcept {
    auto const& tls = static_cast<detail::TlsTransport&>(core.transport());
    ++ended_.handshakes;
    ended_.resumptions += SSL_session_reused(tls.native_tls()) == 1;
}

// A connection has ended, or got its stream.
void TCPServer::Shared::one_less() {
    if (count() == 0)
        for (auto const& ending : endings_)
            ending->end({});
    for (auto const& listener : listeners_)
        listener->retry_now();
    update_accepting();
}

void TCPServer::Shared::update_accepting() {
    bool const was_full = std::exchange(full_, count() >= options_.max_connections);
    ended_.pauses += full_ && !was_full;
    for (auto const& listener : listeners_) {
        if (full_)
            listener->pause();
        else
            listener->resume();
    }
    for (auto const& seat : seats_)
        seat.set_active(count());
}

// One timer for all connections costs less than one each, and their traffic pays nothing.
void TCPServer::Shared::sweep() {
    if (!sweeps() || open_.empty())
        return;
    struct Dawdler {
        std::shared_ptr<detail::StreamCore> core;
        detail::Patience::Verdict verdict;
    };
    std::vector<Dawdler> dawdlers;
    for (auto& connection : open_)
        if (auto const verdict = judge(connection); verdict != detail::Patience::Verdict::fine) {
            connection.particulars->judged = true;
            dawdlers.push_back({connection.core.shared_from_this(), verdict});
        }
    sweep_->expires_after(patience_.period());
    sweep_->async_wait([weak = weak_from_this()](error_code ec) {
        if (auto const self = weak.lock(); self && !ec)
            self->sweep();
    });
    for (auto const& [core, verdict] : dawdlers) { // after the last one nothing is swept
        count(verdict, *core);
        core->abort(asio::error::timed_out);
    }
}

void TCPServer::Shared::count(detail::Patience::Verdict verdict, detail::StreamCore& core) {
    switch (verdict) {
    case detail::Patience::Verdict::fine:
        break;
    case detail::Patience::Verdict::idle:
        ++ended_.idle_timeouts;
        break;
    case detail::Patience::Verdict::mute:
        ++ended_.first_byte_timeouts;
        break;
    case detail::Patience::Verdict::slow:
        ++ended_.rate_timeouts;
        log_some(rate_lines_, "Closed " + core.name() +
                                  ": what it had begun to send came slower than "
                                  "TCPServerOptions::min_rate, " +
                                  std::to_string(options_.min_rate) + " bytes a second");
        break;
    }
}

detail::Patience::Verdict TCPServer::Shared::judge(Connection& connection) const noexcept {
    auto const& core = connection.core;
    return patience_.judge(
        {core.bytes_read(), core.bytes_written(), core.unread(), core.awaits_bytes()},
        connection.particulars->memory);
}

std::size_t TCPServer::Shared::close_all() {
    std::vector<std::shared_ptr<detail::StreamCore>> live;
    for (auto& connection : open_)
        live.push_back(connection.core.shared_from_this());
    auto const closed = count();
    drop_pending();
    for (auto const& core : live)
        core->close({});
    return closed;
}

void TCPServer::Shared::drop_pending() {
    for (auto const& pending : std::exchange(pending_, {}))
        if (auto const reader = pending.lock())
            reader->stop();
}

void TCPServer::Shared::wait_for_end(clock::duration deadline, detail::SizeCompletion&& handler) {
    if (count() == 0)
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

void TCPServer::Shared::listen_sockets(std::vector<ListenSocket>& list) const {
    for (auto const& listener : listeners_)
        listener->duplicate(list);
}

// Who listens says so in a line of its own.
void TCPServer::Shared::describe_to(std::string& lines) const {
    if (count() == 0)
        return;
    lines += "server: " + std::to_string(open_.size()) + " active, " +
             std::to_string(pending_.size()) + " pending";
    for (auto const& ending : endings_)
        if (ending->deadline_)
            lines += ", shutdown closes them in " +
                     detail::in_seconds(detail::until(ending->deadline_->expiry()));
    lines += '\n';
}

TCPServerStats TCPServer::Shared::stats() const {
    auto sum = ended_;
    sum.active = open_.size();
    sum.pending = pending_.size();
    for (auto const& listener : listeners_)
        sum.accept_errors += listener->errors();
    for (auto const& seat : seats_)
        sum.accept_errors += seat.accept_errors();
    for (auto const& connection : open_) {
        sum.bytes_in += connection.core.bytes_read();
        sum.bytes_out += connection.core.bytes_written();
    }
    return sum;
}

} // namespace tornado
