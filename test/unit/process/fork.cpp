// SPDX-License-Identifier: BSL-1.0
// fork_processes: workers, their restarts, signals, and how all of them end.
#include "tornado/fork.hpp"

#include "tornado/cpu_count.hpp"
#include "tornado/error.hpp"
#include "tornado/log.hpp"
#include "tornado/resolver.hpp"

#include "support/io.hpp"
#include "support/processes.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <future>
#include <set>
#include <stdexcept>
#include <string>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace tornado;
using namespace tornado::test;

namespace {

Report* reported; // by signal handlers and the log's sink
bool reports_kills = false;

/// The log's lines become reports: "log child 1 (pid 5) exited normally".
void report_log(Report& report) {
    reported = &report;
    set_log_sink(
        [](LogRecord const& record) { reported->say("log " + std::string(record.message)); });
}

/// Reports each of these signals and goes on.
template <int... Signals>
void report_signals(Report& report) {
    reported = &report;
    (std::signal(Signals,
                 [](int signal) {
                     char const line[] = {'s',
                                          'i',
                                          'g',
                                          ' ',
                                          static_cast<char>('0' + signal / 10),
                                          static_cast<char>('0' + signal % 10),
                                          '\n'};
                     static_cast<void>(!::write(reported->write_end(), line, sizeof line));
                 }),
     ...);
}

[[noreturn]] void wait_for_signals() {
    for (;;)
        ::pause();
}

pid_t pid_of(std::string const& text) {
    return static_cast<pid_t>(std::stol(text));
}

/// Text of the exception that `f` throws, of that type or a derived one.
template <class Exception, class F>
std::string thrown(F f) {
    try {
        f();
    } catch (Exception const& e) {
        return e.what();
    }
    return "nothing was thrown";
}

bool has(std::string const& text, std::string const& part) {
    return text.find(part) != text.npos;
}

/// As proc(5) has it: 'T' for one that is stopped.
char state_of(pid_t pid) {
    std::string text;
    std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), text);
    auto const name_end = text.rfind(')');
    return name_end == text.npos ? '?' : text.at(name_end + 2);
}

/// Until a process is gone, and waited for by its parent; half a minute at most.
bool is_reaped(pid_t pid) {
    auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (::kill(pid, 0) == 0) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        std::this_thread::yield();
    }
    return true;
}

} // namespace

// The test's kill stands before the C library's, to tell whom a supervisor signals.
extern "C" int kill(pid_t pid, int signal) noexcept {
    if (reports_kills)
        reported->say("kill " + std::to_string(pid));
    return static_cast<int>(::syscall(SYS_kill, pid, signal));
}

BOOST_AUTO_TEST_SUITE(process_fork)

// ---- Workers

BOOST_AUTO_TEST_CASE(T190_T192_children_are_numbered_and_the_parent_exits_with_0) {
    Report report;
    Forked supervisor([&] {
        int const id = fork_processes(3);
        report.say(std::to_string(id) + (task_id() == id ? " same" : " other"));
        return 0;
    });
    std::multiset<std::string> lines{report.line(), report.line(), report.line()};
    BOOST_TEST(lines == (std::multiset<std::string>{"0 same", "1 same", "2 same"}),
               boost::test_tools::per_element());
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == 0);
    BOOST_TEST(!task_id());
}

/// A worker that tells its task and its process, and ends as the test tells it to: with 3 at
/// SIGUSR1, with 0 at SIGUSR2.
[[noreturn]] void obey(Report& report, int id) {
    std::signal(SIGUSR1, [](int) { std::_Exit(3); });
    std::signal(SIGUSR2, [](int) { std::_Exit(0); });
    report.say(std::to_string(id) + " " + std::to_string(::getpid()));
    wait_for_signals();
}

BOOST_AUTO_TEST_CASE(T191_T192_a_child_that_fails_is_restarted_with_its_number) {
    Report report;
    Forked supervisor([&]() -> int { obey(report, fork_processes(2)); });
    std::string const first[] = {report.line(), report.line()};
    pid_t pids[2] = {};
    for (auto const& line : first)
        pids[line[0] == '1'] = pid_of(line.substr(2));
    for (int const end : {SIGUSR1, SIGKILL})
        for (std::size_t const task : {1U, 0U}) {
            ::kill(pids[task], end);
            auto const line = report.line();
            BOOST_TEST_REQUIRE(line.substr(0, 2) == std::to_string(task) + " ");
            auto const pid = pid_of(line.substr(2));
            BOOST_TEST(pid != pids[task]);
            BOOST_TEST(is_reaped(pids[task]));
            pids[task] = pid;
        }
    ::kill(pids[0], SIGUSR2);
    ::kill(pids[1], SIGUSR2);
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == 0);
}

