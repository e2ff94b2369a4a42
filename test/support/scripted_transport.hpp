// SPDX-License-Identifier: BSL-1.0
// A transport without a kernel: short, slow, full or broken as the test's script says.
#pragma once

#include "transport/send_by_reading.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tornado::test {

/// The script of a ScriptedTransport and the record of what it was asked; outlives it. A wait that
/// the script does not end holds no work, so that Io::run() returns when everybody waits.
class Wire {
public:
    static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

    explicit Wire(asio::any_io_executor executor) : executor_(std::move(executor)) {}
    Wire(Wire const&) = delete;
    Wire& operator=(Wire const&) = delete;

    // The script.
    std::size_t read_limit = none;  ///< bytes that one attempt receives at most
    std::size_t write_limit = none; ///< bytes that one attempt sends at most
    std::size_t room = none;        ///< bytes that the kernel takes until drain() makes more room
    bool holds = false;         ///< without room, takes one attempt's bytes nevertheless, for later
    std::size_t slowness = 0;   ///< so often an attempt would block before it proceeds
    std::size_t fail_at = none; ///< from this call on (0 is the first) each fails
    error_code failure = asio::error::connection_reset;
    error_code write_failure;   ///< each attempt to send fails
    bool must_linger = false;   ///< a close waits for the peer's end
    bool connects_later = true; ///< connect() gives in_progress
    error_code connect_result;

    // The record.
    std::vector<std::string> sends; ///< what each successful attempt sent
    std::size_t calls = 0;          ///< of all kinds that can fail
    std::size_t reads = 0;          ///< attempts
    std::size_t writes = 0;         ///< attempts
    std::size_t waits_begun = 0;    ///< in either direction
    std::size_t largest_room = 0;   ///< the most that one attempt offered to receive
    bool ended = false;             ///< shutdown_write was called
    bool open = true;
    bool reported = false; ///< the test's own: the peer knows that it is not open

    std::string sent() const {
        std::string all;
        for (auto const& part : sends)
            all += part;
        return all;
    }

    /// A packet arrives; no attempt receives more than one.
    void arrive(std::string data) {
        arrivals_.push_back(std::move(data));
        wake(detail::Direction::read);
    }
    /// The peer ends its side, in good order or not.
    void end(error_code how = asio::error::eof) {
        end_ = how;
        wake(detail::Direction::read);
    }
    /// The connection is lost; what has arrived can still be read.
    void lose(error_code how) {
        loss_ = how;
        end(how);
        wake(detail::Direction::write);
        wake(detail::Direction::hang_up);
    }
    /// A wait for a hang-up ends without one, as urgent data would have it.
    void alarm() { wake(detail::Direction::hang_up); }
    /// The kernel takes so many bytes more.
    void drain(std::size_t n = none) {
        room = n == none ? none : room + n;
        wake(detail::Direction::write);
    }
    bool waits(detail::Direction direction) { return slot(direction).has_value(); }

private:
    friend class ScriptedTransport;

    void drop_waits() noexcept {
        auto const waits = std::move(waits_);
        waits_.clear();
    }

    bool fails(error_code& ec) {
        bool const failed = calls++ >= fail_at;
        if (failed)
            ec = failure;
        return failed;
    }

    bool is_slow(std::size_t& count) {
        count = count == slowness ? 0 : count + 1;
        return count != 0;
    }

    bool is_ready(detail::Direction direction) const {
        if (calls > fail_at)
            return true;
        switch (direction) {
        case detail::Direction::read:
            return !arrivals_.empty() || end_;
        case detail::Direction::write:
            return room != 0 || loss_;
        default:
            return loss_.failed();
        }
    }

    std::optional<detail::Wakeup>& slot(detail::Direction direction) { return waits_[direction]; }

    void wake(detail::Direction direction, error_code ec = {}) {
        if (auto& wait = slot(direction)) {
            auto wakeup = std::move(*wait);
            wait.reset();
            asio::post(executor_, [wakeup = std::move(wakeup), ec]() mutable { wakeup(ec); });
        }
    }

    asio::any_io_executor executor_;
    std::deque<std::string> arrivals_;
    error_code end_;
    std::size_t read_blocks_ = 0;
    std::size_t write_blocks_ = 0;
    error_code loss_; // until it was told
    std::map<detail::Direction, std::optional<detail::Wakeup>> waits_;
};

