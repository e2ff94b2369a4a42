// SPDX-License-Identifier: BSL-1.0
#include "ioloop/signal_inbox.hpp"

#include <cerrno>
#include <sys/eventfd.h>
#include <utility>

namespace tornado::detail {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free &&
              std::atomic<unsigned>::is_always_lock_free);

SignalInbox::SignalInbox(asio::io_context& context, Function<void()> take_all)
    : event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), take_all_(std::move(take_all)) {
    if (event_fd_ < 0)
        throw system_error({errno, boost::system::system_category()}, "IOLoop: eventfd");
    event_.emplace(context, event_fd_);
    for (std::size_t i = 0; i < slots_.size(); ++i)
        slots_[i].turn.store(i, std::memory_order_relaxed);
}

void SignalInbox::push(SignalCallback const& callback) noexcept {
    auto position = head_.load(std::memory_order_relaxed);
    for (;;) {
        auto& slot = slots_[static_cast<std::size_t>(position % slots_.size())];
        auto const turn = slot.turn.load(std::memory_order_acquire);
        if (turn < position) {
            dropped_.fetch_add(1, std::memory_order_relaxed);
            break;
        }
        if (turn > position) {
            position = head_.load(std::memory_order_relaxed);
        } else if (head_.compare_exchange_weak(position, position + 1, std::memory_order_relaxed)) {
            slot.callback = callback;
            slot.turn.store(position + 1, std::memory_order_release);
            break;
        }
    }
    int const saved = errno;
    static_cast<void>(::eventfd_write(event_fd_, 1));
    errno = saved;
}

std::optional<SignalCallback> SignalInbox::pop() noexcept {
    auto& slot = slots_[static_cast<std::size_t>(tail_ % slots_.size())];
    if (slot.turn.load(std::memory_order_acquire) != tail_ + 1)
        return std::nullopt;
    auto const callback = slot.callback;
    slot.turn.store(tail_ + slots_.size(), std::memory_order_release);
    ++tail_;
    return callback;
}

void SignalInbox::start() {
    started_ = true;
    wait();
}

void SignalInbox::stop() {
    started_ = false;
    if (event_)
        event_->cancel();
}

void SignalInbox::close() {
    started_ = false;
    event_.reset();
}

void SignalInbox::wait() {
    if (!started_ || waiting_)
        return;
    waiting_ = true;
    event_->async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](error_code ec) {
                           self->waiting_ = false;
                           if (!ec && self->event_) {
                               eventfd_t count = 0;
                               static_cast<void>(::eventfd_read(self->event_fd_, &count));
                               self->take_all_();
                           }
                           self->wait();
                       });
}

} // namespace tornado::detail