BOOST_AUTO_TEST_CASE(T193_too_many_restarts_are_an_error_and_end_the_others) {
    Report report;
    Forked supervisor([&] {
        auto const text = thrown<std::runtime_error>([&] {
            if (fork_processes(2, 3) == 1) {
                report_signals<SIGTERM>(report);
                report.say("1 waits");
                ::pause();
                std::_Exit(0);
            }
            report.say("0 starts");
            std::_Exit(1);
        });
        report.say(text);
        return 7;
    });
    std::vector<std::string> lines;
    do
        lines.push_back(report.line());
    while (lines.back() != "end" && lines.size() < 10);
    BOOST_TEST(std::ranges::count(lines, "0 starts") == 4);
    BOOST_TEST(std::ranges::count(lines, "1 waits") == 1);
    BOOST_TEST(std::ranges::count(lines, "sig 15") == 1);
    BOOST_TEST_REQUIRE(lines.size() == 8U);
    BOOST_TEST(lines[6] == "Too many child restarts, giving up"); // after the last worker's end
    BOOST_TEST(supervisor.wait() == 7);
}

BOOST_AUTO_TEST_CASE(a_child_that_fails_at_once_for_ever_waits_longer_each_time) {
    Report report;
    auto const start = std::chrono::steady_clock::now();
    Forked supervisor([&] {
        report_log(report);
        BOOST_TEST(has(thrown<std::runtime_error>([&] {
                           fork_processes(1, 4);
                           std::_Exit(2);
                       }),
                       "Too many"));
        return 7;
    });
    BOOST_TEST(report.line() == "log Starting 1 processes");
    for (auto const* const end : {", restarting", ", restarting in 100 ms",
                                  ", restarting in 200 ms", ", restarting in 400 ms", ""}) {
        auto const line = report.line();
        BOOST_TEST(line.starts_with("log child 0 (pid "));
        BOOST_TEST(line.ends_with(std::string(" exited with status 2") + end));
    }
    BOOST_TEST(supervisor.wait() == 7);
    BOOST_TEST((std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(700)));
}

BOOST_AUTO_TEST_CASE(T194_there_is_one_for_each_processor_by_default) {
    Report report;
    Forked supervisor([&] {
        report.say(std::to_string(fork_processes()));
        return 0;
    });
    std::set<std::string> ids;
    for (unsigned i = 0; i < cpu_count(); ++i)
        ids.insert(report.line());
    BOOST_TEST(ids.size() == cpu_count());
    BOOST_TEST(ids.contains(std::to_string(cpu_count() - 1)));
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == 0);
}

BOOST_AUTO_TEST_CASE(T194_a_worker_has_no_workers) {
    Report report;
    Forked supervisor([&] {
        fork_processes(1);
        report.say(thrown<std::logic_error>([] { fork_processes(1); }));
        return 0;
    });
    BOOST_TEST(has(report.line(), "this process is worker 0 already"));
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == 0);
}

BOOST_AUTO_TEST_CASE(T195_children_have_random_numbers_of_their_own) {
    Report report;
    Forked supervisor([&] {
        std::srand(1);
        fork_processes(4);
        report.say(std::to_string(std::rand()));
        return 0;
    });
    std::set<std::string> numbers;
    for (int i = 0; i < 4; ++i)
        numbers.insert(report.line());
    BOOST_TEST(numbers.size() == 4U);
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == 0);
}

BOOST_AUTO_TEST_CASE(what_was_buffered_is_written_once) {
    Report report;
    Forked supervisor([&] {
        ::dup2(report.write_end(), 1);
        std::ios::sync_with_stdio(false); // so that a stream has a buffer of its own
        std::printf("text without an end");
        std::cout << "from a stream, ";
        fork_processes(3);
        std::cout.flush();
        std::fflush(stdout);
        return 0;
    });
    BOOST_TEST(report.line() == "from a stream, text without an end");
    BOOST_TEST(supervisor.wait() == 0);
}

