// SPDX-License-Identifier: BSL-1.0
// The event loop: Tornado's IOLoop and PeriodicCallback on an asio::io_context.
#pragma once

#include "tornado/detail/callback.hpp"
#include "tornado/detail/export.hpp"
#include "tornado/detail/loop_calls.hpp"
#include "tornado/error.hpp"

#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace boost::asio {
class thread_pool;
}

namespace tornado {

namespace detail {
struct InitiateInExecutor;
}

/// What add_timeout returns and remove_timeout takes: a small value, true once it names a timeout.
/// It owns nothing and may outlive the timeout and the loop (T018).
class Timeout {
public:
    /// Names no timeout.
    Timeout() = default;
    /// Whether it names a timeout, be that over or not.
    explicit operator bool() const noexcept { return id_ != 0; }

private:
    friend class IOLoop;
    Timeout(std::size_t slot, std::uint64_t id) noexcept : slot_(slot), id_(id) {}

    std::size_t slot_ = 0;
    std::uint64_t id_ = 0;
};

/// What a loop has done and has to do, for a monitor: IOLoop::stats().
struct IOLoopStats {
    /// Passes over the callbacks, timeouts and ready descriptors that were due, and turns of
    /// streams: a loop that does something counts on, whatever that is. What runs on its io_context
    /// beside the library is not seen.
    std::uint64_t iterations = 0;
    std::size_t callbacks = 0;      ///< that wait for the next iteration
    std::size_t coroutines = 0;     ///< that callbacks were, or returned, and have not ended
    std::size_t timeouts = 0;       ///< pending
    std::size_t handlers = 0;       ///< of descriptors
    std::size_t signals = 0;        ///< that have a handler
    std::size_t executor_calls = 0; ///< run_in_executor's, that have not completed
    /// The longest that the loop took to begin with what was asked of it from another thread. Known
    /// where there is a set_blocking_log_threshold, whose thread asks: a handler that ran as long
    /// as that threshold shows, a shorter one perhaps. Without it a clock would have to be read
    /// around each handler.
    std::optional<std::chrono::steady_clock::duration> longest_block;
};

/// Tornado's event loop, on an io_context of its own or on yours.
///
/// A loop and everything on it belongs to one thread at a time. From other threads only
/// add_callback, spawn_callback and stop may be called, and add_callback_from_signal from anywhere.
///
/// A callback (F below) is any callable, called once with the arguments given beside it; both are
/// moved or copied in, and are destroyed right after the call. It may be a coroutine that returns
/// an asio::awaitable, which is then spawned on the loop with the callable kept alive until its
/// end. An exception that leaves a callback, a coroutine or any other handler that start() runs is
/// reported (see set_exception_handler) and the loop goes on (T024, T025, T026).
///
/// A loop that is destroyed drops what is still pending. It may be destroyed inside its own
/// callbacks: start() then returns.
class TORNADO_ASIO_EXPORT IOLoop {
public:
    /// Measures time: steps of the system's clock do not touch it.
    using clock = std::chrono::steady_clock;
    /// The io_context's.
    using executor_type = asio::io_context::executor_type;

    static constexpr unsigned NONE = 0;      ///< of a handler's events: none
    static constexpr unsigned READ = 0x001;  ///< the bit that means: there is something to read
    static constexpr unsigned WRITE = 0x004; ///< the bit that means: there is room to write
    /// A hang-up or an error of the descriptor, which sets all the bits that were asked for.
    static constexpr unsigned ERROR = 0x018;

    /// A loop on an io_context of its own, for one thread. It becomes this thread's current loop
    /// unless `make_current` is false (T031, T032).
    explicit IOLoop(bool make_current = true);

    /// A loop on the application's io_context, which is to be run by one thread at a time. The
    /// application may run it itself instead of calling start(): the loop then is work only as long
    /// as a callback is queued, a timeout pends, or a descriptor or signal has a handler. The end
    /// of the io_context close()s the loop, whose context() and get_executor() lead nowhere then.
    /// Throws std::logic_error if the io_context already has a loop (T030).
    explicit IOLoop(asio::io_context& context, bool make_current = true);

