// SPDX-License-Identifier: BSL-1.0
// The accept loop: takes the connections of one listening socket, on any executor.
#pragma once

#include "tornado/netutil.hpp"

#include "tether.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace tornado::detail {

/// Waits until the socket is readable, accepts all that wait, at most `max_batch` a turn, and hands
/// each to the handler, whose exceptions are logged (T148, T188).
///
///     start()          resume()
///     ------> waiting <-------- paused      pause() at any moment; a batch ends there
///              |   ^               ^
///     readable v   | none left     |
///             batch ---------------+        stop() at any moment, for good; a batch ends there
///              |   ^
///  descriptors v   | 10 ms, doubling to 250 ms, or retry_now()
///     run out back-off
///
/// Made by make_shared: what it waits for keeps it alive and is work on the executor's context, so
/// its owner ends it with stop() and may let go of it at any time. The end of the context is a
/// stop(), too. Everything on the executor's thread.
class AcceptLoop final : public std::enable_shared_from_this<AcceptLoop>, Tether {
public:
    static constexpr int max_batch = 128;

    AcceptLoop(asio::any_io_executor const& executor, ListenSocket socket, AcceptHandler handler);

    void start();
    /// Closes the listening socket. Legal in the handler, and twice.
    void stop();
    /// stop()s, and gives the listening socket to the caller; empty after stop(), and when the
    /// context has ended.
    std::optional<ListenSocket> release();
    /// Adds a duplicate of the listening socket, unless it is closed.
    void duplicate(std::vector<ListenSocket>& sockets) const;
    /// Leaves connections in the kernel's backlog until resume(). Legal in the handler.
    void pause() noexcept { paused_ = true; }
    void resume();
    /// A descriptor became free: ends a back-off at the next turn.
    void retry_now();

    /// Where it listens, also after stop().
    Address const& local_address() const noexcept { return local_; }
    /// Failed accepts so far: connections lost before they were taken, and each attempt without
    /// descriptors.
    std::uint64_t errors() const noexcept { return errors_; }

private:
    bool accepting() const noexcept { return descriptor_ && descriptor_->is_open() && !paused_; }
    void wait();
    void accept_batch();
    void back_off(error_code reason);
    void context_ended() noexcept override {}
    void describe_to(std::string& lines) const override;

    Address local_;
    AcceptHandler handler_;
    Tethered<asio::steady_timer> timer_;
    Tethered<asio::posix::stream_descriptor> descriptor_;
    std::chrono::milliseconds delay_{0};
    std::uint64_t errors_ = 0;
    bool paused_ = false;
    bool busy_ = false;     // a wait, a batch or a back-off is under way
    bool reported_ = false; // the log has this shortage; it lasts until nothing is left to accept
};

} // namespace tornado::detail