BOOST_AUTO_TEST_CASE(signal_mask_and_dispositions_are_the_programs_own_in_a_worker) {
    Report report;
    Forked supervisor([&] {
        sigset_t mask;
        ::sigemptyset(&mask);
        ::sigaddset(&mask, SIGUSR1);
        ::sigaddset(&mask, SIGINT);
        ::sigprocmask(SIG_SETMASK, &mask, nullptr);
        std::signal(SIGCHLD, SIG_IGN);
        fork_processes(1);
        sigset_t now;
        ::sigprocmask(SIG_SETMASK, nullptr, &now);
        std::string text;
        for (int signal = 1; signal < 32; ++signal)
            if (::sigismember(&now, signal) == 1)
                text += std::to_string(signal) + " ";
        report.say(text + (std::signal(SIGCHLD, SIG_DFL) == SIG_IGN ? "ignored" : "changed"));
        return 0;
    });
    BOOST_TEST(report.line() == "2 10 ignored");
    BOOST_TEST(supervisor.wait() == 0);
}

// ---- What must not be there

BOOST_AUTO_TEST_CASE(T194_a_loop_before_the_fork_is_an_error_with_the_remedy) {
    Forked process([] {
        auto const error = [] { return thrown<std::logic_error>([] { fork_processes(1); }); };
        int wrong = 0;
        {
            IOLoop loop;
            wrong += !has(error(), "there is an IOLoop already") || !has(error(), "fork first");
            IOLoop::clear_current();
            wrong += !has(error(), "IOLoop");
        }
        asio::io_context context;
        IOLoop foreign(context, false);
        wrong += !has(error(), "IOLoop");
        foreign.close();
        std::promise<void> made;
        std::promise<void> seen;
        std::thread thread([&] {
            IOLoop loop;
            made.set_value();
            seen.get_future().wait();
        });
        made.get_future().wait();
        wrong += !has(error(), "IOLoop");
        seen.set_value();
        thread.join();
        return wrong;
    });
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_CASE(a_loop_that_is_closed_is_no_obstacle) {
    Report report;
    Forked supervisor([&] {
        IOLoop loop;
        loop.run_sync([] {});
        loop.close();
        int const id = fork_processes(2);
        IOLoop::current().run_sync([&] { report.say(std::to_string(id)); });
        return 0;
    });
    std::set<std::string> const ids{report.line(), report.line()};
    BOOST_TEST(ids == (std::set<std::string>{"0", "1"}), boost::test_tools::per_element());
    BOOST_TEST(supervisor.wait() == 0);
}

BOOST_AUTO_TEST_CASE(threads_of_a_resolver_before_the_fork_are_an_error) {
    Forked process([] {
        Io io;
        Resolver resolver(io.executor());
        resolver.resolve("localhost", 80, [](error_code, std::vector<Address> const&) {});
        io.run();
        return has(thrown<std::logic_error>([] { fork_processes(1); }), "a Resolver has threads")
                   ? 0
                   : 1;
    });
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_CASE(a_negative_budget_is_refused) {
    BOOST_CHECK_THROW(fork_processes(1, -1), std::invalid_argument);
}

// ---- Signals

BOOST_AUTO_TEST_CASE(a_signal_reaches_every_worker_and_the_parent_waits) {
    for (int const signal : {SIGTERM, SIGINT}) {
        Report report;
        Forked supervisor([&] {
            if (fork_processes(2) == 0)
                std::signal(signal, [](int) { std::_Exit(0); });
            report.say("ready"); // the other one dies by it
            wait_for_signals();
            return 1;
        });
        report.line();
        report.line();
        ::kill(supervisor.pid(), signal);
        BOOST_TEST(report.line() == "end");
        BOOST_TEST(supervisor.wait() == 0);
    }
}

// Its number may be another process's by now.
BOOST_AUTO_TEST_CASE(a_worker_that_has_ended_is_sent_nothing) {
    Report report;
    Forked supervisor([&] {
        report_log(report);
        reports_kills = true;
        if (fork_processes(2) == 0)
            return 0;
        report.say("pid " + std::to_string(::getpid()));
        wait_for_signals();
        return 0;
    });
    std::string living;
    std::string ended;
    for (int i = 0; i < 3; ++i) { // and the line of the start
        auto const text = report.line();
        (text.starts_with("pid ") ? living : ended) = text;
    }
    BOOST_TEST(ended.ends_with("exited normally"));
    ::kill(supervisor.pid(), SIGTERM);
    BOOST_TEST(report.line().starts_with("log Received signal 15"));
    BOOST_TEST(report.line() == "kill " + living.substr(4));
    BOOST_TEST(report.line().ends_with("killed by signal 15"));
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == 0);
}

BOOST_AUTO_TEST_CASE(the_second_signal_ends_a_worker_that_ignores_the_first) {
    for (bool const stopped : {false, true}) {
        Report report;
        Forked supervisor([&] {
            report_log(report);
            fork_processes(1);
            report_signals<SIGTERM>(report);
            report.say("pid " + std::to_string(::getpid()));
            wait_for_signals();
            return 0;
        });
        auto const worker = pid_of(report.after("pid "));
        if (stopped)
            ::kill(worker, SIGSTOP);
        ::kill(supervisor.pid(), SIGTERM);
        BOOST_TEST(report.line() == "log Received signal 15, stopping the child processes");
        if (!stopped)
            BOOST_TEST(report.line() == "sig 15");
        ::kill(supervisor.pid(), SIGINT);
        BOOST_TEST(report.line() == "log Received signal 2, stopping the child processes");
        BOOST_TEST(has(report.line(), "killed by signal 9"));
        BOOST_TEST(report.line() == "end");
        BOOST_TEST(supervisor.wait() == 1);
    }
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_stopped_and_continued_has_not_ended) {
    Report report;
    Forked supervisor([&]() -> int {
        report_log(report);
        obey(report, fork_processes(2));
    });
    pid_t pids[2] = {};
    for (int i = 0; i < 3; ++i) // and the line of the start
        if (auto const text = report.line(); text[0] == '0' || text[0] == '1')
            pids[text[0] == '1'] = pid_of(text.substr(2));
    BOOST_TEST_REQUIRE((pids[0] > 0 && pids[1] > 0));
    ::kill(pids[0], SIGSTOP);
    while (state_of(pids[0]) != 'T')
        std::this_thread::yield();
    ::kill(pids[1], SIGUSR2); // so that the supervisor looks at both
    BOOST_TEST(report.line().starts_with("log child 1 "));
    ::kill(pids[0], SIGCONT);
    ::kill(pids[0], SIGUSR2);
    auto const last = report.line();
    BOOST_TEST((last.starts_with("log child 0 ") && last.ends_with("exited normally")), last);
    BOOST_TEST(report.line() == "end"); // not started again
    BOOST_TEST(supervisor.wait() == 0);
}

BOOST_AUTO_TEST_CASE(a_worker_that_fails_while_all_are_stopped_is_not_restarted) {
    Report report;
    Forked supervisor([&] {
        fork_processes(2);
        std::signal(SIGTERM, [](int) { std::_Exit(5); });
        report.say("ready");
        wait_for_signals();
        return 0;
    });
    report.line();
    report.line();
    ::kill(supervisor.pid(), SIGTERM);
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == 1);
}

