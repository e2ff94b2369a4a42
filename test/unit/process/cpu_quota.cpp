// SPDX-License-Identifier: BSL-1.0
// cpu_quota: control groups and their quotas, from the kernel's text.
#include "process/cpu_quota.hpp"

#include <boost/test/unit_test.hpp>

#include <limits>
#include <string>
#include <vector>

using tornado::detail::cpu_groups;
using tornado::detail::quota_cpus;

namespace {

/// The directories in one line; those of version 1 with a mark.
std::string groups(std::string const& cgroup, std::string const& mountinfo) {
    std::string text;
    for (auto const& group : cpu_groups(cgroup, mountinfo))
        text += (text.empty() ? "" : " ") + group.directory + (group.unified ? "" : "(1)");
    return text;
}

std::string const v2 = "30 22 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
std::string const v1 = "31 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 master:2 - cgroup "
                       "cgroup rw,cpu,cpuacct\n";
std::string const others = "22 1 8:1 / / rw - ext4 /dev/sda rw\n"
                           "33 30 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
                           "32 30 0:29 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n";

} // namespace

BOOST_AUTO_TEST_SUITE(process_cpu_quota)

// ---- Quotas

BOOST_AUTO_TEST_CASE(a_quota_is_a_number_of_processors_rounded_up) {
    BOOST_TEST((quota_cpus("100000 100000\n") == 1U));
    BOOST_TEST((quota_cpus("150000 100000\n") == 2U));
    BOOST_TEST((quota_cpus("200000 100000\n") == 2U));
    BOOST_TEST((quota_cpus("200001 100000\n") == 3U));
    BOOST_TEST((quota_cpus("1000 100000\n") == 1U));
    BOOST_TEST((quota_cpus("50000 10000") == 5U));
    BOOST_TEST((quota_cpus("400000\n", "100000\n") == 4U));
    BOOST_TEST((quota_cpus("350000", "100000") == 4U));
    BOOST_TEST((quota_cpus("9223372036854775807 1\n") == std::numeric_limits<unsigned>::max()));
}

BOOST_AUTO_TEST_CASE(no_limit_is_none) {
    BOOST_TEST(!quota_cpus("max 100000\n"));
    BOOST_TEST(!quota_cpus("-1\n", "100000\n"));
}

BOOST_AUTO_TEST_CASE(what_is_not_understood_is_no_limit) {
    for (auto const* const text :
         {"", "\n", " ", "max", "100000", "100000 ", " 100000", "100000 0", "0 100000", "-5 100000",
          "100000 -1", "1e5 100000", "100000 100000 1", "0x10 16", "99999999999999999999 100000",
          "100000  100000"})
        BOOST_TEST(!quota_cpus(text), text);
    BOOST_TEST(!quota_cpus("", ""));
    BOOST_TEST(!quota_cpus("100000", ""));
}

BOOST_AUTO_TEST_CASE(every_prefix_of_a_file_is_read_without_harm) {
    std::string const text = "150000 100000\n";
    for (std::size_t n = 0; n < text.size(); ++n)
        if (auto const cpus = quota_cpus(text.substr(0, n)))
            BOOST_TEST(*cpus > 0U);
}

// ---- Groups

BOOST_AUTO_TEST_CASE(the_groups_above_hold_too) {
    BOOST_TEST(groups("0::/a/b\n", others + v2) ==
               "/sys/fs/cgroup/a/b /sys/fs/cgroup/a /sys/fs/cgroup");
    BOOST_TEST(groups("0::/\n", v2) == "/sys/fs/cgroup");
}

BOOST_AUTO_TEST_CASE(version_1_has_a_hierarchy_of_its_own) {
    BOOST_TEST(groups("5:cpuset:/x\n4:cpu,cpuacct:/a\n3:memory:/y\n", others + v1) ==
               "/sys/fs/cgroup/cpu,cpuacct/a(1) /sys/fs/cgroup/cpu,cpuacct(1)");
    BOOST_TEST(groups("5:cpuset:/x\n3:cpuacct:/y\n", others + v1) == "");
}

BOOST_AUTO_TEST_CASE(both_versions_at_once) {
    BOOST_TEST(groups("4:cpu,cpuacct:/\n0::/u\n", v2 + v1) ==
               "/sys/fs/cgroup/cpu,cpuacct(1) /sys/fs/cgroup/u /sys/fs/cgroup");
}

BOOST_AUTO_TEST_CASE(a_container_sees_a_part_of_the_tree) {
    std::string const part = "40 30 0:28 /docker/abc /cg rw - cgroup cgroup rw,cpu\n";
    BOOST_TEST(groups("1:cpu:/docker/abc\n", part) == "/cg(1)");
    BOOST_TEST(groups("1:cpu:/docker/abc/in\n", part) == "/cg/in(1) /cg(1)");
    BOOST_TEST(groups("1:cpu:/docker/abcd\n", part) == "/cg(1)"); // another's name, longer
    BOOST_TEST(groups("1:cpu:/elsewhere\n", part) == "/cg(1)");
    BOOST_TEST(groups("0::/../up\n", v2) == "/sys/fs/cgroup");
}

BOOST_AUTO_TEST_CASE(a_mount_point_may_have_blanks) {
    BOOST_TEST(groups("0::/a\n", "30 22 0:27 / /my\\040cg\\134 rw - cgroup2 none rw\n") ==
               "/my cg\\/a /my cg\\");
}

BOOST_AUTO_TEST_CASE(nothing_mounted_or_nothing_understood_is_no_group) {
    BOOST_TEST(groups("0::/a\n", others) == "");
    BOOST_TEST(groups("", v2) == "");
    BOOST_TEST(groups("nonsense\n", others) == "");
    for (std::size_t n = 0; n < v1.size(); ++n)
        groups("1:cpu:/a\n0::/b\n", v1.substr(0, n));
    std::string const group = "1:cpu:/a/b\n";
    for (std::size_t n = 0; n < group.size(); ++n)
        groups(group.substr(0, n), v1 + v2);
}

BOOST_AUTO_TEST_SUITE_END()
