// SPDX-License-Identifier: BSL-1.0
// Callbacks on their way from signal handlers to a loop: a fixed, lock-free queue and an eventfd.
#pragma once

#include "tornado/detail/callback.hpp"
#include "tornado/detail/loop_calls.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace tornado::detail {

class SignalInbox : public std::enable_shared_from_this<SignalInbox> {
public:
    /// `take_all` is called on the loop when there is something to pop.
    SignalInbox(asio::io_context& context, Function<void()> take_all);

    /// Async-signal-safe, from any thread. When the queue is full the callback is dropped and
    /// counted.
    void push(SignalCallback const& callback) noexcept;

    /// On the loop's thread: the next callback, if there is one.
    std::optional<SignalCallback> pop() noexcept;
    /// How many have been dropped since the last call.
    unsigned take_dropped() noexcept { return dropped_.exchange(0, std::memory_order_relaxed); }

    /// From now on pushes wake the loop. That is work for the io_context, hence only while start()
    /// runs.
    void start();
    void stop();
    /// stop(), for good.
    void close();
    /// In the child of a fork, which must not wake its parent. Throws system_error if there is no
    /// other eventfd to be had.
    void after_fork();

private:
    struct Slot {
        std::atomic<std::uint64_t>
            turn; // == position: free for it; == position + 1: holds its callback
        SignalCallback callback;
    };

    void wait();

    std::array<Slot, 64> slots_;
    std::atomic<std::uint64_t> head_ = 0;
    std::uint64_t tail_ = 0;
    std::atomic<unsigned> dropped_ = 0;
    int event_fd_;
    std::optional<asio::posix::stream_descriptor> event_;
    bool started_ = false;
    bool waiting_ = false;
    Function<void()> take_all_;
};

} // namespace tornado::detail
