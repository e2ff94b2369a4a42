// SPDX-License-Identifier: BSL-1.0
#include "tornado/detail/waiting.hpp"

#include "tether.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include <optional>

namespace tornado::detail {

class Waiting::Place final : Tether {
public:
    Place(Waiting& object, executor_type on) : object_(object), executor(std::move(on)) {
        if (!tie(executor))
            executor = ended_executor();
    }

    bool ended() const noexcept { return !tied(); }

    void begin_wait() {
        if (waiters_++ == 0)
            work_.emplace(executor);
    }
    void end_wait() noexcept {
        if (--waiters_ == 0)
            work_.reset();
    }

private:
    void context_ended() noexcept override {
        executor = ended_executor();
        object_.drop();
    }

    Waiting& object_;
    std::size_t waiters_ = 0;
    std::optional<asio::executor_work_guard<executor_type>> work_;

public:
    executor_type executor;
};

Waiting::Waiting(executor_type const& executor)
    : place_(std::make_unique<Place>(*this, executor)) {}

Waiting::~Waiting() = default;

auto Waiting::get_executor() const noexcept -> executor_type const& {
    return place_->executor;
}

bool Waiting::ended() const noexcept {
    return place_->ended();
}

void Waiting::begin_wait() {
    place_->begin_wait();
}

void Waiting::end_wait() noexcept {
    place_->end_wait();
}

} // namespace tornado::detail
