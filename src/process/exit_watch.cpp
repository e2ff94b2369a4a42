// SPDX-License-Identifier: BSL-1.0
#include "process/exit_watch.hpp"

#include <algorithm>

namespace tornado::detail {

/// The one operation that is pending as long as the watch lives: so its destruction says that the
/// context is gone.
class ExitWatch::Notice {
public:
    explicit Notice(std::weak_ptr<ExitWatch> watch) : watch_(std::move(watch)) {}
    Notice(Notice&&) = default;
    ~Notice() {
        if (auto const watch = watch_.lock())
            watch->context_ended();
    }

    void operator()(error_code) {
        if (auto const watch = std::exchange(watch_, {}).lock())
            watch->look();
    }

private:
    std::weak_ptr<ExitWatch> watch_;
};

ExitWatch::ExitWatch(asio::any_io_executor const& executor, std::shared_ptr<Child> child)
    : child_(std::move(child)), exited_(std::in_place, executor) {
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
    Notice notice(weak_from_this());
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
    exited_->cancel();
    if (auto tell = std::exchange(on_exit_, {}))
        tell();
}

void ExitWatch::context_ended() noexcept {
    if (pidfd_)
        pidfd_->release();
    pidfd_.reset();
    next_look_.reset();
    exited_.reset();
}

} // namespace tornado::detail
