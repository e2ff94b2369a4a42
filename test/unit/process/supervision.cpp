// SPDX-License-Identifier: BSL-1.0
// Supervision: who is started when, how signals escalate, and what the supervisor's end is.
#include "process/supervision.hpp"

#include <boost/test/unit_test.hpp>

#include <csignal>
#include <limits>
#include <string>
#include <vector>

using namespace tornado::detail;
using namespace std::chrono_literals;

namespace {

using Clock = Supervision::Clock;
using Verdict = Supervision::Verdict;
using Step = Supervision::Step;

/// A supervision, a clock that the test turns, and starts that succeed.
class Play {
public:
    explicit Play(int tasks, int max_restarts = 100) : supervision(tasks, max_restarts) {}

    /// What is to be done now, up to the next wait, as text; a start is told at once.
    std::string steps() {
        std::string text;
        for (;;) {
            auto const step = supervision.next(now);
            text += text.empty() ? "" : ", ";
            switch (step.what) {
            case Step::start:
                text += "start " + std::to_string(step.task);
                supervision.started(step.task, now);
                break;
            case Step::send:
                text += "send " + std::to_string(step.signal);
                break;
            case Step::wait:
                return text + "wait" + (step.until ? " " + ms(*step.until - now) : "");
            case Step::over:
                return text + "over";
            }
        }
    }

    /// The worker of `task` ends; gives when it is started again.
    std::string end(int task, WorkerEnd how) {
        auto const delay = supervision.ended(task, how, now);
        return delay ? "in " + ms(*delay) : "not";
    }

    Supervision supervision;
    Clock::time_point now{1000h};

private:
    static std::string ms(Clock::duration duration) { return std::to_string(duration / 1ms); }
};

constexpr WorkerEnd well{};
constexpr WorkerEnd failed{.status = 1};
constexpr WorkerEnd crashed{.signal = SIGSEGV};

} // namespace

BOOST_AUTO_TEST_SUITE(process_supervision)

// ---- Starting and ending

BOOST_AUTO_TEST_CASE(T190_every_task_is_started_once) {
    Play play(3);
    BOOST_TEST(play.steps() == "start 0, start 1, start 2, wait");
    BOOST_TEST(play.steps() == "wait");
}

BOOST_AUTO_TEST_CASE(T192_what_ended_well_is_not_started_again) {
    Play play(3);
    play.steps();
    for (int const task : {1, 0, 2}) {
        BOOST_TEST(play.steps() == "wait");
        BOOST_TEST(play.end(task, well) == "not");
    }
    BOOST_TEST(play.steps() == "over");
    BOOST_TEST((play.supervision.verdict() == Verdict::ended_well));
}

BOOST_AUTO_TEST_CASE(T191_what_failed_is_started_again_as_the_same_task) {
    for (auto const& how :
         {failed, crashed, WorkerEnd{.status = 255}, WorkerEnd{.signal = SIGTERM}}) {
        Play play(3);
        play.steps();
        BOOST_TEST(play.end(1, how) == "in 0");
        BOOST_TEST(play.steps() == "start 1, wait");
        for (int const task : {0, 1, 2})
            play.end(task, well);
        BOOST_TEST(play.steps() == "over");
        BOOST_TEST((play.supervision.verdict() == Verdict::ended_well));
    }
}

// ---- The delay

BOOST_AUTO_TEST_CASE(a_task_that_fails_at_once_waits_longer_each_time) {
    Play play(1, std::numeric_limits<int>::max());
    play.steps();
    for (auto const* const delay :
         {"0", "100", "200", "400", "800", "1600", "3200", "5000", "5000"}) {
        BOOST_TEST(play.end(0, failed) == std::string("in ") + delay);
        auto const ms = std::stoi(delay);
        if (ms > 0) {
            BOOST_TEST(play.steps() == std::string("wait ") + delay);
            play.now += ms * 1ms - 1ns;
            BOOST_TEST(play.steps() == "wait 0");
            play.now += 1ns;
        }
        BOOST_TEST(play.steps() == "start 0, wait");
    }
}

BOOST_AUTO_TEST_CASE(a_thousand_failures_stay_at_the_longest_delay) {
    Play play(1, std::numeric_limits<int>::max());
    Clock::duration waited{0};
    for (int i = 0; i < 1000; ++i) {
        play.steps();
        auto const before = play.now;
        play.end(0, crashed);
        play.now = play.supervision.next(play.now).until.value_or(play.now);
        waited += play.now - before;
    }
    BOOST_TEST((waited > 990 * Supervision::longest_delay));
    BOOST_TEST((waited < 1000 * Supervision::longest_delay));
}