    IOLoop(IOLoop const&) = delete;
    IOLoop& operator=(IOLoop const&) = delete;

    /// close()s the loop. Where it is another thread's current loop, that thread must call
    /// clear_current first.
    ~IOLoop();

    /// This thread's loop. If there is none it is created, and lives until the thread ends. While a
    /// loop runs it is current on its thread (T041).
    ///
    /// On the main thread one that was created so lives as long as the process, so that static
    /// objects may use it and be destroyed in any order: their sockets are closed, no callback runs
    /// any more, and what was pending when main() returned is not destroyed. A program that wants
    /// that destroyed, coroutines and all, makes an IOLoop in main().
    static IOLoop& current();
    /// This thread's loop, or null.
    static IOLoop* current_if_any() noexcept;
    /// The main thread's loop, from any thread; created if there is none (Tornado 3's singleton).
    static IOLoop& instance();
    /// The loop on this context, or null: how an object that has only an executor finds its loop.
    static IOLoop* of(asio::execution_context& context) noexcept;
    /// Makes this loop the thread's current one.
    void make_current();
    /// Leaves the thread without a current loop; harmless if it has none (T033).
    static void clear_current();

    /// The io_context that the loop is on; to be used as any of Asio's.
    asio::io_context& context() const noexcept;
    /// The io_context's executor: what Asio's objects and algorithms take.
    executor_type get_executor() const noexcept;

    /// Runs the loop on this thread until stop(); current() is this loop meanwhile, and what it was
    /// before afterwards (T031). Can be called again (T046). Throws std::logic_error if the loop
    /// runs already, or the io_context runs this handler (T023), or after close().
    void start();

    /// Makes start() return, after the current iteration: callbacks queued before stop() still run,
    /// and those added after it wait for the next start() (T045). Before start() it makes the next
    /// start() return after one iteration that waits for nothing (T044). If the application runs
    /// the io_context itself, that is stopped. Thread-safe.
    void stop();

    /// Drops all that is pending, callbacks, timeouts, handlers and signals, and stops the loop if
    /// it runs. With `all_fds`, the descriptors that have a handler are closed (T020). Afterwards
    /// the loop cannot be started, and what is added to it is dropped silently (T012). Waits for
    /// functions that the loop's own default executor is running.
    void close(bool all_fds = false);

    /// Runs `f` on the loop, start() until it has ended, and returns its result or throws its
    /// exception (T039, T040). `f` returns nothing, a value, or an asio::awaitable of either. After
    /// `timeout` it throws system_error(asio::error::timed_out); the coroutine has been cancelled,
    /// and has a second to end (T042). After a stop() it throws std::runtime_error; the coroutine
    /// goes on when the loop is next started (T043). It throws std::runtime_error also when the
    /// coroutine was destroyed before its end: whatever it awaited has let go of it, such as an
    /// operation of somebody else's that throws while it is being started.
    template <class F>
    auto run_sync(F&& f, std::optional<clock::duration> timeout = {}) {
        using Call = detail::SyncCall<std::decay_t<F>>;
        std::shared_ptr<Call> call(new Call{std::forward<F>(f)});
        run_until_complete(detail::run_sync_call(call), timeout);
        if constexpr (!std::is_void_v<typename Call::Value>)
            return std::move(*call->value);
    }

    /// Calls `f` in the loop's next iteration, in the order of addition (T001, T002). Callbacks
    /// added by callbacks wait for the iteration after, so that I/O gets its turn in between
    /// (T058). On a closed loop it is dropped. Thread-safe; wakes a loop that waits (T004, T005).
    template <class F, class... Args>
    void add_callback(F&& f, Args&&... args) {
        post(detail::once(std::forward<F>(f), std::forward<Args>(args)...));
    }

