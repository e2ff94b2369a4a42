// SPDX-License-Identifier: BSL-1.0
// What a supervisor of worker processes does next, decided without a process and without a clock.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

namespace tornado::detail {

/// How a worker ended: by itself with `status`, or, when that is not 0, by `signal`.
struct WorkerEnd {
    int status = 0;
    int signal = 0;
};

/// Tornado's rules for workers (T191 to T193), with a growing delay before a restart and an orderly
/// end. It is fed with what happened; the caller then does what next() says until that is to wait.
///
///     supervising --stop()--> stopping --stop()--> killing
///                 --the budget of restarts is spent, or the first start of a worker failed-->
///                   giving_up --stop(), or `grace` has passed--> killing
///     any --no worker lives and none is to be started--> over
class Supervision {
public:
    using Clock = std::chrono::steady_clock;

    /// A worker that lived so long was not the victim of its own start.
    static constexpr Clock::duration steady = std::chrono::seconds(10);
    /// Before the first restart there is no delay; before the next one, if the worker has not been
    /// steady meanwhile, this; then twice that, and so on, up to the longest.
    static constexpr Clock::duration shortest_delay = std::chrono::milliseconds(100);
    static constexpr Clock::duration longest_delay = std::chrono::seconds(5);
    /// Between SIGTERM and SIGKILL when the supervisor gives up.
    static constexpr Clock::duration grace = std::chrono::seconds(10);

    struct Step {
        enum What {
            start, ///< Fork a worker for `task`, then call started() or could_not_start().
            send,  ///< Send `signal` to every worker that lives.
            wait,  ///< Wait for the end of a worker or a signal to this process, until `until`.
            over,  ///< No worker lives: the verdict is final.
        } what;
        int task = 0;
        int signal = 0;
        std::optional<Clock::time_point> until{};
    };

    enum class Verdict {
        ended_well,        ///< Each worker ended with 0, or as it was told to.
        ended_badly,       ///< One did not when it was told to, or had to be killed.
        too_many_restarts, ///< The budget was spent.
        not_started,       ///< A worker's first start failed.
    };

    Supervision(int tasks, int max_restarts);

    Step next(Clock::time_point now);

    void started(int task, Clock::time_point now);
    void could_not_start(int task, Clock::time_point now);
    /// Gives the delay after which the task is started again, or nothing if it is not.
    std::optional<Clock::duration> ended(int task, WorkerEnd end, Clock::time_point now);
    /// This process was sent `signal`, SIGTERM or SIGINT. `known`: the workers were, too.
    void stop(int signal, bool known);

    Verdict verdict() const noexcept { return verdict_; }

private:
    enum class State { supervising, stopping, giving_up, killing };

    struct Task {
        std::optional<Clock::time_point> start_at = Clock::time_point::min();
        Clock::time_point started;
        bool was_started = false;
        bool alive = false;
        int failures = 0; // in a row, each before the worker was steady
    };

    Task& task(int number) { return tasks_[static_cast<std::size_t>(number)]; }
    Clock::duration schedule(Task& task, Clock::time_point now);
    void end_all(State state, int signal);
    void give_up(Verdict verdict, Clock::time_point now);

    std::vector<Task> tasks_;
    int const max_restarts_;
    int restarts_ = 0;
    State state_ = State::supervising;
    Verdict verdict_ = Verdict::ended_well;
    int told_ = 0;    // the signal that the workers know of
    int to_send_ = 0; // the one that they are to be sent
    Clock::time_point kill_at_ = Clock::time_point::max();
};

} // namespace tornado::detail
