// SPDX-License-Identifier: BSL-1.0
#include "process/cpu_quota.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <system_error>
#include <utility>

namespace tornado::detail {
namespace {

/// Takes the text up to `end` from the front of `rest`, and `end` too.
std::string_view take(std::string_view& rest, char end) {
    auto const part = rest.substr(0, rest.find(end));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    return part;
}

bool lists(std::string_view words, std::string_view word) {
    while (!words.empty())
        if (take(words, ',') == word)
            return true;
    return false;
}

/// mountinfo writes a blank as \040.
std::string unescape(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned code = 0;
        auto const* const digits = text.data() + i + 1;
        if (text[i] == '\\' && text.size() - i > 3 &&
            std::from_chars(digits, digits + 3, code, 8).ptr == digits + 3) {
            plain += static_cast<char>(code);
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

struct Mount {
    std::string root;  // the group that is mounted
    std::string point; // where
    bool unified;
};

std::optional<Mount> parse_mount(std::string_view line) {
    for (int skipped = 0; skipped < 3; ++skipped) // identifiers
        take(line, ' ');
    Mount mount{unescape(take(line, ' ')), unescape(take(line, ' ')), false};
    while (!line.empty() && take(line, ' ') != "-") // options, until what is of the file system
        ;
    auto const type = take(line, ' ');
    take(line, ' '); // source
    mount.unified = type == "cgroup2";
    if (mount.unified || (type == "cgroup" && lists(line, "cpu")))
        return mount;
    return {};
}

/// The path of `group` below the mounted root; empty for that itself, and for a group outside it.
std::string_view below(std::string_view group, std::string_view root) {
    if (root == "/")
        root = {};
    if (!group.starts_with(root))
        return {};
    group.remove_prefix(root.size());
    bool const inside = group.starts_with('/') && !group.starts_with("/..");
    return inside && group.size() > 1 ? group : std::string_view();
}

std::optional<std::int64_t> number(std::string_view text) {
    std::int64_t value = 0;
    auto const* const end = text.data() + text.size();
    if (std::from_chars(text.data(), end, value) != std::from_chars_result{end, {}})
        return {};
    return value;
}

} // namespace

std::vector<CpuGroup> cpu_groups(std::string_view cgroup, std::string_view mountinfo) {
    std::vector<Mount> mounts;
    while (!mountinfo.empty())
        if (auto mount = parse_mount(take(mountinfo, '\n')))
            mounts.push_back(*std::move(mount));

    std::vector<CpuGroup> groups;
    while (!cgroup.empty()) {
        auto path = take(cgroup, '\n');
        take(path, ':'); // the hierarchy's number
        auto const controllers = take(path, ':');
        bool const unified = controllers.empty();
        if (!unified && !lists(controllers, "cpu"))
            continue;
        auto const mount = std::ranges::find(mounts, unified, &Mount::unified);
        if (mount == mounts.end())
            continue;
        for (auto rest = below(path, mount->root);; rest = rest.substr(0, rest.rfind('/'))) {
            groups.push_back({mount->point + std::string(rest), unified});
            if (rest.empty())
                break;
        }
    }
    return groups;
}

std::optional<unsigned> quota_cpus(std::string_view quota, std::string_view period) {
    auto const used = number(take(quota, '\n'));
    auto const of = number(take(period, '\n'));
    if (!used || !of || *used <= 0 || *of <= 0)
        return {};
    auto const cpus = (*used - 1) / *of + 1;
    constexpr auto most = std::numeric_limits<unsigned>::max();
    return static_cast<unsigned>(std::min<std::int64_t>(cpus, most));
}

std::optional<unsigned> quota_cpus(std::string_view cpu_max) {
    auto const quota = take(cpu_max, ' ');
    return quota_cpus(quota, cpu_max);
}

} // namespace tornado::detail
