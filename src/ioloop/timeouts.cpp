// SPDX-License-Identifier: BSL-1.0
#include "ioloop/timeouts.hpp"

#include <atomic>
#include <utility>

namespace tornado::detail {
namespace {

constexpr std::size_t many = 10'000; // timeouts; the memory of more is given back

} // namespace

Timeouts::Timeouts(asio::io_context& context, std::shared_ptr<CallbackRunner> runner)
    : runner_(std::move(runner)), timer_(std::in_place, context) {}

Timeouts::Key Timeouts::add(Clock::time_point deadline, Callback callback) {
    static std::atomic<std::uint64_t> last_id = 0;
    Key key{none, ++last_id};
    if (!timer_)
        return key;
    if (free_ == none) {
        slots_.push_back({0, none, {}});
        free_ = slots_.size() - 1;
    }
    key.slot = free_;
    auto& slot = slots_[key.slot];
    auto const next_free = slot.place;
    waiting_.push({deadline, key.id, key.slot}); // may throw; nothing has changed by then
    free_ = next_free;
    slot.id = key.id;
    slot.callback = std::move(callback);
    arm();
    return key;
}

void Timeouts::remove(Key const& key) {
    if (!holds(key))
        return;
    auto const place = slots_[key.slot].place;
    if (place != due)
        waiting_.remove(place);
    // The callback is destroyed last, because its destructor may come back here.
    auto const callback = take(key.slot);
    if (place != due && waiting_.empty())
        arm();
}

void Timeouts::close() {
    timer_.reset();
    waiting_.release();
    free_ = none;
    auto const slots = std::exchange(slots_, {});
}

bool Timeouts::holds(Key const& key) const noexcept {
    return key.id != 0 && key.slot < slots_.size() && slots_[key.slot].id == key.id;
}

// Of a slot that is in the heap no more.
Callback Timeouts::take(std::size_t number) noexcept {
    auto& slot = slots_[number];
    slot.id = 0;
    slot.place = std::exchange(free_, number);
    return std::move(slot.callback);
}

// Leaves an earlier wake-up alone; without a timeout nothing waits, so that the io_context can run
// out of work.
void Timeouts::arm() {
    if (!timer_)
        return;
    if (waiting_.empty()) {
        timer_->cancel();
        armed_ = false;
        if (due_.empty() && slots_.size() > many) {
            waiting_.release();
            std::vector<Slot>().swap(slots_);
            free_ = none;
        }
        return;
    }
    auto const earliest = waiting_.top().deadline;
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
    runner_->count_pass();
    for (auto const now = Clock::now(); !waiting_.empty() && waiting_.top().deadline <= now;) {
        auto const [deadline, id, slot] = waiting_.top();
        due_.push_back({slot, id});
        waiting_.remove(0);
        slots_[slot].place = due;
    }
    // A callback may remove others, close all, or run the io_context and so come here once more.
    for (std::size_t i = 0; i < due_.size(); ++i) {
        if (!holds(due_[i]))
            continue;
        auto callback = take(due_[i].slot);
        runner_->run(callback);
    }
    due_.clear();
    arm();
}

} // namespace tornado::detail
