// SPDX-License-Identifier: BSL-1.0
// What a loop says of itself: figures for a monitor, and words for a reader.
#include "tornado/ioloop.hpp"

#include "ioloop/impl.hpp"
#include "seconds.hpp"
#include "tether.hpp"

#include <cstring>
#include <string>
#include <string_view>

namespace tornado {
namespace {

std::string plural(std::size_t n, std::string_view what) {
    return std::to_string(n) + ' ' + std::string(what) + (n == 1 ? "" : "s");
}

} // namespace

std::size_t IOLoop::Impl::queued() {
    std::lock_guard const lock(mutex_);
    return queue_.size();
}

IOLoopStats IOLoop::stats() const {
    auto& loop = *impl_;
    IOLoopStats stats;
    if (loop.closed)
        return stats;
    stats.iterations = loop.runner->passes() + detail::turns_of(loop.context);
    stats.callbacks = loop.queued();
    stats.coroutines = loop.runner->coroutines();
    stats.timeouts = loop.timeouts->size();
    stats.handlers = loop.handlers->size();
    stats.signals = loop.signals.size();
    stats.executor_calls = loop.executor_calls.size();
    if (loop.longest_block)
        stats.longest_block = *loop.longest_block;
    return stats;
}

std::string IOLoop::describe() const {
    if (impl_->closed)
        return "loop: closed\n";
    auto const now = stats();
    bool const running = impl_->running || impl_->context.get_executor().running_in_this_thread();
    std::string lines = "loop: " + std::string(running ? "running" : "not running") + ", " +
                        plural(now.callbacks, "callback") + " queued, " +
                        plural(now.coroutines, "coroutine") + " spawned, " +
                        plural(now.executor_calls, "function") + " on other threads\n";
    if (now.timeouts != 0)
        lines += "timeouts: " + std::to_string(now.timeouts) + ", the next is due in " +
                 detail::in_seconds(detail::until(impl_->timeouts->next())) + '\n';
    std::string signals;
    for (auto const& [number, handler] : impl_->signals)
        signals += (signals.empty() ? "signals: " : ", ") + std::to_string(number) + " (" +
                   ::strsignal(number) + ')';
    if (!signals.empty())
        lines += signals + '\n';
    impl_->handlers->describe(lines);
    detail::describe_tethers(impl_->context, lines);
    return lines;
}

} // namespace tornado
