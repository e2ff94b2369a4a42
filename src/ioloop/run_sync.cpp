// SPDX-License-Identifier: BSL-1.0
// run_sync: a loop that runs until one coroutine has ended, or cannot end any more.
#include "ioloop/impl.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>

#include <exception>
#include <sstream>
#include <stdexcept>

namespace tornado {

/// What run_sync and its coroutine, which may go on without it, have in common.
struct IOLoop::Impl::SyncRun {
    explicit SyncRun(Impl& on) : loop(on) {}

    void end(std::exception_ptr const& with) {
        ended = true;
        failure = with;
        if (awaited)
            loop.stop();
        else if (failure)
            loop.runner->report(failure);
    }

    Impl& loop;
    asio::cancellation_signal cancel;
    Timeout deadline;
    std::exception_ptr failure;
    bool ended = false;
    bool timed_out = false;
    bool awaited = true; // run_sync has not returned
};

/// The handler of its coroutine: called at the coroutine's end, or destroyed with it.
class IOLoop::Impl::SyncEnd {
public:
    explicit SyncEnd(std::shared_ptr<SyncRun> run) noexcept : run_(std::move(run)) {}
    SyncEnd(SyncEnd&&) noexcept = default;
    ~SyncEnd() {
        if (run_ && run_->awaited)
            run_->end(std::make_exception_ptr(std::runtime_error(
                "IOLoop::run_sync: the coroutine was destroyed before its end: what it awaited has "
                "let go of it, such as an operation that throws while it is being started")));
    }

    void operator()(std::exception_ptr const& failure) {
        auto const run = std::exchange(run_, nullptr);
        run->end(failure);
    }

private:
    std::shared_ptr<SyncRun> run_;
};

void IOLoop::run_until_complete(asio::awaitable<void> awaitable,
                                std::optional<clock::duration> timeout) {
    static constexpr auto grace = std::chrono::seconds(1);

    impl_->check_startable("run_sync");
    auto const impl = impl_;
    auto const run = std::make_shared<Impl::SyncRun>(*impl);
    add_callback([run, end = Impl::SyncEnd(run), awaitable = std::move(awaitable)]() mutable {
        asio::co_spawn(run->loop.context, std::move(awaitable),
                       asio::bind_cancellation_slot(run->cancel.slot(), std::move(end)));
    });
    if (timeout) {
        run->deadline = call_later(*timeout, [this, run] {
            if (run->ended)
                return;
            run->timed_out = true;
            run->deadline = call_later(grace, [this] { stop(); });
            run->cancel.emit(asio::cancellation_type::all);
        });
    }

    start();
    run->awaited = false;
    impl->timeouts->remove({run->deadline.slot_, run->deadline.id_});
    if (run->timed_out) {
        std::ostringstream text;
        text << "IOLoop::run_sync: Operation timed out after "
             << std::chrono::duration<double>(*timeout).count() << " seconds";
        throw system_error(asio::error::timed_out, text.str());
    }
    if (!run->ended)
        throw std::runtime_error("Event loop stopped before run_sync's function completed");
    if (run->failure)
        std::rethrow_exception(run->failure);
}

} // namespace tornado
