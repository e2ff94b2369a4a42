// SPDX-License-Identifier: BSL-1.0
// What the connections of a server share: its limits, its handler, its counts.
#pragma once

#include "tornado/proxy_header.hpp"
#include "tornado/tcpserver.hpp"

#include "iostream/stream_core.hpp"
#include "netutil/accept_loop.hpp"
#include "netutil/networks.hpp"
#include "netutil/proxy_reader.hpp"
#include "tcpserver/address_counts.hpp"
#include "tcpserver/line_limit.hpp"
#include "tcpserver/patience.hpp"
#include "tcpserver/shared_acceptor.hpp"
#include "tether.hpp"

#include <boost/asio/steady_timer.hpp>

#include <exception>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace tornado {

// The part of a server that its connections share and may outlive it with.
class TCPServer::Shared final : public std::enable_shared_from_this<Shared>, detail::Tether {
public:
    Shared(asio::any_io_executor executor, StreamHandler handler, TCPServerOptions options)
        : executor_(std::move(executor)),
          handler_(std::move(handler)),
          options_(std::move(options)),
          trusted_(options_.trusted_proxies),
          patience_(limits_of(options_)),
          addresses_(options_.max_connections_per_address),
          sweep_(executor_.get()) {
        tie(executor_.get());
    }

    static detail::Patience::Limits limits_of(TCPServerOptions const& options) noexcept {
        return {options.idle_timeout, options.first_byte_timeout, options.min_rate,
                options.min_rate_window};
    }
    asio::any_io_executor const& executor() const noexcept { return executor_.get(); }
    void add(ListenSocket socket);
    void add(SharedAcceptor::Impl& acceptor);
    void stop();
    /// Connections whose PROXY header has not come get no handler any more.
    void drop_pending();
    void wait_for_end(clock::duration deadline, detail::SizeCompletion&& handler);
    void addresses(std::vector<Address>& list) const;
    void listen_sockets(std::vector<ListenSocket>& list) const;
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

    // What a connection has that some servers ask for: its client's words, its limits.
    struct Particulars {
        std::shared_ptr<ProxyHeader const> header;
        detail::AddressCounts::Place place;
        detail::Patience::Memory memory;
        bool judged = false; // it dawdled, and was counted
    };
    // What is kept of a connection until its descriptor is free.
    struct Connection final : detail::StreamObserver {
        Connection(Shared& server, detail::StreamCore& stream, std::unique_ptr<Particulars> more)
            : shared(server), core(stream), particulars(std::move(more)) {}
        void established() noexcept override { shared.count_handshake(core); }
        void descriptor_freed() noexcept override { shared.ended(*this); }
        std::shared_ptr<ProxyHeader const> proxy_header() const noexcept override {
            return particulars ? particulars->header : nullptr;
        }

        Shared& shared;
        detail::StreamCore& core;
        std::unique_ptr<Particulars> particulars; // null if there are none
        std::list<Connection>::iterator position;
    };

    AcceptHandler accept_handler();
    void take(AcceptedSocket connection, Address const& peer);
    void read_proxy_header(AcceptedSocket connection, Address const& peer);
    IOStreamPtr make_stream(AcceptedSocket connection);
    std::unique_ptr<Particulars> particulars(std::shared_ptr<ProxyHeader const> header,
                                             detail::AddressCounts::Place place) const;
    void handle_connection(AcceptedSocket connection, Address address,
                           std::shared_ptr<ProxyHeader const> header = nullptr);
    void drop(std::string const& connection, std::exception_ptr const& reason);
    void refuse(std::string const& connection);
    void count_handshake(detail::StreamCore& core) noexcept;
    void ended(Connection& connection) noexcept;
    std::size_t count() const noexcept { return open_.size() + pending_.size(); }
    void one_less();
    void update_accepting();
    bool sweeps() const noexcept { return patience_.period() != detail::Patience::none; }
    void sweep();
    detail::Patience::Verdict judge(Connection& connection) const noexcept;
    void count(detail::Patience::Verdict verdict, detail::StreamCore& core);
    std::size_t close_all();
    void context_ended() noexcept override {}
    void describe_to(std::string& lines) const override;

    detail::TetheredExecutor executor_;
    StreamHandler handler_;
    TCPServerOptions options_;
    std::vector<std::shared_ptr<detail::AcceptLoop>> listeners_;
    std::list<SharedAcceptor::Impl::Seat> seats_;
    detail::Networks trusted_;
    detail::Patience patience_;
    detail::AddressCounts addresses_;
    detail::LineLimit refusal_lines_;
    detail::LineLimit rate_lines_;
    detail::LineLimit stranger_lines_;
    detail::LineLimit proxy_lines_;
    bool full_ = false;                                     // accepting pauses
    std::list<std::weak_ptr<detail::ProxyReader>> pending_; // their waits keep them, and this
    std::list<Connection> open_;
    std::shared_ptr<Shared> self_; // while there are some
    std::list<std::shared_ptr<Ending>> endings_;
    detail::Tethered<asio::steady_timer> sweep_;
    TCPServerStats ended_; // what listeners and connections that are gone have counted
};

} // namespace tornado
