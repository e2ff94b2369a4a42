// SPDX-License-Identifier: BSL-1.0
// A context for one test, bounded in time, that proves when no work is left.
#pragma once

#include "tornado/error.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <utility>

namespace tornado::test {

class Io {
public:
    asio::io_context context{1};

    asio::io_context::executor_type executor() { return context.get_executor(); }

    /// Until no work is left; the test fails if some is after half a minute.
    void run() {
        context.restart();
        context.run_for(limit);
        BOOST_TEST_REQUIRE(context.stopped(), "work is left");
    }

    /// What is ready now, and what that makes ready.
    void poll() {
        context.restart();
        context.poll();
    }

    template <class Predicate>
    void run_until(Predicate done) {
        auto const deadline = std::chrono::steady_clock::now() + limit;
        context.restart();
        while (!done() && std::chrono::steady_clock::now() < deadline)
            if (context.run_one_until(deadline) == 0)
                break;
        BOOST_TEST_REQUIRE(done(), "what the test waits for did not happen");
    }

    /// Runs a coroutine to its end and rethrows what it threw; other work may be left.
    template <class F>
    void run_test(F&& coroutine) {
        std::optional<std::exception_ptr> end;
        asio::co_spawn(context, std::forward<F>(coroutine),
                       [&](std::exception_ptr exception) { end = exception; });
        run_until([&] { return end.has_value(); });
        if (*end)
            std::rethrow_exception(*end);
    }

private:
    static constexpr std::chrono::seconds limit{30};
};

} // namespace tornado::test