BOOST_AUTO_TEST_CASE(a_steady_life_ends_the_row_of_failures) {
    Play play(1);
    play.steps();
    play.end(0, failed);
    play.steps();
    BOOST_TEST(play.end(0, failed) == "in 100");
    play.now += 100ms;
    play.steps();
    play.now += Supervision::steady - 1ns;
    BOOST_TEST(play.end(0, failed) == "in 200");
    play.now += 200ms;
    play.steps();
    play.now += Supervision::steady;
    BOOST_TEST(play.end(0, failed) == "in 0");
}

BOOST_AUTO_TEST_CASE(tasks_wait_apart) {
    Play play(3);
    play.steps();
    play.end(0, failed);
    play.steps();
    play.end(0, failed); // for 100 ms
    play.now += 30ms;
    BOOST_TEST(play.end(2, failed) == "in 0");
    BOOST_TEST(play.steps() == "start 2, wait 70");
    BOOST_TEST(play.end(2, failed) == "in 100");
    BOOST_TEST(play.steps() == "wait 70");
    play.now += 70ms;
    BOOST_TEST(play.steps() == "start 0, wait 30");
    play.now += 1h;
    BOOST_TEST(play.steps() == "start 2, wait");
}

BOOST_AUTO_TEST_CASE(a_restart_that_fails_is_tried_again_and_costs_no_budget) {
    Play play(2, 1);
    play.steps();
    BOOST_TEST(play.end(1, failed) == "in 0");
    for (int const delay : {100, 200, 400}) {
        BOOST_TEST((play.supervision.next(play.now).what == Step::start));
        play.supervision.could_not_start(1, play.now);
        BOOST_TEST(play.supervision.next(play.now).until.has_value());
        play.now += delay * 1ms - 1ns;
        BOOST_TEST((play.supervision.next(play.now).what == Step::wait));
        play.now += 1ns;
    }
    BOOST_TEST(play.steps() == "start 1, wait");
    play.end(0, well);
    play.end(1, well);
    BOOST_TEST(play.steps() == "over");
    BOOST_TEST((play.supervision.verdict() == Verdict::ended_well));
}

// ---- The budget

BOOST_AUTO_TEST_CASE(T193_the_budget_is_that_of_all_tasks) {
    Play play(2, 3);
    play.steps();
    for (int const task : {0, 1, 0}) {
        BOOST_TEST(play.end(task, failed).starts_with("in "));
        play.now += 1h;
        play.steps();
    }
    BOOST_TEST(play.end(1, crashed) == "not");
    BOOST_TEST((play.supervision.verdict() == Verdict::too_many_restarts));
    BOOST_TEST(play.steps() == "send 15, wait 10000");
    BOOST_TEST(play.end(0, well) == "not");
    BOOST_TEST(play.steps() == "over");
    BOOST_TEST((play.supervision.verdict() == Verdict::too_many_restarts));
}

BOOST_AUTO_TEST_CASE(T193_without_a_budget_the_first_failure_is_the_end) {
    Play play(1, 0);
    play.steps();
    BOOST_TEST(play.end(0, failed) == "not");
    BOOST_TEST(play.steps() == "send 15, over");
    BOOST_TEST((play.supervision.verdict() == Verdict::too_many_restarts));
}

BOOST_AUTO_TEST_CASE(giving_up_drops_the_restarts_that_were_due) {
    Play play(3, 2);
    play.steps();
    play.end(0, failed);
    play.steps();
    play.end(0, failed); // due in 100 ms
    play.end(1, failed);
    BOOST_TEST(play.steps() == "send 15, wait 10000");
    play.now += 1s;
    BOOST_TEST(play.steps() == "wait 9000");
    play.end(2, {.signal = SIGTERM});
    BOOST_TEST(play.steps() == "over");
}

BOOST_AUTO_TEST_CASE(giving_up_kills_after_a_grace_or_at_a_signal) {
    for (bool const signalled : {false, true}) {
        Play play(2, 0);
        play.steps();
        play.end(0, failed);
        BOOST_TEST(play.steps() == "send 15, wait 10000");
        if (signalled)
            play.supervision.stop(SIGINT, false);
        else
            play.now += Supervision::grace;
        BOOST_TEST(play.steps() == "send 9, wait");
        play.now += 1h;
        BOOST_TEST(play.steps() == "wait");
        play.end(1, {.signal = SIGKILL});
        BOOST_TEST(play.steps() == "over");
        BOOST_TEST((play.supervision.verdict() == Verdict::too_many_restarts));
    }
}

