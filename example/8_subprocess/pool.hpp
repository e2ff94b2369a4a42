// SPDX-License-Identifier: BSL-1.0
// A few children for many clients.
#pragma once

#include "child.hpp"

#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace front {

/// Gives each question to a child that has nothing to do, in the order of questions. Shared by
/// those who ask.
class Pool {
public:
    /// Starts the first child; throws as that does.
    Pool(tornado::IOLoop& loop, std::vector<std::string> program, Limits const& limits);

    Limits const& limits() const noexcept { return limits_; }

    /// The answer to a line, or one that begins with "error: ", with its end.
    asio::awaitable<std::string> ask(std::string question);

private:
    /// Someone who waits until a child is free.
    struct Turn {
        explicit Turn(tornado::IOLoop& loop)
            : never(loop.context(), asio::steady_timer::time_point::max()) {}
        asio::steady_timer never;
        Child* child = nullptr;
    };
    /// A child that is at work; gives it back.
    struct Loan {
        Loan(Pool& a_pool, Child& a_child) : pool(a_pool), child(a_child) {}
        Loan(Loan const&) = delete;
        Loan& operator=(Loan const&) = delete;
        ~Loan() { pool.give_back(child); }
        Pool& pool;
        Child& child;
    };

    asio::awaitable<Child*> take();
    void give_back(Child& child);

    tornado::IOLoop& loop_;
    std::vector<std::string> program_;
    Limits limits_;
    std::vector<std::unique_ptr<Child>> children_; // made as they are needed
    std::vector<Child*> idle_;
    std::deque<std::shared_ptr<Turn>> waiting_;
};

} // namespace front
