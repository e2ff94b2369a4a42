// SPDX-License-Identifier: BSL-1.0
// What a loop consists of. Everything pending shares it, so that an IOLoop can be destroyed at any
// moment.
#pragma once

#include "tornado/ioloop.hpp"

#include "ioloop/handlers.hpp"
#include "ioloop/runner.hpp"
#include "ioloop/signal_inbox.hpp"
#include "ioloop/timeouts.hpp"
#include "ioloop/watchdog.hpp"

#include <boost/asio/execution_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

namespace tornado {

struct IOLoop::Impl : std::enable_shared_from_this<IOLoop::Impl> {
    explicit Impl(asio::io_context& io_context);

    /// Takes the next iteration's place in the io_context, once for all callbacks that are queued
    /// until then.
    void post(detail::Callback callback);
    void stop();
    /// Throws if the loop cannot be started now; `function` is what the caller is called.
    void check_startable(char const* function) const;
    void run();
    void close(bool all_fds);
    void notify_fork(asio::execution_context::fork_event event);

    asio::io_context& context;
    std::shared_ptr<detail::CallbackRunner> runner;
    std::shared_ptr<detail::Timeouts> timeouts;
    std::shared_ptr<detail::FdHandlers> handlers;
    std::shared_ptr<detail::SignalInbox> inbox;

    struct SignalHandler;
    std::map<int, std::shared_ptr<SignalHandler>> signals;
    void remove_signal_handler(int signal);

    std::unordered_map<std::uint64_t, detail::Function<void(std::exception_ptr const&)>>
        executor_calls;
    std::uint64_t last_executor_call = 0;
    void finish_executor_call(std::uint64_t id, std::exception_ptr const& abandoned);
    void abandon_executor_calls();
    asio::thread_pool* executor = nullptr;
    class OwnExecutor;
    std::shared_ptr<OwnExecutor> own_executor;

    struct SyncRun;
    class SyncEnd;

    std::optional<clock::duration> blocking_threshold;
    std::unique_ptr<detail::Watchdog> watchdog; // while the loop runs and has a threshold
    detail::Watchdog::Longest longest_block;    // since there has been a threshold
    std::unique_ptr<detail::Watchdog> make_watchdog();
    void watch();

    std::size_t queued();

    std::atomic<bool> running = false;
    std::atomic<bool> closed = false; // set with `mutex` held

private:
    void schedule_drain();
    void drain();
    void take_from_signals();

    std::mutex mutex_; // guards the next three
    std::vector<detail::Callback> queue_;
    bool drain_posted_ = false;
    std::optional<std::size_t> stop_after_; // stop() was called: how many of queue_ still run

    bool draining_ = false;
    std::vector<detail::Callback>
        spare_; // the memory of an iteration's callbacks, for the next one's
};

/// Maps an io_context to its loop, closes the loop when the io_context ends before it, and tells
/// the loop of a fork.
class LoopService : public asio::execution_context::service {
public:
    using key_type = LoopService;
    static asio::execution_context::id id;

    explicit LoopService(asio::execution_context& context)
        : asio::execution_context::service(context) {}
    void shutdown() override {
        if (auto* const left = loop.load())
            left->close();
    }

    std::atomic<IOLoop*> loop = nullptr;

private:
    // Asio's own services are older, so in a child the reactor is a new one by now.
    void notify_fork(asio::execution_context::fork_event event) override {
        if (auto* const here = loop.load())
            here->impl_->notify_fork(event);
    }
};

} // namespace tornado
