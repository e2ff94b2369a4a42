// SPDX-License-Identifier: BSL-1.0
// What coroutines and callbacks want beside streams: limits to the time that an operation takes, a
// pause, and several things at once.
#pragma once

#include "tornado/detail/gen.hpp"
#include "tornado/detail/limited.hpp"
#include "tornado/detail/loop_calls.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace tornado {

/// A completion token that cancels its operation when that has not completed within `limit`.
///
///     auto line = co_await stream->read_until("\n", cancel_after(5s));
///     stream->read_until("\n", cancel_after(5s, [](error_code ec, std::string line) { ... }));
///
/// It goes with any asynchronous operation, Asio's own included, and around any `token`: a
/// callback, `use_awaitable`, `use_future`, `as_tuple(...)`; without one it is `asio::deferred`.
/// The operation completes as it does when it is cancelled through its slot, which is
/// `asio::error::operation_aborted` nearly everywhere: a read leaves every byte for the next one, a
/// write its bytes in the queue, a connect() closes its stream. One that completes although it was
/// cancelled gives what it has. The handler keeps its executor and its allocator, and a
/// cancellation that comes from outside is passed on.
///
/// `type`: how the operation is cancelled. A limit that is not positive is over at once, the
/// longest duration never is. All limits of a context share one timer, so that one that is not
/// reached costs neither a system call nor, once memory is recycled, an allocation.
///
/// Asio has the same from Boost 1.86 on, `asio::cancel_after`. Tornado: see with_timeout(), which
/// tells by a code of its own that the limit did it (T124).
template <class Rep, class Period, class Token = asio::deferred_t>
[[nodiscard]] auto cancel_after(std::chrono::duration<Rep, Period> limit,
                                asio::cancellation_type type, Token&& token = Token()) {
    return detail::Limited<std::decay_t<Token>>{{detail::to_duration(limit), type},
                                                std::forward<Token>(token)};
}
/// The same, terminally.
template <class Rep, class Period, class Token = asio::deferred_t>
[[nodiscard]] auto cancel_after(std::chrono::duration<Rep, Period> limit, Token&& token = Token()) {
    return cancel_after(limit, asio::cancellation_type::terminal, std::forward<Token>(token));
}

/// The same limit, told as such: a completion token, or a wrapper of what is to be awaited, which
/// ends with `error::timeout` if it was cancelled because its time was over.
///
///     auto line = co_await stream->read_until("\n", with_timeout(5s));
///     auto line = co_await with_timeout(5s, stream->read_until("\n"));     // Tornado's order
///     co_await with_timeout(1min, serve(stream));                          // a whole coroutine
///
/// All of cancel_after is true of it but for the code. `error::timeout` takes the place of
/// `operation_aborted` alone, and only when the limit has brought that about: a cancellation from
/// outside stays one, an operation that completes all the same gives what it has, one that fails
/// otherwise its own error.
///
/// Around an `asio::awaitable<T>`: cancels what the coroutine awaits, and then each thing that it
/// goes on to await, as any cancellation of a coroutine does. It is over when the coroutine is,
/// which may catch the error, clean up and even return a value. After a limit between two reads of
/// one message nobody knows where the next message begins: close the stream, or limit the one read
/// that takes the whole message.
///
/// Tornado: gen.with_timeout (T124), which cancels nothing: what it waited for goes on, a read
/// keeps its stream's place and takes bytes that nobody sees, a late exception is logged. Here the
/// operation has ended when the time-out is told, and the next one can be started.
template <class Rep, class Period, class Token = asio::deferred_t>
[[nodiscard]] auto with_timeout(std::chrono::duration<Rep, Period> limit, Token&& token = Token()) {
    detail::Limit const told{detail::to_duration(limit), asio::cancellation_type::terminal, true};
    if constexpr (asio::is_deferred<std::decay_t<Token>>::value)
        return std::forward<Token>(token)(detail::Limited<asio::deferred_t>{told, {}});
    else
        return detail::Limited<std::decay_t<Token>>{told, std::forward<Token>(token)};
}
/// The same around a coroutine.
template <class Rep, class Period, class T>
asio::awaitable<T> with_timeout(std::chrono::duration<Rep, Period> limit,
                                asio::awaitable<T> awaitable) {
    auto const executor = co_await asio::this_coro::executor;
    auto const token = with_timeout(limit, asio::use_awaitable);
    if constexpr (std::is_void_v<T>)
        co_await asio::co_spawn(executor, std::move(awaitable), token);
    else
        co_return detail::value_of<T>(
            co_await asio::co_spawn(executor, detail::spawned(std::move(awaitable)), token));
}

