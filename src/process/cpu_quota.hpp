// SPDX-License-Identifier: BSL-1.0
// What the kernel's files about control groups say about processors. Text in, numbers out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tornado::detail {

/// A directory whose CPU quota holds for this process.
struct CpuGroup {
    std::string directory;
    bool unified; // the quota is in cpu.max (version 2), else in cpu.cfs_quota_us

    bool operator==(CpuGroup const&) const = default;
};

/// The process's own groups and those above them, as far as they are mounted: of /proc/self/cgroup
/// and /proc/self/mountinfo. cgroups(7), proc(5).
std::vector<CpuGroup> cpu_groups(std::string_view cgroup, std::string_view mountinfo);

/// Processors that `quota` microseconds of each `period` make, a part of one rounded up: of the
/// files cpu.cfs_quota_us and cpu.cfs_period_us. Nothing when there is no limit ("max", -1) or the
/// text is not understood.
std::optional<unsigned> quota_cpus(std::string_view quota, std::string_view period);

/// The same of the file cpu.max, which has both.
std::optional<unsigned> quota_cpus(std::string_view cpu_max);

} // namespace tornado::detail
