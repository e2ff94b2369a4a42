// SPDX-License-Identifier: BSL-1.0
// What a server sees of a SharedAcceptor: its seat there.
#pragma once

#include "tornado/shared_acceptor.hpp"

#include "netutil/accept_loop.hpp"
#include "tcpserver/balance.hpp"
#include "tether.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

namespace tornado {

/// One mutex guards who is there and who has how many; it is taken for a connection's beginning and
/// end, and never while a handler runs. What listens belongs to the thread of `accepting_`, the
/// server whose loop accepts:
///
///     idle_ --accept_on()--> listeners_ on that loop
///           <---leave()-----
class SharedAcceptor::Impl : public std::enable_shared_from_this<Impl> {
public:
    explicit Impl(std::vector<ListenSocket> sockets);

    std::vector<Address> const& addresses() const noexcept { return addresses_; }

    /// A server's part, until it is destroyed or its context ends. Everything on the context's
    /// thread.
    class Seat final : detail::Tether {
    public:
        /// `handler` is called from `executor` for each connection that falls to it.
        Seat(std::shared_ptr<Impl> acceptor, asio::any_io_executor const& executor,
             std::size_t capacity, AcceptHandler handler);
        ~Seat() { leave(); }

        /// How many connections the server has.
        void set_active(std::size_t count) const;
        /// Failed accepts while it is, or was, this server's loop that accepts for all.
        std::uint64_t accept_errors() const;
        std::vector<Address> const& addresses() const noexcept { return acceptor_->addresses(); }

    private:
        explicit Seat(std::shared_ptr<Impl> acceptor) : acceptor_(std::move(acceptor)) {}
        void leave();
        // Before the listeners are told, so that another one can have their sockets.
        void context_ended() noexcept override { leave(); }

        std::shared_ptr<Impl> acceptor_;
        std::optional<detail::Balance::Server> server_;
        std::uint64_t former_errors_ = 0; // when it has left
    };

private:
    using Server = detail::Balance::Server;
    struct Place {
        asio::any_io_executor executor;
        std::shared_ptr<AcceptHandler> handler;
    };

    Server enter(Place place, std::size_t capacity);
    void accept_on(Server server);
    void accepted(AcceptedSocket connection, Address address);
    bool hand_over(AcceptedSocket connection, Address address);
    void arrive(Server server, AcceptedSocket connection, Address address);
    void set_active(Server server, std::size_t count);
    void look_again(Server server);
    std::uint64_t errors(Server server);
    void leave(Server server);

    std::vector<Address> addresses_;

    std::mutex mutex_; // guards what follows
    detail::Balance balance_;
    std::map<Server, Place> places_;
    std::optional<Server> accepting_;
    std::vector<ListenSocket> idle_; // that no loop has
    bool looking_again_ = false;     // look_again() is under way

    std::vector<std::shared_ptr<detail::AcceptLoop>> listeners_; // on the accepting thread
};

} // namespace tornado