    /// The same as add_callback, as in Tornado 6 (T027).
    template <class F, class... Args>
    void spawn_callback(F&& f, Args&&... args) {
        add_callback(std::forward<F>(f), std::forward<Args>(args)...);
    }

    /// add_callback for a signal handler (sigaction); it leaves errno alone (T010, T011). `f` with
    /// its arguments must be trivially copyable and no larger than six pointers to be
    /// async-signal-safe; otherwise this is add_callback, which is not. It runs as soon as start()
    /// or run_sync() runs the loop. If the application runs the io_context itself, it runs with the
    /// next callback; use add_signal_handler there. Up to 64 calls wait at a time; further ones are
    /// dropped, and counted in a warning.
    template <class F, class... Args>
    void add_callback_from_signal(F&& f, Args&&... args) {
        auto bound = [f = std::forward<F>(f), ... args = std::forward<Args>(args)]() mutable {
            return std::invoke(std::move(f), std::move(args)...);
        };
        if constexpr (detail::SignalCallback::fits<decltype(bound)>)
            post_from_signal(detail::SignalCallback::of(bound));
        else
            add_callback(std::move(bound));
    }

    /// Calls `f`, with the signal's number if it takes one, on the loop each time the process
    /// receives `signal`. Replaces this loop's former handler. Keeps an io_context that the
    /// application runs itself running. Throws system_error if the signal cannot be handled.
    /// asyncio's loop.add_signal_handler.
    template <class F>
    void add_signal_handler(int signal, F&& f) {
        if constexpr (std::is_invocable_v<std::decay_t<F>&, int>)
            set_signal_handler(signal, detail::repeated(std::forward<F>(f), signal));
        else
            set_signal_handler(signal, detail::repeated(std::forward<F>(f)));
    }

    /// Harmless if there is no handler.
    void remove_signal_handler(int signal);

    /// Calls `handler(fd, events)` in each iteration in which any of `events` is true of the
    /// descriptor (level-triggered), and with those only. The descriptor stays the caller's; it may
    /// be closed before remove_handler, and its number used again. The handler may remove itself or
    /// any other; one that was removed is not called, even if it was ready already (T013, T028).
    /// Throws std::invalid_argument if the descriptor has a handler (T008), is not open, or is of a
    /// kind that cannot be waited for (a regular file).
    void add_handler(int fd, std::function<void(int fd, unsigned events)> handler, unsigned events);
    /// Changes what the handler waits for. Throws std::invalid_argument if the descriptor has none.
    void update_handler(int fd, unsigned events);
    /// Harmless if the descriptor has none (T009).
    void remove_handler(int fd);

    /// Calls `f` once at `deadline`; at once, in the next iteration, if that has passed. Timeouts
    /// run in the order of their deadlines (T006, T017).
    template <class Duration, class F, class... Args>
    Timeout add_timeout(std::chrono::time_point<clock, Duration> deadline, F&& f, Args&&... args) {
        return set_timeout(clock::time_point(detail::to_duration(deadline.time_since_epoch())),
                           detail::once(std::forward<F>(f), std::forward<Args>(args)...));
    }

    /// The same, `delay` from now.
    template <class Rep, class Period, class F, class... Args>
    Timeout add_timeout(std::chrono::duration<Rep, Period> delay, F&& f, Args&&... args) {
        return set_timeout(after(detail::to_duration(delay)),
                           detail::once(std::forward<F>(f), std::forward<Args>(args)...));
    }

    /// add_timeout for a delay.
    template <class Rep, class Period, class F, class... Args>
    Timeout call_later(std::chrono::duration<Rep, Period> delay, F&& f, Args&&... args) {
        return add_timeout(delay, std::forward<F>(f), std::forward<Args>(args)...);
    }

    /// add_timeout for a point in time.
    template <class Duration, class F, class... Args>
    Timeout call_at(std::chrono::time_point<clock, Duration> deadline, F&& f, Args&&... args) {
        return add_timeout(deadline, std::forward<F>(f), std::forward<Args>(args)...);
    }

