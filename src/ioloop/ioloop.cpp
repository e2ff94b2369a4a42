// SPDX-License-Identifier: BSL-1.0
// Life and turn of a loop: construction, callbacks, start and stop.
#include "tornado/ioloop.hpp"

#include "tornado/log.hpp"

#include "ioloop/current.hpp"
#include "ioloop/impl.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string>

namespace tornado {

asio::execution_context::id LoopService::id;

// One thread at a time, except for add_callback and its like: only the queue of handlers is locked.
IOLoop::IOLoop(bool make_current)
    : IOLoop(std::make_shared<asio::io_context>(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO),
             make_current) {}

IOLoop::IOLoop(asio::io_context& context, bool make_current)
    : IOLoop(std::shared_ptr<asio::io_context>(std::shared_ptr<void>(), &context), make_current) {}

IOLoop::IOLoop(std::shared_ptr<asio::io_context> context, bool make_current)
    : context_(std::move(context)), impl_(std::make_shared<Impl>(*context_)) {
    IOLoop* none = nullptr;
    if (!asio::use_service<LoopService>(*context_).loop.compare_exchange_strong(none, this)) {
        impl_->close(false);
        throw std::logic_error(
            "IOLoop: this io_context already has a loop; IOLoop::of(context) finds it");
    }
    ++detail::live_loops;
    if (make_current)
        this->make_current();
}

IOLoop::~IOLoop() {
    close();
    detail::forget_current(*this);
}

IOLoop* IOLoop::of(asio::execution_context& context) noexcept {
    return asio::has_service<LoopService>(context)
               ? asio::use_service<LoopService>(context).loop.load()
               : nullptr;
}

asio::io_context& IOLoop::context() const noexcept {
    return impl_->context;
}

IOLoop::executor_type IOLoop::get_executor() const noexcept {
    return impl_->context.get_executor();
}

// The loop may be destroyed before run() returns: from there on only what is held here is used.
void IOLoop::start() {
    impl_->check_startable("start");
    auto const context = context_;
    auto const impl = impl_;
    detail::CurrentWhileRunning const current(*this);
    impl->run();
}

void IOLoop::stop() {
    impl_->stop();
}

void IOLoop::close(bool all_fds) {
    if (impl_->closed)
        return;
    --detail::live_loops;
    asio::use_service<LoopService>(impl_->context).loop = nullptr;
    if (current_if_any() == this)
        clear_current();
    impl_->close(all_fds);
}

bool IOLoop::closed() const noexcept {
    return impl_->closed;
}

void IOLoop::post(detail::Callback callback) {
    impl_->post(std::move(callback));
}

void IOLoop::post_from_signal(detail::SignalCallback const& callback) noexcept {
    impl_->inbox->push(callback);
}

Timeout IOLoop::set_timeout(clock::time_point deadline, detail::Callback callback) {
    auto const key = impl_->timeouts->add(deadline, std::move(callback));
    return {key.slot, key.id};
}

void IOLoop::remove_timeout(Timeout const& timeout) {
    impl_->timeouts->remove({timeout.slot_, timeout.id_});
}

IOLoop::clock::time_point IOLoop::after(clock::duration delay) {
    return detail::add_clamped(clock::now(), delay);
}

void IOLoop::add_handler(int fd, std::function<void(int, unsigned)> handler, unsigned events) {
    impl_->handlers->add(fd, std::move(handler), events);
}

void IOLoop::update_handler(int fd, unsigned events) {
    impl_->handlers->update(fd, events);
}

void IOLoop::remove_handler(int fd) {
    impl_->handlers->remove(fd);
}

void IOLoop::set_exception_handler(std::function<void(std::exception_ptr)> handler) {
    impl_->runner->set_exception_handler(std::move(handler));
}

void IOLoop::set_blocking_log_threshold(std::optional<clock::duration> threshold) {
    if (threshold && *threshold <= clock::duration::zero())
        throw std::invalid_argument(
            "IOLoop::set_blocking_log_threshold: the threshold must be positive");
    impl_->blocking_threshold = threshold;
    impl_->watchdog.reset();
    impl_->watch();
}

IOLoop::Impl::Impl(asio::io_context& io_context)
    : context(io_context),
      runner(std::make_shared<detail::CallbackRunner>(io_context)),
      timeouts(std::make_shared<detail::Timeouts>(io_context, runner)),
      handlers(std::make_shared<detail::FdHandlers>(io_context, runner)),
      inbox(std::make_shared<detail::SignalInbox>(io_context, [this] { take_from_signals(); })) {}

void IOLoop::Impl::post(detail::Callback callback) {
    std::lock_guard const lock(mutex_);
    if (closed)
        return;
    queue_.push_back(std::move(callback));
    schedule_drain();
}

void IOLoop::Impl::stop() {
    std::lock_guard const lock(mutex_);
    if (closed || stop_after_)
        return;
    if (context.get_executor().running_in_this_thread() && draining_) {
        stop_after_ = 0;
        return;
    }
    stop_after_ = queue_.size();
    schedule_drain();
}

void IOLoop::Impl::schedule_drain() {
    if (drain_posted_)
        return;
    asio::post(context, [self = shared_from_this()] { self->drain(); });
    drain_posted_ = true;
}

void IOLoop::Impl::drain() {
    constexpr std::size_t spare_capacity = 4096;

    runner->count_pass();
    take_from_signals();
    auto batch = std::exchange(spare_, {});
    bool stopping = false;
    {
        std::lock_guard const lock(mutex_);
        drain_posted_ = false;
        batch.swap(queue_);
        if (stop_after_) {
            stopping = true;
            auto const rest = batch.begin() + static_cast<std::ptrdiff_t>(*stop_after_);
            queue_.assign(std::move_iterator(rest), std::move_iterator(batch.end()));
            batch.erase(rest, batch.end());
            stop_after_ = 0;
        }
    }

    draining_ = true;
    for (auto& callback : batch) {
        if (closed)
            break;
        runner->run(callback);
        callback.reset();
    }
    draining_ = false;
    batch.clear();
    if (batch.capacity() <= spare_capacity)
        spare_ = std::move(batch);

    std::lock_guard const lock(mutex_);
    if (closed)
        return;
    if (!queue_.empty())
        schedule_drain();
    if (stopping || stop_after_ == 0) {
        stop_after_.reset();
        context.stop();
    }
}

void IOLoop::Impl::take_from_signals() {
    while (auto const callback = inbox->pop())
        post(callback->revive(callback->bytes));
    if (auto const dropped = inbox->take_dropped())
        log(Logger::general, LogLevel::warning,
            "add_callback_from_signal: too many at a time, " + std::to_string(dropped) +
                " callbacks were dropped");
}

void IOLoop::Impl::check_startable(char const* function) const {
    auto const name = "IOLoop::" + std::string(function);
    if (closed)
        throw std::logic_error(name + ": the loop is closed");
    if (running || context.get_executor().running_in_this_thread())
        throw std::logic_error(name + ": the loop is already running");
}

void IOLoop::Impl::run() {
    auto watching = blocking_threshold ? make_watchdog() : nullptr;
    if (running.exchange(true))
        throw std::logic_error("IOLoop::start: the loop is already running on another thread");
    watchdog = std::move(watching);
    auto const work = asio::make_work_guard(context);
    context.restart();
    {
        std::lock_guard const lock(mutex_);
        if (stop_after_)
            stop_after_ = queue_.size();
    }
    inbox->start();

    for (;;) {
        try {
            context.run();
            break;
        } catch (...) {
            runner->report(std::current_exception());
        }
    }

    watchdog.reset();
    inbox->stop();
    std::lock_guard const lock(mutex_);
    stop_after_.reset();
    running = false;
}

void IOLoop::Impl::watch() {
    if (blocking_threshold && running)
        watchdog = make_watchdog();
}

std::unique_ptr<detail::Watchdog> IOLoop::Impl::make_watchdog() {
    if (!longest_block)
        longest_block = std::make_shared<clock::duration>(0);
    return std::make_unique<detail::Watchdog>(context, *blocking_threshold, longest_block);
}

// What belongs to the io_context crosses a fork by Asio's own doing; here is the rest.
void IOLoop::Impl::notify_fork(asio::execution_context::fork_event event) {
    switch (event) {
    case asio::execution_context::fork_prepare:
        watchdog.reset(); // no thread may be at the io_context now
        handlers->before_fork();
        return;
    case asio::execution_context::fork_child:
        abandon_executor_calls();
        inbox->after_fork();
        handlers->after_fork();
        break;
    case asio::execution_context::fork_parent:
        break;
    }
    watch();
}

void IOLoop::Impl::close(bool all_fds) {
    std::vector<detail::Callback> dropped;
    {
        std::lock_guard const lock(mutex_);
        closed = true;
        dropped.swap(queue_);
        stop_after_.reset();
    }
    if (running)
        context.stop();
    watchdog.reset();
    inbox->close();
    timeouts->close();
    handlers->close(all_fds);
    while (!signals.empty())
        remove_signal_handler(signals.begin()->first);
    std::exchange(executor_calls, {}).clear();
    own_executor.reset();
}

} // namespace tornado
