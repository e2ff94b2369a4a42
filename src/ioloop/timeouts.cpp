// SPDX-License-Identifier: BSL-1.0
#include "ioloop/timeouts.hpp"

#include <atomic>

namespace tornado::detail {

Timeouts::Timeouts(asio::io_context& context, std::shared_ptr<CallbackRunner> runner)
    : runner_(std::move(runner)), timer_(std::in_place, context) {}

Timeouts::Key Timeouts::add(Clock::time_point deadline, Callback callback) {
    static std::atomic<std::uint64_t> last_id = 0;
    Key const key{deadline, ++last_id};
    if (timer_) {
        waiting_.emplace(key, std::move(callback));
        arm();
    }
    return key;
}

void Timeouts::remove(Key const& key) {
    // The callback is destroyed last, because its destructor may come back here.
    auto const due = due_.extract(key);
    auto const waiting = waiting_.extract(key);
    if (waiting && waiting_.empty())
        arm();
}

void Timeouts::close() {
    timer_.reset();
    auto const waiting = std::exchange(waiting_, {});
    auto const due = std::exchange(due_, {});
}

// Leaves an earlier wake-up alone; without a timeout nothing waits, so that the io_context can run
// out of work.
void Timeouts::arm() {
    if (!timer_)
        return;
    if (waiting_.empty()) {
        timer_->cancel();
        armed_ = false;
        return;
    }
    auto const earliest = waiting_.begin()->first.first;
    if (armed_ && timer_->expiry() <= earliest)
        return;
    timer_->expires_at(earliest);
    armed_ = true;
    timer_->async_wait([self = shared_from_this()](error_code ec) {
        if (!ec)
            self->fire();
    });
}

void Timeouts::fire() {
    armed_ = false;
    for (auto const now = Clock::now(); !waiting_.empty() && waiting_.begin()->first.first <= now;)
        due_.insert(due_.end(), waiting_.extract(waiting_.begin()));
    while (!due_.empty()) {
        auto timeout = due_.extract(due_.begin());
        runner_->run(timeout.mapped());
    }
    arm();
}

} // namespace tornado::detail
