// SPDX-License-Identifier: BSL-1.0
#include "testing/faults.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace tornado::detail {
namespace {

/// The first bytes of one or two buffers, in one or two.
template <class Buffer>
std::array<Buffer, 2> first_bytes(std::span<Buffer const> buffers, std::size_t limit) {
    std::array<Buffer, 2> first;
    for (std::size_t i = 0; i < std::min(buffers.size(), first.size()); ++i) {
        first[i] = asio::buffer(buffers[i], limit);
        limit -= first[i].size();
    }
    return first;
}

} // namespace

void Faults::resume(Direction direction) {
    auto& fault = of(direction);
    fault.stalls = false;
    if (auto waiter = std::exchange(fault.waiter, nullptr))
        transport_->async_wait(direction, std::move(waiter));
}

FaultyTransport::FaultyTransport(std::unique_ptr<Transport> below, std::shared_ptr<Faults> faults)
    : below_(std::move(below)), faults_(std::move(faults)) {
    faults_->transport_ = this;
}

FaultyTransport::~FaultyTransport() {
    leave_context();
}

std::size_t FaultyTransport::read_some(std::span<asio::mutable_buffer const> buffers,
                                       error_code& ec) {
    if (is_held(Direction::read, ec))
        return 0;
    return below_->read_some(first_bytes(buffers, faults_->of(Direction::read).limit), ec);
}

std::size_t FaultyTransport::write_some(std::span<asio::const_buffer const> buffers,
                                        error_code& ec) {
    if (is_held(Direction::write, ec))
        return 0;
    auto const limit = faults_->of(Direction::write).limit;
    if (asio::buffer_size(buffers) <= limit)
        return below_->write_some(buffers, ec);
    return below_->write_some(first_bytes(buffers, limit), ec);
}

std::size_t FaultyTransport::send_file(int file, std::uint64_t offset, std::size_t count,
                                       error_code& ec) {
    if (is_held(Direction::write, ec))
        return 0;
    return below_->send_file(file, offset, std::min(count, faults_->of(Direction::write).limit),
                             ec);
}

bool FaultyTransport::is_held(Direction direction, error_code& ec) {
    auto& fault = faults_->of(direction);
    bool const may_go = std::exchange(fault.may_go, false) || faults_->delay.count() <= 0;
    if (may_go && !fault.stalls)
        return false;
    ec = asio::error::would_block;
    return true;
}

void FaultyTransport::async_wait(Direction direction, std::shared_ptr<Waiter> waiter) {
    auto& fault = faults_->of(direction);
    if (direction == Direction::hang_up)
        return below_->async_wait(direction, std::move(waiter));
    if (fault.stalls) {
        fault.waiter = std::move(waiter);
        return;
    }
    if (faults_->delay.count() <= 0)
        return below_->async_wait(direction, std::move(waiter));
    fault.timer.emplace(executor(), faults_->delay);
    fault.timer->async_wait([this, direction, waiter = std::move(waiter)](error_code ec) mutable {
        if (ec) // the waiter keeps this transport
            return waiter->ready(direction, ec);
        auto& late = faults_->of(direction);
        late.may_go = true;
        if (late.stalls)
            late.waiter = std::move(waiter);
        else
            below_->async_wait(direction, std::move(waiter));
    });
}

void FaultyTransport::close() noexcept {
    end_waits();
    below_->close();
}

int FaultyTransport::release(error_code& ec) {
    end_waits();
    return below_->release(ec);
}

void FaultyTransport::end_waits() noexcept {
    for (auto const direction : {Direction::read, Direction::write}) {
        auto& fault = faults_->of(direction);
        if (fault.timer)
            fault.timer->cancel();
        if (auto waiter = std::exchange(fault.waiter, nullptr))
            asio::post(executor(), [waiter = std::move(waiter), direction] {
                waiter->ready(direction, asio::error::operation_aborted);
            });
    }
}

void FaultyTransport::leave_context() noexcept {
    auto const dropped = std::exchange(faults_->faults_, {});
    below_->leave_context();
}

} // namespace tornado::detail
