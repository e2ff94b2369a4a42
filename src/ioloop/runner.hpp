// SPDX-License-Identifier: BSL-1.0
// How a loop calls a callback: what it leaves to await is spawned, what it throws is reported.
#pragma once

#include "tornado/detail/callback.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>

namespace tornado::detail {

/// Shared by everything that calls callbacks on one loop.
class CallbackRunner : public std::enable_shared_from_this<CallbackRunner> {
public:
    explicit CallbackRunner(asio::io_context& context) : context_(context) {}

    /// Calls `callback`, and `then` when it or its coroutine has ended, well or not.
    void run(Callback& callback, Function<void()> then = {}) noexcept;

    /// Gives an exception to the exception handler.
    void report(std::exception_ptr exception) noexcept;

    void set_exception_handler(std::function<void(std::exception_ptr)> handler);

    /// Of the coroutines that were spawned here, how many have not ended.
    std::size_t coroutines() const noexcept { return coroutines_; }
    /// One pass over what is to be called: callbacks, timeouts, or the events of handlers.
    void count_pass() noexcept { ++passes_; }
    std::uint64_t passes() const noexcept { return passes_; }

private:
    class Coroutine;

    asio::io_context& context_;
    std::function<void(std::exception_ptr)> exception_handler_;
    std::size_t coroutines_ = 0;
    std::uint64_t passes_ = 0;
};

} // namespace tornado::detail
