// SPDX-License-Identifier: BSL-1.0
// The processor time of a server, seen from another process.
#pragma once

#include "connection.hpp"

#include <ctime>
#include <fstream>
#include <linux/perf_event.h>
#include <string>
#include <sys/syscall.h>

namespace bench {

/// Of a process with one busy thread.
class ServerClock {
public:
    explicit ServerClock(char const* pid) : stat_("/proc/" + std::string(pid) + "/schedstat") {
        auto const id = static_cast<pid_t>(std::strtol(pid, nullptr, 10));
        check(clock_getcpuclockid(id, &clock_) == 0, "clock_getcpuclockid");
        perf_event_attr what{};
        what.size = sizeof what;
        what.type = PERF_TYPE_SOFTWARE;
        what.config = PERF_COUNT_SW_TASK_CLOCK;
        what.exclude_kernel = 1; // asks for less; the clock counts all the same
        counter_ =
            static_cast<int>(syscall(SYS_perf_event_open, &what, id, -1, -1, PERF_FLAG_FD_CLOEXEC));
    }

    /// Whether the clock is exact. The process clock, which is used otherwise, is brought up to
    /// date only at the kernel's tick while its process runs.
    bool exact() const { return counter_ >= 0; }

    /// Seconds of its processor clock.
    double cpu() const {
        std::uint64_t ns = 0;
        if (exact()) {
            check(::read(counter_, &ns, sizeof ns) == sizeof ns, "the server's task clock");
            return static_cast<double>(ns) * 1e-9;
        }
        timespec now{};
        check(clock_gettime(clock_, &now) == 0, "the server's processor clock");
        return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
    }

    /// Seconds in which it ran or wanted to.
    double demand() const {
        std::ifstream file(stat_);
        double ran = 0, waited = 0; // ns
        check(bool(file >> ran >> waited), "the server's schedstat");
        return (ran + waited) * 1e-9;
    }

private:
    std::string stat_;
    clockid_t clock_{};
    int counter_ = -1;
};

} // namespace bench