BOOST_AUTO_TEST_CASE(a_first_start_that_fails_ends_all) {
    Play play(3);
    BOOST_TEST((play.supervision.next(play.now).task == 0));
    play.supervision.started(0, play.now);
    BOOST_TEST((play.supervision.next(play.now).task == 1));
    play.supervision.could_not_start(1, play.now);
    BOOST_TEST(play.steps() == "send 15, wait 10000");
    play.end(0, {.signal = SIGTERM});
    BOOST_TEST(play.steps() == "over");
    BOOST_TEST((play.supervision.verdict() == Verdict::not_started));
}

// ---- Signals

BOOST_AUTO_TEST_CASE(a_signal_is_passed_on_and_waited_for) {
    for (int const signal : {SIGTERM, SIGINT})
        for (auto const& how : {well, WorkerEnd{.signal = signal}}) {
            Play play(2);
            play.steps();
            play.supervision.stop(signal, false);
            BOOST_TEST(play.steps() == "send " + std::to_string(signal) + ", wait");
            play.now += 1h; // as long as it takes
            BOOST_TEST(play.steps() == "wait");
            BOOST_TEST(play.end(0, how) == "not");
            BOOST_TEST(play.steps() == "wait");
            BOOST_TEST(play.end(1, well) == "not");
            BOOST_TEST(play.steps() == "over");
            BOOST_TEST((play.supervision.verdict() == Verdict::ended_well));
        }
}

BOOST_AUTO_TEST_CASE(a_worker_that_does_not_end_as_told_is_not_well_and_not_restarted) {
    for (auto const& how : {failed, crashed, WorkerEnd{.signal = SIGINT}}) {
        Play play(2);
        play.steps();
        play.supervision.stop(SIGTERM, false);
        play.steps();
        BOOST_TEST(play.end(1, how) == "not");
        BOOST_TEST(play.end(0, well) == "not");
        BOOST_TEST(play.steps() == "over");
        BOOST_TEST((play.supervision.verdict() == Verdict::ended_badly));
    }
}

BOOST_AUTO_TEST_CASE(the_second_signal_kills_of_whatever_kind_it_is) {
    for (int const first : {SIGTERM, SIGINT})
        for (int const second : {SIGTERM, SIGINT}) {
            Play play(2);
            play.steps();
            play.supervision.stop(first, false);
            play.steps();
            play.supervision.stop(second, false);
            BOOST_TEST(play.steps() == "send 9, wait");
            play.end(0, {.signal = SIGKILL});
            play.supervision.stop(second, false); // a third one does no harm
            BOOST_TEST(play.steps() == "send 9, wait");
            play.end(1, {.signal = SIGKILL});
            BOOST_TEST(play.steps() == "over");
            BOOST_TEST((play.supervision.verdict() == Verdict::ended_badly));
        }
}

BOOST_AUTO_TEST_CASE(two_signals_before_the_next_step_kill) {
    Play play(1);
    play.steps();
    play.supervision.stop(SIGTERM, false);
    play.supervision.stop(SIGTERM, false);
    BOOST_TEST(play.steps() == "send 9, wait");
}

BOOST_AUTO_TEST_CASE(what_the_workers_know_is_not_sent_but_counts) {
    Play play(2);
    play.steps();
    play.supervision.stop(SIGINT, true);
    BOOST_TEST(play.steps() == "wait");
    play.end(0, {.signal = SIGINT});
    play.supervision.stop(SIGINT, true);
    BOOST_TEST(play.steps() == "send 9, wait"); // a worker may have ignored both
    play.end(1, {.signal = SIGINT});            // this one was about to end
    BOOST_TEST(play.steps() == "over");
    BOOST_TEST((play.supervision.verdict() == Verdict::ended_well));
}

BOOST_AUTO_TEST_CASE(a_signal_drops_the_restarts_that_were_due) {
    Play play(2);
    play.steps();
    play.end(0, failed);
    play.steps();
    play.end(0, failed);
    BOOST_TEST(play.steps() == "wait 100");
    play.supervision.stop(SIGTERM, false);
    BOOST_TEST(play.steps() == "send 15, wait");
    play.now += 1h;
    BOOST_TEST(play.steps() == "wait");
    play.end(1, {.signal = SIGTERM});
    BOOST_TEST(play.steps() == "over");
}

BOOST_AUTO_TEST_CASE(a_signal_while_no_worker_lives_is_the_end) {
    Play play(1);
    play.steps();
    play.end(0, failed);
    play.steps();
    play.end(0, failed);
    play.supervision.stop(SIGTERM, false);
    BOOST_TEST(play.steps() == "send 15, over");
    BOOST_TEST((play.supervision.verdict() == Verdict::ended_well));
}

BOOST_AUTO_TEST_CASE(a_signal_before_the_first_start_starts_nothing) {
    Play play(2);
    play.supervision.stop(SIGINT, true);
    BOOST_TEST(play.steps() == "over");
}

BOOST_AUTO_TEST_SUITE_END()