    /// The callback does not run any more, even if it is due in the same iteration (T016), and is
    /// destroyed at once. Harmless after it ran, inside it, twice, and for a default-constructed
    /// Timeout (T014).
    void remove_timeout(Timeout const& timeout);

    /// Now, by the clock of the timeouts. Tornado: IOLoop.time.
    clock::time_point time() const { return clock::now(); }

    /// Runs the coroutine on the loop and then calls `f(exception_ptr, T)`, or `f(exception_ptr)`
    /// for void; the pointer is null on success. Never calls inside add_future (T035).
    template <class T, class F>
    void add_future(asio::awaitable<T> awaitable, F&& f) {
        add_callback(&detail::await_and_tell<T, std::decay_t<F>>, std::move(awaitable),
                     std::forward<F>(f));
    }

    /// Calls `f()` on a thread of `pool`, or of the default pool if that is null, and completes on
    /// the loop with `void(std::exception_ptr, R)`, R being what `f` returns, or
    /// `void(std::exception_ptr)` for void; a co_await throws the exception (T036). R needs a
    /// default constructor. A call that the pool drops completes with operation_aborted; one for
    /// which the default pool can make no thread, with the system's reason.
    /// Cancelling (any type) completes with asio::error::operation_aborted; the function runs on
    /// for nothing. The default token is not asio::deferred, because Boost 1.81 cannot co_await a
    /// deferred operation that completes with an exception_ptr and a value.
    template <class F, class Token = asio::use_awaitable_t<>>
    auto run_in_executor(asio::thread_pool* pool, F&& f, Token&& token = Token());

    /// The pool for run_in_executor(nullptr, ...), which must outlive the loop (T037). Without it
    /// the loop makes one of four threads more than there are processors, 32 at most and as many as
    /// the system allows, when it is first needed.
    void set_default_executor(asio::thread_pool& pool);

    /// What is to happen to an exception that left a callback (Tornado 3's
    /// handle_callback_exception, T057); an empty function restores the default, an error line of
    /// tornado.application: "Exception in callback".
    void set_exception_handler(std::function<void(std::exception_ptr)> handler);

    /// Logs a warning each time a handler keeps the loop from turning for longer than this. It
    /// costs a thread, and some wake-ups, while the loop is run by start() or run_sync(). Empty
    /// turns it off, the default. Throws std::invalid_argument if it is not positive. Tornado 3.1's
    /// function.
    void set_blocking_log_threshold(std::optional<clock::duration> threshold);

    /// On the loop's thread; takes no longer with many timeouts or handlers than with few.
    IOLoopStats stats() const;

    /// What this loop waits for, in words, a line each: connections (id, peer, age, what is
    /// pending, bytes queued and unread), servers and listening sockets, descriptors with a
    /// handler, subprocesses, timeouts, signals, callbacks, coroutines. Of the context's own
    /// operations that are not the library's it knows nothing. On the loop's thread, in any state
    /// of the loop; the words may change with each version.
    ///
    ///     loop.add_signal_handler(SIGUSR1, [&] { std::cerr << loop.describe(); });
    ///
    /// The answer to "why does my process not end".
    std::string describe() const;

private:
    friend struct detail::InitiateInExecutor;
    friend class LoopService;
    friend class PeriodicCallback;
    struct Impl;

    IOLoop(std::shared_ptr<asio::io_context> context, bool make_current);

    bool closed() const noexcept;
    static clock::time_point after(clock::duration delay);
    void post(detail::Callback callback);
    void post_from_signal(detail::SignalCallback const& callback) noexcept;
    void set_signal_handler(int signal, detail::Callback callback);
    Timeout set_timeout(clock::time_point deadline, detail::Callback callback);
    void run_until_complete(asio::awaitable<void> awaitable,
                            std::optional<clock::duration> timeout);
    /// Runs `work` on the pool and then `done(nullptr)` on the loop; or `done` with the reason why
    /// nobody waits for it: the function returned was called, or there is no thread.
    detail::Function<void()>
    submit(asio::thread_pool* pool, detail::Function<void()> work,
           detail::Function<void(std::exception_ptr const& abandoned)> done);

