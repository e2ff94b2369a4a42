// SPDX-License-Identifier: BSL-1.0
#include "process/exit_watch.hpp"

#include <algorithm>
#include <string>

namespace tornado::detail {

ExitWatch::ExitWatch(asio::any_io_executor const& executor, std::shared_ptr<Child> child)
    : child_(std::move(child)) {
    if (!tie(executor))
        return;
    exited_.emplace(executor);
    exited_->expires_at(asio::steady_timer::time_point::max());
    if (child_->pidfd() >= 0) {
        error_code ec;
        pidfd_.emplace(executor);
        pidfd_->assign(child_->pidfd(), ec);
        if (ec)
            pidfd_.reset();
    }
    if (!pidfd_)
        next_look_.emplace(executor);
}

ExitWatch::~ExitWatch() {
    context_ended();
}

void ExitWatch::wait_for_notice() {
    if (!exited_)
        return;
    auto notice = [weak = weak_from_this()](error_code) {
        if (auto const self = weak.lock())
            self->look();
    };
    if (pidfd_)
        return pidfd_->async_wait(asio::posix::descriptor_base::wait_read, std::move(notice));
    constexpr std::chrono::milliseconds longest(50);
    next_look_->expires_after(delay_);
    next_look_->async_wait(std::move(notice));
    delay_ = std::min(2 * delay_, longest);
}

void ExitWatch::look() {
    if (!child_->end())
        return wait_for_notice();
    ended_ = true;
    exited_->cancel();
    if (auto tell = std::exchange(on_exit_, {}))
        tell();
}

void ExitWatch::describe_to(std::string& lines) const {
    if (!ended_)
        lines += "subprocess " + std::to_string(child_->pid()) + ": its end is waited for\n";
}

void ExitWatch::context_ended() noexcept {
    if (pidfd_)
        pidfd_->release();
    pidfd_.reset();
    next_look_.reset();
    exited_.reset();
}

} // namespace tornado::detail
