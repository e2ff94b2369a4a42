// SPDX-License-Identifier: BSL-1.0
// What sleep begins, and what multi and with_timeout make of coroutines and of their ends.
#pragma once

#include "tornado/detail/failures.hpp"
#include "tornado/detail/recycling.hpp"
#include "tornado/ioloop.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/consign.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace tornado::detail {

// ---- sleep

class InitiateSleep {
    struct None {};

public:
    template <class Handler>
    void operator()(Handler&& handler, asio::steady_timer::duration duration) const {
        auto const timer = std::allocate_shared<asio::steady_timer>(
            own_or_recycling(asio::get_associated_allocator(handler)), executor_of(handler),
            duration);
        timer->async_wait(asio::consign(std::forward<Handler>(handler), timer));
    }

    /// For a time limit, too: a get_executor() would not know the handler.
    template <class Handler>
    static asio::any_io_executor executor_of(Handler const& handler) {
        if constexpr (std::is_same_v<asio::associated_executor_t<Handler, None>, None>)
            return IOLoop::current().get_executor();
        else
            return asio::get_associated_executor(handler);
    }
};

// ---- multi and with_timeout

/// Results that can be put in a row: that of a coroutine which has none is std::monostate.
template <class T>
using Valued = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// What co_spawn can complete with, whose failures come with a result made out of nothing.
template <class T>
using Spawned =
    std::conditional_t<std::is_default_constructible_v<Valued<T>>, Valued<T>, std::optional<T>>;

template <class T>
asio::awaitable<Spawned<T>> spawned(asio::awaitable<T> awaitable) {
    if constexpr (std::is_same_v<T, Spawned<T>>) {
        return awaitable;
    } else {
        return [](asio::awaitable<T> within) -> asio::awaitable<Spawned<T>> {
            if constexpr (std::is_void_v<T>) {
                co_await std::move(within);
                co_return std::monostate();
            } else {
                co_return co_await std::move(within);
            }
        }(std::move(awaitable));
    }
}

/// The result of a coroutine that has ended well.
template <class T>
Valued<T> value_of(Spawned<T>&& result) {
    if constexpr (std::is_same_v<Valued<T>, Spawned<T>>)
        return std::move(result);
    else
        return *std::move(result);
}

/// `ends`: the order of the ends, which nobody needs, then an exception and a result of each.
template <class... T, class Ends, std::size_t... I>
std::tuple<Valued<T>...> results_of(Ends& ends, std::index_sequence<I...>) {
    rethrow_first({std::get<1 + 2 * I>(ends)...});
    return {value_of<T>(std::move(std::get<2 + 2 * I>(ends)))...};
}

} // namespace tornado::detail
