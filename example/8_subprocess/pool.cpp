// SPDX-License-Identifier: BSL-1.0
// In the order of questions: whoever waits is called when a child is given back.
#include "pool.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <stdexcept>
#include <utility>

namespace front {

Pool::Pool(tornado::IOLoop& loop, std::vector<std::string> program, Limits const& limits)
    : loop_(loop), program_(std::move(program)), limits_(limits) {
    children_.push_back(std::make_unique<Child>(loop_, program_, limits_));
    idle_.push_back(children_.back().get());
}

asio::awaitable<std::string> Pool::ask(std::string question) {
    std::string failure;
    try {
        auto* const child = co_await take();
        Loan const loan(*this, *child);
        auto answer = co_await child->answer(std::move(question));
        co_return answer;
    } catch (std::exception const& e) {
        failure = e.what();
    }
    co_return "error: " + failure + "\n";
}

asio::awaitable<Child*> Pool::take() {
    if (!idle_.empty()) {
        auto* const child = idle_.back();
        idle_.pop_back();
        co_return child;
    }
    if (children_.size() < limits_.children) {
        children_.push_back(std::make_unique<Child>(loop_, program_, limits_));
        co_return children_.back().get();
    }
    if (waiting_.size() >= limits_.waiting)
        throw std::runtime_error("too many questions are waiting");
    auto const turn = waiting_.emplace_back(std::make_shared<Turn>(loop_));
    co_await turn->never.async_wait(asio::as_tuple(asio::use_awaitable));
    co_return turn->child;
}

void Pool::give_back(Child& child) {
    if (waiting_.empty())
        return idle_.push_back(&child);
    waiting_.front()->child = &child;
    waiting_.front()->never.cancel();
    waiting_.pop_front();
}

} // namespace front
