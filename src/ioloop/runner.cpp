// SPDX-License-Identifier: BSL-1.0
#include "ioloop/runner.hpp"

#include "tornado/log.hpp"

#include <boost/asio/co_spawn.hpp>

#include <utility>

namespace tornado::detail {

/// In the handler of a coroutine's end, and so counted until that is called or destroyed.
class CallbackRunner::Coroutine {
public:
    explicit Coroutine(std::shared_ptr<CallbackRunner> runner) noexcept
        : runner_(std::move(runner)) {
        ++runner_->coroutines_;
    }
    Coroutine(Coroutine&&) noexcept = default;
    ~Coroutine() {
        if (runner_)
            --runner_->coroutines_;
    }

    void report(std::exception_ptr failure) const noexcept { runner_->report(std::move(failure)); }

private:
    std::shared_ptr<CallbackRunner> runner_;
};

void CallbackRunner::run(Callback& callback, Function<void()> then) noexcept {
    try {
        if (auto rest = callback(); rest.valid()) {
            asio::co_spawn(context_, std::move(rest),
                           [coroutine = Coroutine(shared_from_this()),
                            then = std::move(then)](std::exception_ptr failure) mutable {
                               if (failure)
                                   coroutine.report(std::move(failure));
                               if (then)
                                   then();
                           });
            return;
        }
    } catch (...) {
        report(std::current_exception());
    }
    if (then)
        then();
}

void CallbackRunner::report(std::exception_ptr exception) noexcept {
    try {
        if (auto const handler = exception_handler_)
            handler(exception);
        else
            log(Logger::application, LogLevel::error,
                "Exception in callback: " + describe(exception));
    } catch (...) {
        log(Logger::application, LogLevel::error, "Exception in the loop's exception handler");
    }
}

void CallbackRunner::set_exception_handler(std::function<void(std::exception_ptr)> handler) {
    exception_handler_ = std::move(handler);
}

} // namespace tornado::detail
