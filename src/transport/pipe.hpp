// SPDX-License-Identifier: BSL-1.0
// Carries a stream's bytes over a pipe, a FIFO, a terminal or another device.
#pragma once

#include "transport/foreign_file.hpp"
#include "transport/transport.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <optional>

namespace tornado::detail {

class PipeTransport final : public Transport {
public:
    /// Takes `fd` over; if it throws, that is the caller's still. Throws as ForeignFile does.
    PipeTransport(asio::any_io_executor executor, int fd);
    /// Leaves the descriptor open if neither close() nor release() was called.
    ~PipeTransport() override;

    asio::any_io_executor const& executor() noexcept override { return executor_; }
    /// The descriptor that was given.
    int native_handle() noexcept override { return file_.given(); }
    Manners manners() const noexcept override;
    /// For the end that writes: `would_block` while there is a reader, and `broken_pipe` after.
    std::size_t read_some(std::span<asio::mutable_buffer const> buffers, error_code& ec) override;
    std::size_t write_some(std::span<asio::const_buffer const> buffers, error_code& ec) override;
    std::size_t send_file(int file, std::uint64_t offset, std::size_t count,
                          error_code& ec) override;
    void async_wait(Direction direction, std::shared_ptr<Waiter> waiter) override;
    Direction establish(error_code&) override { return Direction::none; }
    Direction connect(Endpoint const& peer, error_code& ec) override;
    error_code lost() noexcept override;
    /// Only the end of the descriptor is the end of a pipe, so that is closed; a terminal's other
    /// side cannot be told.
    void shutdown_write(error_code& ec) override;
    void close() noexcept override;
    int release(error_code& ec) override;
    void leave_context() noexcept override;

private:
    void stop_waiting() noexcept;

    asio::any_io_executor executor_;
    ForeignFile file_;
    // On what file_ uses, and never closes that; empty where there is nothing to wait for.
    std::optional<asio::posix::stream_descriptor> waits_;
};

} // namespace tornado::detail
