// SPDX-License-Identifier: BSL-1.0
#include "tornado/fork.hpp"

#include "tornado/cpu_count.hpp"
#include "tornado/error.hpp"
#include "tornado/log.hpp"

#include "ioloop/current.hpp"
#include "last_error.hpp"
#include "netutil/resolver.hpp"
#include "process/supervision.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace tornado {
namespace {

using detail::Supervision;
using namespace std::chrono_literals;

std::optional<int> own_task;

void check_unforked(int max_restarts) {
    if (max_restarts < 0)
        throw std::invalid_argument("fork_processes: max_restarts is negative");
    if (own_task)
        throw std::logic_error("fork_processes: this process is worker " +
                               std::to_string(*own_task) +
                               " already: call it once, before the workers part");
    if (auto const loops = detail::live_loops.load())
        throw std::logic_error(
            "fork_processes: there " + std::string(loops == 1 ? "is an IOLoop" : "are IOLoops") +
            " already, which processes cannot share: fork first and make loops in the workers "
            "(TCPServer::bind and bind_sockets need none), or close() what is not needed any more");
    if (detail::detached_threads() != 0)
        throw std::logic_error("fork_processes: a Resolver has threads, which the workers would "
                               "lack: fork first, and look names up in the workers");
}

// ---- Signals

/// Keeps SIGCHLD, SIGTERM and SIGINT for sigtimedwait, until it is destroyed.
class TakenSignals {
public:
    TakenSignals() {
        ::sigemptyset(&set_);
        ::sigaddset(&set_, SIGCHLD);
        for (int const signal : {SIGTERM, SIGINT}) {
            struct sigaction action {};
            ::sigaction(signal, nullptr, &action);
            if (action.sa_handler != SIG_IGN)
                ::sigaddset(&set_, signal);
        }
        struct sigaction standard {};
        standard.sa_handler = SIG_DFL;                      // where it is ignored, or has
        ::sigaction(SIGCHLD, &standard, &former_on_child_); // SA_NOCLDWAIT, no end is told
        ::pthread_sigmask(SIG_BLOCK, &set_, &former_mask_);
    }
    TakenSignals(TakenSignals const&) = delete;
    TakenSignals& operator=(TakenSignals const&) = delete;
    ~TakenSignals() {
        ::sigaction(SIGCHLD, &former_on_child_, nullptr);
        ::pthread_sigmask(SIG_SETMASK, &former_mask_, nullptr);
    }

    /// The next one; its number is 0 when `until` has come, or a handler of another signal has run.
    siginfo_t wait(std::optional<Supervision::Clock::time_point> until) const {
        siginfo_t info{};
        timespec timeout{};
        if (until) {
            auto const left =
                std::max<std::chrono::nanoseconds>(*until - Supervision::Clock::now(), 0ns);
            timeout.tv_sec = left / 1s;
            timeout.tv_nsec = (left % 1s).count();
        }
        if (::sigtimedwait(&set_, &info, until ? &timeout : nullptr) < 0)
            info.si_signo = 0;
        return info;
    }

private:
    sigset_t set_;
    sigset_t former_mask_;
    struct sigaction former_on_child_;
};

// ---- The supervisor

std::string name(int task, pid_t pid) {
    return "child " + std::to_string(task) + " (pid " + std::to_string(pid) + ")";
}

class Supervisor {
public:
    Supervisor(int tasks, int max_restarts)
        : supervision_(tasks, max_restarts), workers_(static_cast<std::size_t>(tasks)) {}

    /// Gives the task id in a worker, and nothing in the parent, when none is left.
    std::optional<int> run();
    /// The parent's; throws when it gave up.
    int exit_status() const;

private:
    bool start(int task);
    void send(int signal) const;
    void wait(std::optional<Supervision::Clock::time_point> until);
    void reap();
    void ended(int task, pid_t pid, int status);