    std::shared_ptr<asio::io_context> context_; // owns nothing if it is the application's
    std::shared_ptr<Impl> impl_;
};

/// Calls a callback every `period`, measured from start to start, on the loop that is current at
/// start() (T047, T056). A call that takes longer than the period skips the calls that it made
/// impossible, and the next one is on the grid again (T048). A coroutine is not called again before
/// it has ended (T053). An exception is reported as for any callback, and the schedule goes on
/// (T054). May be destroyed inside its own callback.
class TORNADO_ASIO_EXPORT PeriodicCallback {
public:
    /// `jitter` spreads each interval by that fraction of the period, half of it before and half
    /// after (T050). Throws std::invalid_argument if `period` is not positive (T051).
    template <class F, class Rep, class Period>
    PeriodicCallback(F&& callback, std::chrono::duration<Rep, Period> period, double jitter = 0)
        : PeriodicCallback(Tag{}, detail::repeated(std::forward<F>(callback)),
                           detail::to_duration(period), jitter) {}

    PeriodicCallback(PeriodicCallback const&) = delete;
    PeriodicCallback& operator=(PeriodicCallback const&) = delete;

    /// stop()s.
    ~PeriodicCallback();

    /// The first call is one period from now. Does nothing if it runs already.
    void start();
    /// No call begins after this (T055).
    void stop();
    /// Between start() and stop().
    bool is_running() const noexcept;

private:
    struct Tag {};
    struct Impl;

    PeriodicCallback(Tag, detail::Callback callback, IOLoop::clock::duration period, double jitter);

    std::shared_ptr<Impl> impl_;
};

namespace detail {

struct InitiateInExecutor {
    using executor_type = IOLoop::executor_type;
    static constexpr bool belongs_to_executor = true;
    executor_type get_executor() const noexcept { return loop->get_executor(); }

    IOLoop* loop;

    template <class Handler, class F>
    void operator()(Handler&& handler, asio::thread_pool* pool, F&& f) const {
        using R = std::invoke_result_t<std::decay_t<F>&>;
        if (loop->closed())
            return;
        auto result = std::make_shared<ExecutorResult<R>>(
            std::make_exception_ptr(system_error(asio::error::operation_aborted)));
        auto slot = asio::get_associated_cancellation_slot(handler);
        auto cancel = loop->submit(
            pool, [result, f = std::forward<F>(f)]() mutable { result->run(f); },
            [result, slot, loop_work = asio::make_work_guard(loop->get_executor()),
             work = asio::make_work_guard(handler, loop->get_executor()),
             handler = std::decay_t<Handler>(std::forward<Handler>(handler))](
                std::exception_ptr const& abandoned) mutable {
                if (slot.is_connected())
                    slot.clear();
                auto finished = abandoned ? ExecutorResult<R>(abandoned) : std::move(*result);
                if constexpr (std::is_void_v<R>)
                    asio::dispatch(work.get_executor(),
                                   asio::append(std::move(handler), finished.failure));
                else
                    asio::dispatch(work.get_executor(),
                                   asio::append(std::move(handler), finished.failure,
                                                finished.value ? std::move(*finished.value) : R{}));
            });
        if (slot.is_connected())
            slot.assign(
                [cancel = std::move(cancel)](asio::cancellation_type) mutable { cancel(); });
    }
};

} // namespace detail

template <class F, class Token>
auto IOLoop::run_in_executor(asio::thread_pool* pool, F&& f, Token&& token) {
    using R = std::invoke_result_t<std::decay_t<F>&>;
    return asio::async_initiate<Token, typename detail::executor_signature<R>::type>(
        detail::InitiateInExecutor{this}, token, pool, std::forward<F>(f));
}

} // namespace tornado
