// SPDX-License-Identifier: BSL-1.0
// What sleep begins, and what multi makes of its ends.
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
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace tornado::detail {

// ---- sleep

struct InitiateSleep {
    template <class Handler>
    void operator()(Handler&& handler, asio::steady_timer::duration duration) const {
        auto const timer = std::allocate_shared<asio::steady_timer>(
            own_or_recycling(asio::get_associated_allocator(handler)), executor_of(handler),
            duration);
        timer->async_wait(asio::consign(std::forward<Handler>(handler), timer));
    }

private:
    struct None {};

    template <class Handler>
    static asio::any_io_executor executor_of(Handler const& handler) {
        if constexpr (std::is_same_v<asio::associated_executor_t<Handler, None>, None>)
            return IOLoop::current().get_executor();
        else
            return asio::get_associated_executor(handler);
    }
};

// ---- multi

/// Results that can be put in a row: that of a coroutine which has none is std::monostate.
template <class T>
using Valued = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
asio::awaitable<T> valued(asio::awaitable<T> awaitable) {
    return awaitable;
}
inline asio::awaitable<std::monostate> valued(asio::awaitable<void> awaitable) {
    co_await std::move(awaitable);
    co_return std::monostate();
}

/// `ends`: the order of the ends, which nobody needs, then an exception and a result of each.
template <class Results, class Ends, std::size_t... I>
Results results_of(Ends& ends, std::index_sequence<I...>) {
    rethrow_first({std::get<1 + 2 * I>(ends)...});
    return Results(std::move(std::get<2 + 2 * I>(ends))...);
}

} // namespace tornado::detail
