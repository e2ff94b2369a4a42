// SPDX-License-Identifier: BSL-1.0
// Plain callables and coroutines as one type: what is left to wait for after the call.
#pragma once

#include "tornado/detail/function.hpp"
#include "tornado/error.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <type_traits>
#include <utility>

namespace tornado::detail {

/// Runs the callable. An empty awaitable says that it has finished; any other is to be spawned on
/// the loop.
using Callback = Function<asio::awaitable<void>()>;

/// `type` is T for asio::awaitable<T>, and the type itself for any other.
template <class T>
struct awaited : std::false_type {
    using type = T;
};
template <class T, class Executor>
struct awaited<asio::awaitable<T, Executor>> : std::true_type {
    using type = T;
};

/// Keeps callable and arguments alive as long as their coroutine, whose result is dropped (T003).
template <class F, class... Args>
asio::awaitable<void> hold(F f, Args... args) {
    static_cast<void>(co_await std::invoke(std::move(f), std::move(args)...));
}

template <class T>
asio::awaitable<void> drop_result(asio::awaitable<T> awaitable) {
    static_cast<void>(co_await std::move(awaitable));
}

/// A callback for one call: callable and arguments are moved from.
template <class F, class... Args>
Callback once(F&& f, Args&&... args) {
    return [f = std::forward<F>(f),
            ... args = std::forward<Args>(args)]() mutable -> asio::awaitable<void> {
        using Result = decltype(std::invoke(std::move(f), std::move(args)...));
        if constexpr (awaited<Result>::value) {
            return hold(std::move(f), std::move(args)...);
        } else {
            static_cast<void>(std::invoke(std::move(f), std::move(args)...));
            return {};
        }
    };
}

/// A callback for many calls; its owner keeps it until the coroutine of each call has ended.
template <class F, class... Args>
Callback repeated(F&& f, Args&&... args) {
    return [f = std::forward<F>(f),
            ... args = std::forward<Args>(args)]() mutable -> asio::awaitable<void> {
        using Result = decltype(std::invoke(f, args...));
        if constexpr (std::is_same_v<Result, asio::awaitable<void>>) {
            return std::invoke(f, args...);
        } else if constexpr (awaited<Result>::value) {
            return drop_result(std::invoke(f, args...));
        } else {
            static_cast<void>(std::invoke(f, args...));
            return {};
        }
    };
}

} // namespace tornado::detail
