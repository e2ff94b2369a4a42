// SPDX-License-Identifier: BSL-1.0
#include "transport/socket.hpp"

#include "last_error.hpp"
#include "retry.hpp"
#include "transport/send_by_reading.hpp"
#include "transport/without_sigpipe.hpp"

#include <cerrno>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <utility>

namespace tornado::detail {

SocketTransport::SocketTransport(Socket socket) : socket_(std::move(socket)) {
    if (socket_->is_open())
        socket_->non_blocking(true);
}

std::size_t SocketTransport::read_some(std::span<asio::mutable_buffer const> buffers,
                                       error_code& ec) {
    // A single buffer lets Asio call recv, which is cheaper than recvmsg.
    if (buffers.size() == 1 || buffers[1].size() == 0)
        return retry(ec, [&] { return socket_->read_some(buffers[0], ec); });
    return retry(ec, [&] { return socket_->read_some(buffers, ec); });
}

std::size_t SocketTransport::write_some(std::span<asio::const_buffer const> buffers,
                                        error_code& ec) {
    if (buffers.size() == 1)
        return retry(ec, [&] { return socket_->write_some(buffers[0], ec); });
    return retry(ec, [&] { return socket_->write_some(buffers, ec); });
}

std::size_t SocketTransport::send_file(int file, std::uint64_t offset, std::size_t count,
                                       error_code& ec) {
    auto at = static_cast<off_t>(offset);
    auto const n =
        without_sigpipe(count, [&] { return ::sendfile(native_handle(), file, &at, count); });
    return sent_or_by_reading(n, *this, file, offset, count, ec);
}

void SocketTransport::async_wait(Direction direction, std::shared_ptr<Waiter> waiter) {
    auto const what = direction == Direction::read    ? Socket::wait_read
                      : direction == Direction::write ? Socket::wait_write
                                                      : Socket::wait_error;
    socket_->async_wait(what, Wakeup(std::move(waiter), direction));
}

error_code SocketTransport::lost() noexcept {
    pollfd state{native_handle(), 0, 0};
    if (retry([&] { return ::poll(&state, 1, 0); }) != 1 ||
        (state.revents & (POLLERR | POLLHUP)) == 0)
        return {};
    auto const error = pending_error();
    return error ? error : asio::error::eof;
}

// Taken by whoever asks first: SO_ERROR of socket(7).
error_code SocketTransport::pending_error() noexcept {
    int value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(native_handle(), SOL_SOCKET, SO_ERROR, &value, &size) != 0)
        value = errno;
    return {value, boost::system::system_category()};
}

// Asio's own synchronous connect waits for the end, so the call is made here.
Direction SocketTransport::connect(Endpoint const& peer, error_code& ec) {
    if (peer.protocol().family() == AF_UNSPEC) { // to connect(2) it means to disconnect
        ec = asio::error::address_family_not_supported;
        return Direction::none;
    }
    if (!socket_->is_open()) {
        // Asio's open() leaves it to be inherited.
        auto const protocol = peer.protocol();
        auto const descriptor = ::socket(protocol.family(), protocol.type() | SOCK_CLOEXEC, 0);
        if (descriptor < 0)
            ec = last_error();
        else
            socket_->assign(protocol, descriptor, ec);
        if (!ec)
            socket_->non_blocking(true, ec);
        if (ec)
            return Direction::none;
    }
    auto const* address = reinterpret_cast<sockaddr const*>(peer.data());
    if (::connect(native_handle(), address, static_cast<socklen_t>(peer.size())) != 0)
        ec = last_error();
    // A signal does not keep it from going on: connect(2).
    if (ec != asio::error::in_progress && ec != asio::error::interrupted)
        return Direction::none;
    ec = {};
    return Direction::write;
}

Direction SocketTransport::establish(error_code& ec) {
    ec = pending_error();
    if (ec)
        return Direction::none;
    // A hang-up of the time before connect() can end the first wait too early.
    error_code unconnected;
    auto const peer = socket_->remote_endpoint(unconnected);
    if (unconnected == asio::error::not_connected)
        return Direction::write;
    // Nobody listens, and this end has got the very port by chance: TCP then connects it to itself.
    error_code ignored;
    if (peer == socket_->local_endpoint(ignored))
        ec = asio::error::connection_refused;
    return Direction::none;
}

void SocketTransport::shutdown_write(error_code& ec) {
    socket_->shutdown(Socket::shutdown_send, ec);
}

void SocketTransport::close() noexcept {
    error_code ignored; // the descriptor is freed in any case: close(2)
    socket_->close(ignored);
}

int SocketTransport::release(error_code& ec) {
    return socket_->release(ec);
}

} // namespace tornado::detail
