// SPDX-License-Identifier: BSL-1.0
// A loop on each of several threads: the way to use every core within one process.
#pragma once

#include "tornado/detail/callback.hpp"
#include "tornado/detail/completion.hpp"
#include "tornado/detail/export.hpp"
#include "tornado/detail/function.hpp"
#include "tornado/detail/initiation.hpp"
#include "tornado/ioloop.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>

#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace tornado {

/// Loops on threads of their own that begin and end together. run_loops is the short form.
///
///     LoopGroup loops;
///     loops.run(0, [&](IOLoop& loop) -> asio::awaitable<void> {
///         TCPServer server(loop, echo);
///         server.listen(8888, "", {.reuse_port = true});
///         loop.add_signal_handler(SIGTERM, [&] { loops.shutdown(); });
///         co_await loops.wait_for_shutdown(loop);
///         co_await server.shutdown(10s);
///     });
///
/// A loop and what is on it belong to its thread. From other threads only IOLoop::add_callback and
/// stop may be called on it; both are harmless after the loop has ended, until run() returns.
class TORNADO_ASIO_EXPORT LoopGroup {
public:
    LoopGroup();
    LoopGroup(LoopGroup const&) = delete;
    LoopGroup& operator=(LoopGroup const&) = delete;
    /// Not while run() runs.
    ~LoopGroup();

    /// Runs a loop on each of `threads` threads, the first of them the caller's, and returns when
    /// all have ended. 0: cpu_count() of them.
    ///
    /// `setup(loop)` is called for each loop, on its thread, where the loop is current, and before
    /// it starts. Setups run one after the other and see what the former ones did, so they need no
    /// lock; the loops that have been set up run meanwhile. What a setup returns decides how its
    /// loop ends:
    ///
    /// - an asio::awaitable<void>: a coroutine that is run on the loop, which stops when that ends;
    /// - nothing, or an object, which is kept for as long: the loop runs until it is stopped.
    ///
    /// IOLoop::stop ends its own loop and thread only. What is pending on a loop that ended is
    /// dropped at once and on its thread.
    ///
    /// The first exception that leaves a setup, its coroutine, or the making of a loop or thread
    /// stops all loops and is thrown here when they have ended. One that leaves a callback is
    /// reported as on any loop; IOLoop::set_exception_handler and stop(exception) make it the
    /// group's end. Throws std::logic_error inside a loop that runs, which would stand still
    /// meanwhile, and when the group runs already. May be called again afterwards.
    template <std::invocable<IOLoop&> Setup>
    void run(unsigned threads, Setup setup) {
        run_each(threads, adapt(std::move(setup)));
    }

    /// Stops all loops as IOLoop::stop does, those that are being set up as soon as they run; run()
    /// throws `failure`, if it is not null and the first one. Before run() it makes the next run()
    /// end when its first loop has been set up. Thread-safe.
    void stop(std::exception_ptr failure = {});

    /// Asks all loops to end: what waits in wait_for_shutdown is told. A loop is stopped when
    /// nothing waits there and its setup was no coroutine; any other ends by itself. No further
    /// loop is set up. Before run(), and twice, as stop(). Thread-safe; not async-signal-safe: call
    /// it in an IOLoop::add_signal_handler of one or of all loops.
    void shutdown();

    /// Waits on `loop`, one of the group's and this thread's, until shutdown() was called. The
    /// place to stop listening and to wait for what is under way; then the coroutine ends, or the
    /// callback calls loop.stop().
    ///
    /// Completion: `void(error_code)`. Throws std::invalid_argument when the loop is not of this
    /// group. Any number may wait; stop() does not end a wait but drops it. Cancelling (any type)
    /// completes with `operation_aborted`.
    template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
    [[nodiscard]] auto wait_for_shutdown(IOLoop& loop, Token&& token = asio::deferred_t()) {
        check_member(loop);
        return asio::async_initiate<Token, void(error_code)>(
            detail::Initiation{
                &loop,
                [this](IOLoop& on, auto&& handler) {
                    start_wait(on, {std::forward<decltype(handler)>(handler), on.get_executor()});
                }},
            token);
    }

private:
    struct Impl;

    /// What a setup has left: a coroutine, if it is valid, and what is kept while the loop lives.
    struct Rest {
        asio::awaitable<void> coroutine;
        std::shared_ptr<void> kept;
    };
    using SetUp = detail::Function<Rest(IOLoop&)>;

    template <class Setup>
    static SetUp adapt(Setup setup) {
        using Result = std::invoke_result_t<Setup&, IOLoop&>;
        return [setup = std::move(setup)](IOLoop& loop) mutable -> Rest {
            if constexpr (std::is_void_v<Result>) {
                std::invoke(setup, loop);
                return {};
            } else if constexpr (detail::awaited<Result>::value) {
                return {std::invoke(setup, loop), nullptr};
            } else {
                return {{}, std::make_shared<Result>(std::invoke(setup, loop))};
            }
        };
    }

    void run_each(unsigned threads, SetUp setup);
    void check_member(IOLoop const& loop) const;
    void start_wait(IOLoop& loop, detail::Completion<>&& handler);

    std::unique_ptr<Impl> impl_;
};

/// LoopGroup::run for loops that nobody ends together: a loop on each of `threads` threads, of
/// which the caller's is one; 0: cpu_count() of them. Returns when every loop has been stopped, and
/// throws the first exception.
///
///     run_loops(0, [](IOLoop& loop) {
///         auto server = std::make_unique<TCPServer>(loop, echo);
///         server->listen(8888, "", {.reuse_port = true});
///         return server;
///     });
template <std::invocable<IOLoop&> Setup>
void run_loops(unsigned threads, Setup setup) {
    LoopGroup().run(threads, std::move(setup));
}

} // namespace tornado