BOOST_AUTO_TEST_CASE(an_ignored_interrupt_stays_ignored) {
    Report report;
    Forked supervisor([&]() -> int {
        std::signal(SIGINT, SIG_IGN);
        obey(report, fork_processes(1));
    });
    auto worker = pid_of(report.after("0 "));
    ::kill(supervisor.pid(), SIGINT);
    ::kill(worker, SIGUSR1);
    worker = pid_of(report.after("0 ")); // it still supervises
    ::kill(supervisor.pid(), SIGTERM);
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == 0);
}

BOOST_AUTO_TEST_CASE(an_interrupt_from_the_terminal_is_not_sent_twice) {
    int const terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    BOOST_TEST_REQUIRE(terminal >= 0);
    ::grantpt(terminal);
    ::unlockpt(terminal);
    std::string const name = ::ptsname(terminal);
    Report report;
    Forked supervisor([&] {
        ::setsid();
        ::ioctl(::open(name.c_str(), O_RDWR), TIOCSCTTY, 0);
        report_log(report);
        int const id = fork_processes(2);
        report_signals<SIGINT>(report);
        std::signal(SIGUSR2, [](int) { std::_Exit(0); });
        report.say("pid " + std::to_string(id) + " " + std::to_string(::getpid()));
        wait_for_signals();
        return 0;
    });
    pid_t pids[2] = {};
    for (int i = 0; i < 2; ++i) {
        auto const text = report.after("pid ");
        pids[text[0] == '1'] = pid_of(text.substr(2));
    }
    // The supervisor looks when both have had theirs: two that wait would be one.
    ::kill(supervisor.pid(), SIGSTOP);
    BOOST_TEST(::write(terminal, "\x03", 1) == 1);
    BOOST_TEST(report.line() == "sig 02");
    BOOST_TEST(report.line() == "sig 02");
    ::kill(supervisor.pid(), SIGCONT);
    BOOST_TEST(report.line() == "log Received signal 2, stopping the child processes");
    // The supervisor has sent what it would send before it sees this end; and of the signals that
    // wait for the other worker the interrupt would be delivered first.
    ::kill(pids[1], SIGUSR2);
    BOOST_TEST(report.line().starts_with("log child 1 "));
    ::kill(pids[0], SIGUSR2);
    BOOST_TEST(report.line().starts_with("log child 0 "));
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == 0);
    ::close(terminal);
}

