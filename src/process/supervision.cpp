// SPDX-License-Identifier: BSL-1.0
#include "process/supervision.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

namespace tornado::detail {

Supervision::Supervision(int tasks, int max_restarts)
    : tasks_(static_cast<std::size_t>(tasks)), max_restarts_(max_restarts) {}

Supervision::Step Supervision::next(Clock::time_point now) {
    if (now >= kill_at_)
        end_all(State::killing, SIGKILL);
    if (to_send_ != 0)
        return {.what = Step::send, .signal = std::exchange(to_send_, 0)};

    bool alive = false;
    auto until = kill_at_;
    for (std::size_t number = 0; number < tasks_.size(); ++number) {
        auto const& start_at = tasks_[number].start_at;
        if (start_at && *start_at <= now)
            return {.what = Step::start, .task = static_cast<int>(number)};
        if (start_at)
            until = std::min(until, *start_at);
        alive = alive || start_at || tasks_[number].alive;
    }
    if (!alive)
        return {.what = Step::over};
    if (until == Clock::time_point::max())
        return {.what = Step::wait};
    return {.what = Step::wait, .until = until};
}

void Supervision::started(int number, Clock::time_point now) {
    auto& started = task(number);
    started.start_at.reset();
    started.started = now;
    started.was_started = started.alive = true;
}

void Supervision::could_not_start(int number, Clock::time_point now) {
    auto& failed = task(number);
    if (!failed.was_started)
        return give_up(Verdict::not_started, now);
    schedule(failed, now);
}

std::optional<Supervision::Clock::duration> Supervision::ended(int number, WorkerEnd end,
                                                               Clock::time_point now) {
    auto& task_ended = task(number);
    task_ended.alive = false;
    bool const well = end.status == 0 && end.signal == 0;
    if (state_ != State::supervising) {
        bool const as_told = end.signal != 0 && end.signal == told_;
        if (verdict_ == Verdict::ended_well && !well && !as_told)
            verdict_ = Verdict::ended_badly;
        return {};
    }
    if (well)
        return {};
    if (restarts_ == max_restarts_) {
        give_up(Verdict::too_many_restarts, now);
        return {};
    }
    ++restarts_;
    if (now - task_ended.started >= steady)
        task_ended.failures = 0;
    return schedule(task_ended, now);
}

void Supervision::stop(int signal, bool known) {
    if (state_ != State::supervising)
        return end_all(State::killing, SIGKILL);
    told_ = signal;
    end_all(State::stopping, known ? 0 : signal);
}

Supervision::Clock::duration Supervision::schedule(Task& failed, Clock::time_point now) {
    Clock::duration delay{0};
    if (failed.failures > 0)
        delay = shortest_delay;
    for (int doubled = 1; doubled < failed.failures && delay < longest_delay; ++doubled)
        delay *= 2;
    delay = std::min(delay, longest_delay);
    ++failed.failures;
    failed.start_at = now + delay;
    return delay;
}

void Supervision::end_all(State state, int signal) {
    state_ = state;
    to_send_ = signal;
    kill_at_ = Clock::time_point::max();
    for (auto& each : tasks_)
        each.start_at.reset();
}

void Supervision::give_up(Verdict verdict, Clock::time_point now) {
    end_all(State::giving_up, SIGTERM);
    verdict_ = verdict;
    kill_at_ = now + grace;
}

} // namespace tornado::detail
