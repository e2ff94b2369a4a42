// SPDX-License-Identifier: BSL-1.0
#include "ioloop/signal_inbox.hpp"

#include "last_error.hpp"
#include "retry.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace tornado::detail {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free &&
              std::atomic<unsigned>::is_always_lock_free);

namespace {

int new_eventfd(unsigned count) {
    int const fd = ::eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        throw system_error(last_error(), "IOLoop: eventfd");
    return fd;
}

} // namespace

SignalInbox::SignalInbox(asio::io_context& context, Function<void()> take_all)
    : event_fd_(new_eventfd(0)), take_all_(std::move(take_all)) {
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

// A signal handler may push meanwhile, so the number stays; and what is in the queue already is
// taken, because the count begins at one.
void SignalInbox::after_fork() {
    if (!event_)
        return;
    int const fresh = new_eventfd(1);
    event_->release();
    retry([&] { return ::dup3(fresh, event_fd_, O_CLOEXEC); });
    ::close(fresh);
    event_->assign(event_fd_);
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