class ScriptedTransport final : public detail::Transport {
public:
    explicit ScriptedTransport(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}

    asio::any_io_executor const& executor() noexcept override { return wire_->executor_; }
    int native_handle() noexcept override { return -1; }

    std::size_t read_some(std::span<asio::mutable_buffer const> buffers, error_code& ec) override {
        ++wire_->reads;
        if (wire_->fails(ec))
            return 0;
        auto const asked = asio::buffer_size(buffers);
        wire_->largest_room = std::max(wire_->largest_room, asked);
        if (wire_->is_slow(wire_->read_blocks_) || !wire_->is_ready(detail::Direction::read)) {
            ec = asio::error::would_block;
            return 0;
        }
        if (wire_->arrivals_.empty()) {
            ec = wire_->end_;
            return 0;
        }
        auto& packet = wire_->arrivals_.front();
        auto const n = asio::buffer_copy(buffers, asio::buffer(packet, wire_->read_limit));
        packet.erase(0, n);
        if (packet.empty())
            wire_->arrivals_.pop_front();
        return n;
    }

    std::size_t write_some(std::span<asio::const_buffer const> buffers, error_code& ec) override {
        ++wire_->writes;
        if (wire_->fails(ec) || (ec = wire_->write_failure))
            return 0;
        if (wire_->loss_) { // a send takes the error, and leaves an end of stream
            ec = std::exchange(wire_->loss_, {});
            wire_->end_ = asio::error::eof;
            return 0;
        }
        if (wire_->holds)
            return hold(buffers, ec);
        if (wire_->is_slow(wire_->write_blocks_) || wire_->room == 0) {
            ec = asio::error::would_block;
            return 0;
        }
        std::string data = gather(buffers);
        data.resize(std::min({data.size(), wire_->write_limit, wire_->room}));
        if (wire_->room != Wire::none)
            wire_->room -= data.size();
        wire_->sends.push_back(data);
        return data.size();
    }

    std::size_t send_file(int file, std::uint64_t offset, std::size_t count,
                          error_code& ec) override {
        return detail::send_by_reading(*this, file, offset, count, ec);
    }

    void async_wait(detail::Direction direction, std::shared_ptr<detail::Waiter> waiter) override {
        ++wire_->waits_begun;
        auto& wait = wire_->slot(direction);
        wait.emplace(std::move(waiter), direction);
        error_code ec;
        if (wire_->fails(ec) || wire_->is_ready(direction))
            wire_->wake(direction, ec);
    }

    detail::Direction establish(error_code& ec) override {
        if (!wire_->fails(ec))
            ec = wire_->connect_result;
        return detail::Direction::none;
    }

    detail::Direction connect(Endpoint const&, error_code& ec) override {
        if (wire_->fails(ec))
            return detail::Direction::none;
        if (wire_->connects_later)
            return detail::Direction::write;
        ec = wire_->connect_result;
        return detail::Direction::none;
    }

    error_code lost() noexcept override {
        if (wire_->loss_)
            wire_->end_ = asio::error::eof;
        return std::exchange(wire_->loss_, {});
    }

    void shutdown_write(error_code& ec) override {
        if (!wire_->fails(ec))
            wire_->ended = true;
    }

    bool must_linger() noexcept override { return wire_->must_linger; }

    void close() noexcept override {
        wire_->open = false;
        for (auto const direction :
             {detail::Direction::read, detail::Direction::write, detail::Direction::hang_up})
            wire_->wake(direction, asio::error::operation_aborted);
    }

    int release(error_code&) override {
        close();
        return -1;
    }

    void leave_context() noexcept override {
        wire_->executor_ = detail::ended_executor();
        wire_->drop_waits();
    }

private:
    static std::string gather(std::span<asio::const_buffer const> buffers) {
        std::string data;
        for (auto const& buffer : buffers)
            data.append(static_cast<char const*>(buffer.data()), buffer.size());
        return data;
    }

    std::size_t hold(std::span<asio::const_buffer const> buffers, error_code& ec) {
        bool const holds_some = !held_.empty();
        if (wire_->room != 0 || !holds_some)
            held_ += gather(buffers);
        if (wire_->room == 0)
            ec = asio::error::would_block;
        else
            wire_->sends.push_back(std::exchange(held_, {}));
        return holds_some && ec ? 0 : asio::buffer_size(buffers);
    }

    std::shared_ptr<Wire> wire_;
    std::string held_;
};

} // namespace tornado::test
