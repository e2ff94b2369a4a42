// SPDX-License-Identifier: BSL-1.0
// PeriodicCallback.
#include "ioloop/impl.hpp"
#include "ioloop/random.hpp"

#include <stdexcept>

namespace tornado {

struct PeriodicCallback::Impl : std::enable_shared_from_this<PeriodicCallback::Impl> {
    Impl(detail::Callback a_callback, IOLoop::clock::duration a_period, double a_jitter)
        : callback(std::move(a_callback)), period(a_period), jitter(a_jitter) {}

    void schedule() {
        scheduled = detail::next_call(scheduled, detail::Clock::now(), period, jitter,
                                      jitter != 0 ? detail::random_fraction() : 0.5);
        pending = timeouts->add(scheduled, [self = shared_from_this()]() -> asio::awaitable<void> {
            self->call();
            return {};
        });
    }

    void call() {
        runner->run(callback, [self = shared_from_this(), of_round = round] {
            if (self->timeouts && self->round == of_round)
                self->schedule();
        });
    }

    void stop() {
        if (auto const former = std::exchange(timeouts, nullptr))
            former->remove(pending);
    }

    detail::Callback callback;
    IOLoop::clock::duration period;
    double jitter;

    std::shared_ptr<detail::CallbackRunner> runner;
    std::shared_ptr<detail::Timeouts> timeouts; // null: stopped
    detail::Timeouts::Key pending{};
    IOLoop::clock::time_point scheduled;
    unsigned round = 0; // of start(), so that a coroutine of an earlier one does not schedule
};

PeriodicCallback::PeriodicCallback(Tag, detail::Callback callback, IOLoop::clock::duration period,
                                   double jitter)
    : impl_(std::make_shared<Impl>(std::move(callback), period, jitter)) {
    if (period <= IOLoop::clock::duration::zero())
        throw std::invalid_argument("PeriodicCallback: the period must be positive");
    if (!(jitter >= 0 && jitter <= 1))
        throw std::invalid_argument(
            "PeriodicCallback: jitter is a fraction of the period, from 0 to 1");
}

PeriodicCallback::~PeriodicCallback() {
    stop();
}

void PeriodicCallback::start() {
    if (is_running())
        return;
    auto const& loop = IOLoop::current().impl_;
    impl_->runner = loop->runner;
    impl_->timeouts = loop->timeouts;
    impl_->scheduled = IOLoop::clock::now();
    ++impl_->round;
    impl_->schedule();
}

void PeriodicCallback::stop() {
    impl_->stop();
}

bool PeriodicCallback::is_running() const noexcept {
    return impl_->timeouts && !impl_->timeouts->closed();
}

} // namespace tornado
