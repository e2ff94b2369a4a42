// SPDX-License-Identifier: BSL-1.0
// What coroutines and callbacks want beside streams: a limit to the time that an operation takes.
#pragma once

#include "tornado/detail/gen.hpp"
#include "tornado/detail/loop_calls.hpp"

#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/deferred.hpp>

#include <chrono>
#include <type_traits>
#include <utility>

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
/// Asio has the same from Boost 1.86 on, `asio::cancel_after`. Tornado: gen.with_timeout, T124; an
/// operation of Tornado goes on when its time is over, and is merely waited for no longer.
template <class Rep, class Period, class Token = asio::deferred_t>
[[nodiscard]] auto cancel_after(std::chrono::duration<Rep, Period> limit,
                                asio::cancellation_type type, Token&& token = Token()) {
    return detail::CancelAfter<std::decay_t<Token>>{detail::to_duration(limit), type,
                                                    std::forward<Token>(token)};
}
/// The same, terminally.
template <class Rep, class Period, class Token = asio::deferred_t>
[[nodiscard]] auto cancel_after(std::chrono::duration<Rep, Period> limit, Token&& token = Token()) {
    return cancel_after(limit, asio::cancellation_type::terminal, std::forward<Token>(token));
}

} // namespace tornado
