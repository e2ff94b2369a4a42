// SPDX-License-Identifier: BSL-1.0
// A transport over another one, with faults: less at a time, later, or not at all.
#pragma once

#include "transport/transport.hpp"

#include <boost/asio/steady_timer.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>

namespace tornado::detail {

class FaultyTransport;

/// What is wrong in one direction, and who waits for it to be over.
struct Fault {
    std::size_t limit = static_cast<std::size_t>(-1);
    bool stalls = false;
    bool may_go = false; // slow: one attempt, after its wait
    std::shared_ptr<Waiter> waiter;
    std::optional<asio::steady_timer> timer;
};

/// The faults of one transport, which may end first.
class Faults {
public:
    std::chrono::steady_clock::duration delay{};

    Fault& of(Direction direction) noexcept { return faults_[direction == Direction::write]; }
    void resume(Direction direction);

private:
    friend class FaultyTransport;

    std::array<Fault, 2> faults_;
    FaultyTransport* transport_ = nullptr;
};

class FaultyTransport final : public Transport {
public:
    FaultyTransport(std::unique_ptr<Transport> below, std::shared_ptr<Faults> faults);
    ~FaultyTransport() override;

    Manners manners() const noexcept override { return below_->manners(); }
    asio::any_io_executor const& executor() noexcept override { return below_->executor(); }
    int native_handle() noexcept override { return below_->native_handle(); }
    std::size_t read_some(std::span<asio::mutable_buffer const> buffers, error_code& ec) override;
    std::size_t write_some(std::span<asio::const_buffer const> buffers, error_code& ec) override;
    std::size_t send_file(int file, std::uint64_t offset, std::size_t count,
                          error_code& ec) override;
    void async_wait(Direction direction, std::shared_ptr<Waiter> waiter) override;
    Direction establish(error_code& ec) override { return below_->establish(ec); }
    Direction connect(Endpoint const& peer, error_code& ec) override {
        return below_->connect(peer, ec);
    }
    error_code lost() noexcept override { return below_->lost(); }
    void shutdown_write(error_code& ec) override { below_->shutdown_write(ec); }
    bool must_linger() noexcept override { return below_->must_linger(); }
    void close() noexcept override;
    int release(error_code& ec) override;
    void leave_context() noexcept override;

private:
    friend class Faults;

    bool is_held(Direction direction, error_code& ec);
    void end_waits() noexcept;

    std::unique_ptr<Transport> below_;
    std::shared_ptr<Faults> faults_;
};

} // namespace tornado::detail
