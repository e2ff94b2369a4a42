// SPDX-License-Identifier: BSL-1.0
// What a server sees of a SharedAcceptor: its seat there.
#pragma once

#include "tornado/shared_acceptor.hpp"

#include "netutil/accept_loop.hpp"
#include "tcpserver/balance.hpp"

#include <map>
#include <mutex>
#include <optional>

namespace tornado {

/// One mutex guards who is there and who has how many; it is taken for a connection's beginning and
/// end, and never while a handler runs. What listens belongs to the thread of `accepting_`, the
/// server whose loop accepts:
///
///     idle_ --sit(), or the former one's leave()--> listeners_ on the next one's loop
///           <------------------leave()------------
class SharedAcceptor::Impl : public std::enable_shared_from_this<Impl> {
public:
    explicit Impl(std::vector<ListenSocket> sockets);

    std::vector<Address> const& addresses() const noexcept { return addresses_; }

    /// A server's part. Everything on its loop's thread; leaves when it is destroyed.
    class Seat {
    public:
        Seat(std::shared_ptr<Impl> acceptor, detail::Balance::Server server)
            : acceptor_(std::move(acceptor)), server_(server) {}
        Seat(Seat&&) = default;
        ~Seat() {
            if (acceptor_)
                acceptor_->leave(server_);
        }

        /// How many connections the server has.
        void set_active(std::size_t count) const { acceptor_->set_active(server_, count); }
        std::vector<Address> const& addresses() const noexcept { return acceptor_->addresses(); }

    private:
        std::shared_ptr<Impl> acceptor_;
        detail::Balance::Server server_;
    };

    /// `handler` is called on `loop` for each connection that falls to it.
    Seat sit(IOLoop& loop, std::size_t capacity, AcceptHandler handler);

private:
    using Server = detail::Balance::Server;
    struct Place {
        IOLoop* loop;
        std::shared_ptr<AcceptHandler> handler;
    };

    void accept_on(Server server);
    void accepted(AcceptedSocket connection, Address address);
    bool hand_over(AcceptedSocket connection, Address address);
    void arrive(Server server, AcceptedSocket connection, Address address);
    void set_active(Server server, std::size_t count);
    void look_again(Server server);
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
