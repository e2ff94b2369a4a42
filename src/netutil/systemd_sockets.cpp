// SPDX-License-Identifier: BSL-1.0
// Sockets that systemd passed to this process.
#include "tornado/log.hpp"
#include "tornado/netutil.hpp"

#include "netutil/systemd_words.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace tornado {
namespace {

constexpr int first_descriptor = 3; // SD_LISTEN_FDS_START

struct Passed {
    std::string name;
    ListenSocket socket;
};

std::optional<std::string> take_variable(char const* name) {
    char const* const value = std::getenv(name);
    std::optional<std::string> text;
    if (value)
        text = value;
    ::unsetenv(name);
    return text;
}

std::uint64_t descriptor_limit() {
    constexpr rlim_t most = 1 << 20; // fs.nr_open, where nobody has raised it
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? std::min(limit.rlim_cur, most) : most;
}

/// Those that are listening sockets are owned from here on, and closed if another is not: that one
/// may be a descriptor of somebody else in this process, and is left alone.
std::vector<Passed> adopt(std::vector<std::string> const& names) {
    std::vector<Passed> passed;
    std::string problem;
    for (std::size_t i = 0; i < names.size(); ++i) {
        int const fd = first_descriptor + static_cast<int>(i);
        if (::fcntl(fd, F_GETFD) < 0) {
            if (problem.empty())
                problem = "descriptor " + std::to_string(fd) + " is not open";
            continue;
        }
        try {
            passed.push_back({names[i], ListenSocket(fd)});
        } catch (std::invalid_argument const& e) {
            if (problem.empty())
                problem = e.what();
        }
    }
    if (!problem.empty())
        throw std::invalid_argument(
            problem + ", but LISTEN_FDS is " + std::to_string(names.size()) +
            " and promises descriptors " + std::to_string(first_descriptor) + " to " +
            std::to_string(first_descriptor + static_cast<int>(names.size()) - 1) +
            ": pass ListenStream= sockets, with Accept=no, and nothing else");
    return passed;
}

std::vector<Passed> read_environment() {
    detail::ListenVariables variables;
    variables.pid = take_variable("LISTEN_PID");
    variables.count = take_variable("LISTEN_FDS");
    variables.names = take_variable("LISTEN_FDNAMES");
    ::unsetenv("LISTEN_PIDFDID");
    auto const pid = detail::addressee(variables);
    if (!pid)
        return {};
    if (*pid != ::getpid()) {
        log(Logger::general, LogLevel::warning,
            "LISTEN_FDS is for process " + std::to_string(*pid) + " (LISTEN_PID), not for this " +
                "one, " + std::to_string(::getpid()) +
                ", which takes no sockets: let the unit start the program itself, or its shell "
                "`exec` it");
        return {};
    }
    return adopt(detail::listen_names(variables, descriptor_limit()));
}

/// Takes those with the name, or all; the environment is read by the first call that finds it.
std::vector<ListenSocket> take(std::optional<std::string_view> name) {
    static std::vector<Passed> waiting;
    for (auto& each : read_environment())
        waiting.push_back(std::move(each));
    std::vector<ListenSocket> taken;
    std::erase_if(waiting, [&](Passed& each) {
        bool const wanted = !name || each.name == *name;
        if (wanted)
            taken.push_back(std::move(each.socket));
        return wanted;
    });
    return taken;
}

} // namespace

std::vector<ListenSocket> systemd_sockets() {
    return take(std::nullopt);
}

std::vector<ListenSocket> systemd_sockets(std::string_view name) {
    return take(name);
}

} // namespace tornado
