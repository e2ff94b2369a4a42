// SPDX-License-Identifier: BSL-1.0
// Carries a stream's bytes over a TCP or Unix stream socket.
#pragma once

#include "transport/transport.hpp"

#include <boost/asio/basic_stream_socket.hpp>

#include <optional>

namespace tornado::detail {

class SocketTransport final : public Transport {
public:
    using Socket = asio::basic_stream_socket<asio::generic::stream_protocol>;

    /// Sets an open socket non-blocking. Throws system_error when the descriptor is no socket.
    explicit SocketTransport(Socket socket);

    asio::any_io_executor const& executor() noexcept override {
        return socket_ ? socket_->get_executor() : ended_executor();
    }
    int native_handle() noexcept override { return socket_ ? socket_->native_handle() : -1; }
    std::size_t read_some(std::span<asio::mutable_buffer const> buffers, error_code& ec) override;
    std::size_t write_some(std::span<asio::const_buffer const> buffers, error_code& ec) override;
    std::size_t send_file(int file, std::uint64_t offset, std::size_t count,
                          error_code& ec) override;
    void async_wait(Direction direction, std::shared_ptr<Waiter> waiter) override;
    Direction establish(error_code& ec) override;
    Direction connect(Endpoint const& peer, error_code& ec) override;
    error_code lost() noexcept override;
    void shutdown_write(error_code& ec) override;
    void close() noexcept override;
    int release(error_code& ec) override;
    void leave_context() noexcept override { socket_.reset(); }

private:
    error_code pending_error() noexcept;

    std::optional<Socket> socket_; // until its context ends
};

} // namespace tornado::detail
