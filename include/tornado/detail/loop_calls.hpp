// SPDX-License-Identifier: BSL-1.0
// What IOLoop's templates keep while a call is under way: durations, run_sync, add_future, signals,
// executors.
#pragma once

#include "tornado/detail/callback.hpp"
#include "tornado/error.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

namespace tornado::detail {

/// Any duration in the steady clock's unit; one that it cannot hold becomes its longest. Throws
/// std::invalid_argument for NaN, which is none.
template <class Rep, class Period>
constexpr std::chrono::steady_clock::duration
to_duration(std::chrono::duration<Rep, Period> duration) {
    using Result = std::chrono::steady_clock::duration;
    using Exact = std::chrono::duration<long double>;
    if (Exact(duration) != Exact(duration))
        throw std::invalid_argument("a time is NaN: give a number");
    if (Exact(duration) >= Exact(Result::max()))
        return Result::max();
    if (Exact(duration) <= Exact(Result::min()))
        return Result::min();
    return std::chrono::duration_cast<Result>(duration);
}

/// run_sync: lives until the coroutine ends, which may be after run_sync has given up waiting.
template <class F>
struct SyncCall {
    using Returned = std::invoke_result_t<F&>;
    using Value = std::remove_cvref_t<typename awaited<Returned>::type>;

    F f;
    std::conditional_t<std::is_void_v<Value>, std::monostate, std::optional<Value>> value{};
};

template <class F>
asio::awaitable<void> run_sync_call(std::shared_ptr<SyncCall<F>> call) {
    using Call = SyncCall<F>;
    if constexpr (awaited<typename Call::Returned>::value) {
        if constexpr (std::is_void_v<typename Call::Value>)
            co_await call->f();
        else
            call->value.emplace(co_await call->f());
    } else {
        if constexpr (std::is_void_v<typename Call::Value>)
            call->f();
        else
            call->value.emplace(call->f());
    }
    co_return;
}

/// add_future: awaits, then tells `f` how it ended.
template <class T, class F>
asio::awaitable<void> await_and_tell(asio::awaitable<T> awaitable, F f) {
    std::exception_ptr failure;
    if constexpr (std::is_void_v<T>) {
        try {
            co_await std::move(awaitable);
        } catch (...) {
            failure = std::current_exception();
        }
        std::move(f)(failure);
    } else {
        T value{};
        try {
            value = co_await std::move(awaitable);
        } catch (...) {
            failure = std::current_exception();
        }
        std::move(f)(failure, std::move(value));
    }
}

/// A callable that may cross a signal handler: plain bytes, and how to make a Callback of them
/// later.
struct SignalCallback {
    static constexpr std::size_t room = 6 * sizeof(void*);

    template <class F>
    static constexpr bool fits = sizeof(F) <= room &&
                                 alignof(F) <= alignof(void*) && std::is_trivially_copyable_v<F>;

    template <class F>
    static SignalCallback of(F const& f) noexcept {
        SignalCallback result;
        ::new (static_cast<void*>(result.bytes)) F(f);
        result.revive = [](std::byte const* from) {
            return once(F(*std::launder(reinterpret_cast<F const*>(from))));
        };
        return result;
    }

    Callback (*revive)(std::byte const* bytes);
    alignas(void*) std::byte bytes[room];
};

/// run_in_executor: what the pool's thread leaves for the loop's.
template <class R>
struct ExecutorResult {
    explicit ExecutorResult(std::exception_ptr why) : failure(std::move(why)) {}

    std::exception_ptr failure; // until it has run, why it has not
    std::conditional_t<std::is_void_v<R>, std::monostate, std::optional<R>> value{};

    template <class F>
    void run(F& f) {
        try {
            if constexpr (std::is_void_v<R>)
                f();
            else
                value.emplace(f());
            failure = nullptr;
        } catch (...) {
            failure = std::current_exception();
        }
    }
};

template <class R>
struct executor_signature {
    using type = void(std::exception_ptr, R);
};
template <>
struct executor_signature<void> {
    using type = void(std::exception_ptr);
};

} // namespace tornado::detail
