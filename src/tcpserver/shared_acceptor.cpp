// SPDX-License-Identifier: BSL-1.0
#include "tcpserver/shared_acceptor.hpp"

#include <boost/asio/post.hpp>

#include <utility>

namespace tornado {

SharedAcceptor::Impl::Impl(std::vector<ListenSocket> sockets) : idle_(std::move(sockets)) {
    for (auto const& socket : idle_)
        addresses_.push_back(socket.local_address());
}

SharedAcceptor::Impl::Server SharedAcceptor::Impl::enter(Place place, std::size_t capacity) {
    std::lock_guard const lock(mutex_);
    auto const server = balance_.add(capacity);
    places_.emplace(server, std::move(place));
    if (!accepting_)
        accepting_ = server;
    return server;
}

void SharedAcceptor::Impl::accept_on(Server server) {
    std::unique_lock lock(mutex_);
    if (accepting_ != server)
        return;
    auto const executor = places_.at(server).executor;
    auto sockets = std::exchange(idle_, {});
    bool const full = balance_.full();
    lock.unlock();

    for (auto& socket : sockets) {
        auto const& listener = listeners_.emplace_back(std::make_shared<detail::AcceptLoop>(
            executor, std::move(socket),
            [weak = weak_from_this()](AcceptedSocket connection, Address address) {
                if (auto const self = weak.lock())
                    self->accepted(std::move(connection), std::move(address));
            }));
        if (full)
            listener->pause();
        listener->start();
    }
}

void SharedAcceptor::Impl::accepted(AcceptedSocket connection, Address address) {
    if (!hand_over(std::move(connection), std::move(address)))
        for (auto const& listener : listeners_)
            listener->pause();
}

/// Whether there is room for another one.
bool SharedAcceptor::Impl::hand_over(AcceptedSocket connection, Address address) {
    std::lock_guard const lock(mutex_);
    if (auto const server = balance_.next())
        asio::post(places_.at(*server).executor,
                   [self = shared_from_this(), server = *server, connection = std::move(connection),
                    address = std::move(address)]() mutable {
                       self->arrive(server, std::move(connection), std::move(address));
                   });
    return !balance_.full();
}

void SharedAcceptor::Impl::arrive(Server server, AcceptedSocket connection, Address address) {
    std::unique_lock lock(mutex_);
    auto const place = places_.find(server);
    auto const handler = place == places_.end() ? nullptr : place->second.handler;
    lock.unlock();
    if (!handler) { // it has stopped meanwhile
        hand_over(std::move(connection), std::move(address));
        return;
    }
    (*handler)(std::move(connection), std::move(address));
    lock.lock();
    balance_.arrived(server);
}

void SharedAcceptor::Impl::set_active(Server server, std::size_t count) {
    std::lock_guard const lock(mutex_);
    if (balance_.set_active(server, count) && !std::exchange(looking_again_, true))
        asio::post(
            places_.at(*accepting_).executor,
            [self = shared_from_this(), acceptor = *accepting_] { self->look_again(acceptor); });
}

/// There may be room again, and there is a descriptor more.
void SharedAcceptor::Impl::look_again(Server server) {
    std::unique_lock lock(mutex_);
    if (accepting_ != server)
        return;
    looking_again_ = false;
    bool const full = balance_.full();
    lock.unlock();
    for (auto const& listener : listeners_) {
        if (!full)
            listener->resume();
        listener->retry_now();
    }
}

std::uint64_t SharedAcceptor::Impl::errors(Server server) {
    std::lock_guard const lock(mutex_);
    std::uint64_t sum = 0;
    if (accepting_ == server)
        for (auto const& listener : listeners_)
            sum += listener->errors();
    return sum;
}

void SharedAcceptor::Impl::leave(Server server) {
    std::lock_guard const lock(mutex_);
    places_.erase(server);
    balance_.remove(server);
    if (accepting_ != server)
        return;
    for (auto const& listener : std::exchange(listeners_, {}))
        if (auto socket = listener->release())
            idle_.push_back(std::move(*socket));
    looking_again_ = false;
    accepting_.reset();
    if (places_.empty())
        return idle_.clear();
    auto const& [next, place] = *places_.begin();
    accepting_ = next;
    asio::post(place.executor, [self = shared_from_this(), next = next] { self->accept_on(next); });
}

// ---- Seat

// Of two constructors, so that the destructor runs when this one throws.
SharedAcceptor::Impl::Seat::Seat(std::shared_ptr<Impl> acceptor,
                                 asio::any_io_executor const& executor, std::size_t capacity,
                                 AcceptHandler handler)
    : Seat(std::move(acceptor)) {
    if (!tie(executor))
        return;
    server_ =
        acceptor_->enter({executor, std::make_shared<AcceptHandler>(std::move(handler))}, capacity);
    acceptor_->accept_on(*server_);
}

void SharedAcceptor::Impl::Seat::set_active(std::size_t count) const {
    if (server_)
        acceptor_->set_active(*server_, count);
}

std::uint64_t SharedAcceptor::Impl::Seat::accept_errors() const {
    return server_ ? acceptor_->errors(*server_) : former_errors_;
}

void SharedAcceptor::Impl::Seat::leave() {
    former_errors_ = accept_errors();
    if (auto const server = std::exchange(server_, {}))
        acceptor_->leave(*server);
}

// ---- SharedAcceptor

SharedAcceptor::SharedAcceptor(std::vector<ListenSocket> sockets)
    : impl_(std::make_shared<Impl>(std::move(sockets))) {}

SharedAcceptor::SharedAcceptor(ListenSocket socket)
    : SharedAcceptor([&] {
          std::vector<ListenSocket> sockets;
          sockets.push_back(std::move(socket));
          return sockets;
      }()) {}

SharedAcceptor::~SharedAcceptor() = default;

std::vector<Address> const& SharedAcceptor::addresses() const noexcept {
    return impl_->addresses();
}

} // namespace tornado