/// Completes after `duration`, which may be zero or less: then in the loop's next turn. Completion:
/// `void(error_code)`, with `operation_aborted` after a cancellation (any type). It sleeps on the
/// handler's executor, a coroutine's own; a plain callback has none, and sleeps on
/// IOLoop::current(). Any number may overlap. Throws std::invalid_argument for NaN. Tornado:
/// gen.sleep.
///
///     co_await sleep(100ms);
template <class Rep, class Period,
          asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
[[nodiscard]] auto sleep(std::chrono::duration<Rep, Period> duration,
                         Token&& token = asio::deferred_t()) {
    return asio::async_initiate<Token, void(error_code)>(detail::InitiateSleep(), token,
                                                         detail::to_duration(duration));
}

/// Runs coroutines side by side and waits for all of them, well or not. Gives their results in the
/// order of the arguments, `std::monostate` for one that has none; of a vector a vector, or nothing
/// if they have none.
///
///     auto [user, friends] = co_await multi(load_user(id), load_friends(id));
///     std::vector<std::string> pages = co_await multi(std::move(fetches));
///
/// If one fails the others go on; when all have ended the first failure, in the order of the
/// arguments, is thrown as it was (no asio::multiple_exceptions), and further ones are logged. To
/// have the others cancelled instead, use `a && b` of asio::experimental::awaitable_operators.
/// Cancelling the whole cancels each; their `operation_aborted` is thrown if nothing else went
/// wrong, and never logged. They begin when the result is awaited, in order, on the executor of the
/// coroutine that awaits it. Tornado: gen.multi, of whose children a cancellation reaches none.
template <class... T>
asio::awaitable<std::tuple<detail::Valued<T>...>> multi(asio::awaitable<T>... awaitables) {
    if constexpr (sizeof...(T) == 0) {
        co_return std::tuple();
    } else {
        auto const executor = co_await asio::this_coro::executor;
        auto ends =
            co_await asio::experimental::make_parallel_group(
                asio::co_spawn(executor, detail::spawned(std::move(awaitables)), asio::deferred)...)
                .async_wait(asio::experimental::wait_for_all(), asio::deferred);
        co_return detail::results_of<T...>(ends, std::index_sequence_for<T...>());
    }
}
/// The same for as many as there are.
template <class T>
asio::awaitable<std::conditional_t<std::is_void_v<T>, void, std::vector<detail::Valued<T>>>>
multi(std::vector<asio::awaitable<T>> awaitables) {
    auto const executor = co_await asio::this_coro::executor;
    auto const operation = [&](asio::awaitable<T>& awaitable) {
        return asio::co_spawn(executor, detail::spawned(std::move(awaitable)), asio::deferred);
    };
    std::vector<decltype(operation(awaitables.front()))> operations;
    for (auto& awaitable : awaitables)
        operations.push_back(operation(awaitable));
    std::vector<detail::Valued<T>> results;
    if (!operations.empty()) { // there is no group of none
        auto ends = co_await asio::experimental::make_parallel_group(std::move(operations))
                        .async_wait(asio::experimental::wait_for_all(), asio::deferred);
        detail::rethrow_first(std::get<1>(ends));
        for (auto&& end : std::get<2>(ends))
            results.push_back(detail::value_of<T>(std::move(end)));
    }
    if constexpr (!std::is_void_v<T>)
        co_return results;
}

} // namespace tornado
