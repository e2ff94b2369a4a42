// SPDX-License-Identifier: BSL-1.0
#include "transport/socket.hpp"

#include "last_error.hpp"
#include "retry.hpp"
#include "transport/send_by_reading.hpp"
#include "transport/without_sigpipe.hpp"

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>

#include <cerrno>
#include <optional>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <type_traits>
#include <unistd.h>
#include <utility>

namespace tornado::detail {
namespace {

// Executor: of the socket, and so in each of its waits. A wait that knows it for an io_context's is
// a third smaller than one that has to ask.
template <class Executor>
class SocketTransport : public Transport {
public:
    using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;

    explicit SocketTransport(Socket socket) : socket_(std::move(socket)) {
        if (socket_->is_open())
            socket_->non_blocking(true);
    }

    int native_handle() noexcept final { return socket_ ? socket_->native_handle() : -1; }
    std::size_t read_some(std::span<asio::mutable_buffer const> buffers, error_code& ec) final;
    std::size_t write_some(std::span<asio::const_buffer const> buffers, error_code& ec) final;
    std::size_t send_file(int file, std::uint64_t offset, std::size_t count, error_code& ec) final;
    void async_wait(Direction direction, std::shared_ptr<Waiter> waiter) final;
    Direction establish(error_code& ec) final;
    Direction connect(Endpoint const& peer, error_code& ec) final;
    error_code lost() noexcept final;
    void shutdown_write(error_code& ec) final;
    void close() noexcept final;
    int release(error_code& ec) final;
    void leave_context() noexcept final { socket_.reset(); }

protected:
    std::optional<Socket> socket_; // until its context ends

private:
    error_code pending_error() noexcept;
};

class AnySocket final : public SocketTransport<asio::any_io_executor> {
public:
    using SocketTransport::SocketTransport;

    asio::any_io_executor const& executor() noexcept override {
        return socket_ ? socket_->get_executor() : ended_executor();
    }
};

class ContextSocket final : public SocketTransport<asio::io_context::executor_type> {
public:
    explicit ContextSocket(Socket socket)
        : SocketTransport(std::move(socket)),
          executor_(shared_executor(socket_->get_executor().context())) {}

    asio::any_io_executor const& executor() noexcept override {
        return socket_ ? executor_ : ended_executor();
    }

private:
    asio::any_io_executor const& executor_;
};

template <class Executor>
std::size_t SocketTransport<Executor>::read_some(std::span<asio::mutable_buffer const> buffers,
                                                 error_code& ec) {
    // A single buffer lets Asio call recv, which is cheaper than recvmsg.
    if (buffers.size() == 1 || buffers[1].size() == 0)
        return retry(ec, [&] { return socket_->read_some(buffers[0], ec); });
    return retry(ec, [&] { return socket_->read_some(buffers, ec); });
}

template <class Executor>
std::size_t SocketTransport<Executor>::write_some(std::span<asio::const_buffer const> buffers,
                                                  error_code& ec) {
    if (buffers.size() == 1)
        return retry(ec, [&] { return socket_->write_some(buffers[0], ec); });
    return retry(ec, [&] { return socket_->write_some(buffers, ec); });
}

template <class Executor>
std::size_t SocketTransport<Executor>::send_file(int file, std::uint64_t offset, std::size_t count,
                                                 error_code& ec) {
    auto at = static_cast<off_t>(offset);
    auto const n =
        without_sigpipe(count, [&] { return ::sendfile(native_handle(), file, &at, count); });
    return sent_or_by_reading(n, *this, file, offset, count, ec);
}

template <class Executor>
void SocketTransport<Executor>::async_wait(Direction direction, std::shared_ptr<Waiter> waiter) {
    auto const what = direction == Direction::read    ? Socket::wait_read
                      : direction == Direction::write ? Socket::wait_write
                                                      : Socket::wait_error;
    if constexpr (std::is_same_v<Executor, asio::any_io_executor>) // a strand's, perhaps
        socket_->async_wait(what, Wakeup(std::move(waiter), direction));
    else
        socket_->async_wait(what, WakeupInPlace(std::move(waiter), direction));
}

template <class Executor>
error_code SocketTransport<Executor>::lost() noexcept {
    pollfd state{native_handle(), 0, 0};
    if (retry([&] { return ::poll(&state, 1, 0); }) != 1 ||
        (state.revents & (POLLERR | POLLHUP)) == 0)
        return {};
    auto const error = pending_error();
    return error ? error : asio::error::eof;
}

// Taken by whoever asks first: SO_ERROR of socket(7).
template <class Executor>
error_code SocketTransport<Executor>::pending_error() noexcept {
    int value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(native_handle(), SOL_SOCKET, SO_ERROR, &value, &size) != 0)
        value = errno;
    return {value, boost::system::system_category()};
}

// Asio's own synchronous connect waits for the end, so the call is made here.
template <class Executor>
Direction SocketTransport<Executor>::connect(Endpoint const& peer, error_code& ec) {
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

template <class Executor>
Direction SocketTransport<Executor>::establish(error_code& ec) {
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

template <class Executor>
void SocketTransport<Executor>::shutdown_write(error_code& ec) {
    socket_->shutdown(Socket::shutdown_send, ec);
}

template <class Executor>
void SocketTransport<Executor>::close() noexcept {
    error_code ignored; // the descriptor is freed in any case: close(2)
    socket_->close(ignored);
}

template <class Executor>
int SocketTransport<Executor>::release(error_code& ec) {
    return socket_->release(ec);
}

// The socket has the descriptor before anything else can fail, so that it is closed once.
template <class Socket>
std::unique_ptr<Transport> adopt(typename Socket::Socket socket,
                                 asio::generic::stream_protocol protocol, int descriptor) {
    error_code ec;
    socket.assign(protocol, descriptor, ec);
    if (ec) {
        ::close(descriptor);
        throw system_error(ec, "an accepted connection");
    }
    return std::make_unique<Socket>(std::move(socket));
}

} // namespace

std::unique_ptr<Transport> make_socket_transport(asio::generic::stream_protocol::socket socket) {
    auto const* const executor = socket.get_executor().target<asio::io_context::executor_type>();
    if (!executor || socket.is_open()) // an open one would have to leave Asio's reactor first
        return std::make_unique<AnySocket>(std::move(socket));
    return std::make_unique<ContextSocket>(ContextSocket::Socket(*executor));
}

std::unique_ptr<Transport> make_socket_transport(asio::any_io_executor const& executor,
                                                 asio::generic::stream_protocol protocol,
                                                 int descriptor) {
    if (auto const* const context = executor.target<asio::io_context::executor_type>())
        return adopt<ContextSocket>(ContextSocket::Socket(*context), protocol, descriptor);
    return adopt<AnySocket>(AnySocket::Socket(executor), protocol, descriptor);
}

} // namespace tornado::detail