// ---- No orphan, no zombie

BOOST_AUTO_TEST_CASE(no_worker_outlives_a_supervisor_that_is_killed) {
    Report report;
    Forked supervisor([&] {
        fork_processes(2);
        std::signal(SIGTERM, SIG_IGN);
        report.say("ready");
        wait_for_signals();
        return 0;
    });
    report.line();
    report.line();
    ::kill(supervisor.pid(), SIGKILL);
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == -SIGKILL);
}

BOOST_AUTO_TEST_CASE(a_child_that_is_no_worker_is_waited_for_and_not_restarted) {
    Report report;
    Report other_ends;
    Forked supervisor([&]() -> int {
        auto const other = ::fork();
        if (other == 0) {
            other_ends.line();
            std::_Exit(1);
        }
        int const id = fork_processes(1);
        report.say("other " + std::to_string(other));
        obey(report, id);
    });
    auto const other = pid_of(report.after("other "));
    auto const worker = pid_of(report.after("0 "));
    other_ends.say("now");
    BOOST_TEST(is_reaped(other));
    ::kill(worker, SIGUSR2);
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == 0);
}

// ---- Out of processes

BOOST_AUTO_TEST_CASE(a_start_without_processes_is_an_error_that_says_so) {
    Forked process([] {
        if (!refuse({SYS_fork, SYS_vfork, SYS_clone, SYS_clone3}, EAGAIN))
            return 0;
        auto const text = thrown<system_error>([] { fork_processes(2); });
        return has(text, "fork_processes: not every worker could be started") &&
                       has(text, "Resource temporarily unavailable")
                   ? 0
                   : 1;
    });
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_CASE(a_restart_without_processes_is_tried_again_and_harms_no_other) {
    Report report;
    Forked supervisor([&]() -> int {
        // A leak checker would need a process at the exit.
        ::on_exit([](int status, void*) { std::_Exit(status); }, nullptr);
        reported = &report;
        set_log_sink([](LogRecord const& record) {
            std::string const text(record.message);
            if (has(text, "restarting"))
                refuse({SYS_fork, SYS_vfork, SYS_clone, SYS_clone3}, EAGAIN);
            reported->say("log " + text);
        });
        obey(report, fork_processes(2, 1));
    });
    pid_t pids[2] = {};
    for (int i = 0; i < 3; ++i) {
        auto const line = report.line();
        if (!line.starts_with("log"))
            pids[line[0] == '1'] = pid_of(line.substr(2));
    }
    ::kill(pids[0], SIGUSR1);
    BOOST_TEST(has(report.line(), "exited with status 3, restarting"));
    for (int i = 0; i < 3; ++i)
        BOOST_TEST(report.line().starts_with("log child 0 could not be started: Resource "
                                             "temporarily unavailable (too many processes"));
    BOOST_TEST(::kill(pids[1], 0) == 0);
    ::kill(supervisor.pid(), SIGTERM);
    BOOST_TEST(report.after("log child 1 (pid ").ends_with("killed by signal 15"));
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
