// SPDX-License-Identifier: BSL-1.0
#include "tornado/cpu_count.hpp"

#include "process/cpu_quota.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <optional>
#include <sched.h>
#include <string>
#include <thread>
#include <vector>

namespace tornado {
namespace {

unsigned processors() {
    // One mask holds 1024 processors; a larger machine refuses it.
    for (std::vector<cpu_set_t> masks(1); masks.size() <= 64; masks.resize(masks.size() * 2)) {
        auto const size = masks.size() * sizeof(cpu_set_t);
        if (::sched_getaffinity(0, size, masks.data()) == 0)
            return static_cast<unsigned>(CPU_COUNT_S(size, masks.data()));
        if (errno != EINVAL)
            break;
    }
    return std::thread::hardware_concurrency();
}

/// Empty when there is no such file.
std::string contents(std::string const& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<unsigned> quota(detail::CpuGroup const& group) {
    if (group.unified)
        return detail::quota_cpus(contents(group.directory + "/cpu.max"));
    return detail::quota_cpus(contents(group.directory + "/cpu.cfs_quota_us"),
                              contents(group.directory + "/cpu.cfs_period_us"));
}

} // namespace

unsigned cpu_count() {
    auto count = processors();
    for (auto const& group :
         detail::cpu_groups(contents("/proc/self/cgroup"), contents("/proc/self/mountinfo")))
        if (auto const cpus = quota(group))
            count = std::min(count, *cpus);
    return std::max(count, 1U);
}

} // namespace tornado
