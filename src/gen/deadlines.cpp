// SPDX-License-Identifier: BSL-1.0
#include "tornado/detail/deadlines.hpp"

#include "tornado/error.hpp"

#include "seconds.hpp"
#include "tether.hpp"

#include <boost/asio/execution_context.hpp>

#include <utility>

namespace tornado::detail {

class Deadlines::Service final : public asio::execution_context::service, Tether {
public:
    using key_type = Service;
    static asio::execution_context::id id;

    explicit Service(asio::execution_context& context) : asio::execution_context::service(context) {
        if (!tie(context))
            deadlines->close();
    }
    void shutdown() override { deadlines->close(); }
    void context_ended() noexcept override {}
    void describe_to(std::string& lines) const override { deadlines->describe(lines); }

    std::shared_ptr<Deadlines> const deadlines = std::make_shared<Deadlines>();
};

asio::execution_context::id Deadlines::Service::id;

std::shared_ptr<Deadlines> Deadlines::of(asio::execution_context& context) {
    return asio::use_service<Service>(context).deadlines;
}

void Deadlines::add(Deadline& deadline, clock::duration limit) {
    auto const now = clock::now();
    if (limit >= clock::time_point::max() - now)
        return; // never
    std::lock_guard const lock(mutex_);
    if (closed_)
        return;
    heap_.push({now + limit, &deadline});
    if (deadline.place_ == 0 && !(armed_ && timer_->expiry() <= now + limit))
        arm();
}

bool Deadlines::remove(Deadline& deadline) noexcept {
    std::lock_guard const lock(mutex_);
    if (deadline.place_ != Deadline::nowhere)
        take(deadline);
    return !armed_ || !heap_.empty();
}

void Deadlines::describe(std::string& lines) {
    std::lock_guard const lock(mutex_);
    if (!heap_.empty())
        lines += "deadlines of cancel_after: " + std::to_string(heap_.size()) + ", the next in " +
                 in_seconds(until(heap_.top().time)) + '\n';
}

void Deadlines::settle() noexcept {
    std::lock_guard const lock(mutex_);
    if (heap_.empty() && std::exchange(armed_, false))
        timer_->cancel();
}

void Deadlines::take(Deadline& deadline) noexcept {
    heap_.remove(std::exchange(deadline.place_, Deadline::nowhere));
}

// ---- The timer

void Deadlines::arm() {
    auto const& first = heap_.top();
    if (auto const executor = first.deadline->executor();
        !timer_ || timer_->get_executor() != executor)
        timer_.emplace(executor);
    timer_->expires_at(first.time);
    timer_->async_wait([self = shared_from_this()](error_code ec) {
        if (!ec)
            self->fire();
    });
    armed_ = true;
}

void Deadlines::fire() {
    std::lock_guard const lock(mutex_);
    auto const now = clock::now();
    if (!armed_ || timer_->expiry() > now)
        return; // set anew while this was on its way
    armed_ = false;
    while (!heap_.empty() && heap_.top().time <= now) {
        auto& due = *heap_.top().deadline;
        take(due);
        due.expire();
    }
    if (!heap_.empty())
        arm();
}

void Deadlines::close() noexcept {
    std::lock_guard const lock(mutex_);
    closed_ = true;
    armed_ = false;
    timer_.reset();
    while (!heap_.empty())
        take(*heap_.top().deadline);
}

} // namespace tornado::detail