    Supervision supervision_;
    std::vector<pid_t> workers_; // 0: does not live
    pid_t const parent_ = ::getpid();
    error_code fork_error_;
    TakenSignals const signals_; // last, so that a worker gets them back first
};

std::optional<int> Supervisor::run() {
    for (;;) {
        auto const step = supervision_.next(Supervision::Clock::now());
        switch (step.what) {
        case Supervision::Step::start:
            if (start(step.task))
                return step.task;
            break;
        case Supervision::Step::send:
            send(step.signal);
            break;
        case Supervision::Step::wait:
            wait(step.until);
            break;
        case Supervision::Step::over:
            return {};
        }
    }
}

/// Whether this is the worker.
bool Supervisor::start(int task) {
    // What is in a buffer now would be written by each process.
    std::cout.flush();
    std::clog.flush();
    std::fflush(nullptr);
    auto const pid = ::fork();
    if (pid == 0) {
        // The parent may have died before the kernel was told.
        if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent_)
            ::_exit(EXIT_FAILURE);
        std::srand(std::random_device{}());
        return true;
    }
    if (pid > 0) {
        workers_[static_cast<std::size_t>(task)] = pid;
        supervision_.started(task, Supervision::Clock::now());
    } else {
        fork_error_ = detail::last_error();
        log(Logger::general, LogLevel::error,
            "child " + std::to_string(task) + " could not be started: " + fork_error_.message() +
                (fork_error_.value() == EAGAIN
                     ? " (too many processes: raise ulimit -u or the control group's pids.max)"
                     : ""));
        supervision_.could_not_start(task, Supervision::Clock::now());
    }
    return false;
}

void Supervisor::send(int signal) const {
    for (auto const pid : workers_)
        if (pid != 0)
            ::kill(pid, signal);
}

void Supervisor::wait(std::optional<Supervision::Clock::time_point> until) {
    auto const signal = signals_.wait(until);
    if (signal.si_signo == SIGCHLD)
        return reap();
    if (signal.si_signo == 0)
        return;
    log(Logger::general, LogLevel::info,
        "Received signal " + std::to_string(signal.si_signo) + ", stopping the child processes");
    // A terminal's interrupt goes to all processes of the group.
    supervision_.stop(signal.si_signo, signal.si_code == SI_KERNEL);
}

/// One SIGCHLD may stand for many ends, and for that of a process which is not a worker.
void Supervisor::reap() {
    int status = 0;
    while (auto const pid = ::waitpid(-1, &status, WNOHANG)) {
        if (pid < 0)
            break;
        auto const worker = std::ranges::find(workers_, pid);
        if (worker == workers_.end())
            continue;
        *worker = 0;
        ended(static_cast<int>(worker - workers_.begin()), pid, status);
    }
}

void Supervisor::ended(int task, pid_t pid, int status) {
    auto const end = WIFSIGNALED(status) ? detail::WorkerEnd{.signal = WTERMSIG(status)}
                                         : detail::WorkerEnd{.status = WEXITSTATUS(status)};
    auto const delay = supervision_.ended(task, end, Supervision::Clock::now());
    auto text = name(task, pid);
    if (end.signal != 0)
        text += " killed by signal " + std::to_string(end.signal);
    else if (end.status != 0)
        text += " exited with status " + std::to_string(end.status);
    else
        text += " exited normally";
    if (delay)
        text += ", restarting";
    if (auto const ms = std::chrono::round<std::chrono::milliseconds>(delay.value_or(0s)).count())
        text += " in " + std::to_string(ms) + " ms";
    bool const well = end.signal == 0 && end.status == 0;
    log(Logger::general, well ? LogLevel::info : LogLevel::warning, text);
}

int Supervisor::exit_status() const {
    switch (supervision_.verdict()) {
    case Supervision::Verdict::too_many_restarts:
        throw std::runtime_error("Too many child restarts, giving up");
    case Supervision::Verdict::not_started:
        throw system_error(fork_error_, "fork_processes: not every worker could be started");
    case Supervision::Verdict::ended_badly:
        return EXIT_FAILURE;
    case Supervision::Verdict::ended_well:
        break;
    }
    return EXIT_SUCCESS;
}

} // namespace

int fork_processes(int num_processes, int max_restarts) {
    check_unforked(max_restarts);
    if (num_processes <= 0)
        num_processes = static_cast<int>(cpu_count());
    log(Logger::general, LogLevel::info,
        "Starting " + std::to_string(num_processes) + " processes");
    int status = EXIT_SUCCESS;
    {
        Supervisor supervisor(num_processes, max_restarts);
        if ((own_task = supervisor.run()))
            return *own_task;
        status = supervisor.exit_status();
    }
    std::exit(status);
}

std::optional<int> task_id() {
    return own_task;
}

} // namespace tornado
