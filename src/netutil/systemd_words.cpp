// SPDX-License-Identifier: BSL-1.0
#include "netutil/systemd_words.hpp"

#include <boost/algorithm/string/split.hpp>

#include <charconv>
#include <limits>
#include <stdexcept>
#include <utility>

namespace tornado::detail {
namespace {

/// Decimal digits and nothing else, from 1 up to what fits.
template <class Number>
std::optional<Number> positive(std::string_view text) {
    Number value{};
    auto const* const end = text.data() + text.size();
    auto const [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end || value <= 0)
        return std::nullopt;
    return value;
}

[[noreturn]] void refuse(std::string const& variable, std::string const& value,
                         std::string const& problem) {
    throw std::invalid_argument(variable + " is \"" + value + "\", " + problem);
}

pid_t process(std::string const& variable, std::string const& value) {
    auto const pid = positive<pid_t>(value);
    if (!pid)
        refuse(variable, value, "which is not the id of a process");
    return *pid;
}

} // namespace

std::optional<pid_t> addressee(ListenVariables const& variables) {
    if (!variables.pid || !variables.count)
        return std::nullopt;
    return process("LISTEN_PID", *variables.pid);
}

std::vector<std::string> listen_names(ListenVariables const& variables, std::uint64_t limit) {
    constexpr std::uint64_t first = 3;
    auto const& count_text = variables.count.value_or("");
    auto const count = count_text == "0" ? 0 : positive<std::uint64_t>(count_text);
    if (!count)
        refuse("LISTEN_FDS", count_text, "not a number of sockets");
    if (*count > limit || limit - *count < first)
        refuse("LISTEN_FDS", count_text,
               "more sockets than a process may have here (" + std::to_string(limit) +
                   " descriptors)");
    std::vector<std::string> names;
    if (!variables.names)
        names.assign(*count, "unknown");
    else if (*count > 0)
        boost::algorithm::split(names, *variables.names, [](char c) { return c == ':'; });
    if (names.size() != *count)
        refuse("LISTEN_FDNAMES", *variables.names,
               "names for " + std::to_string(names.size()) + " sockets, but LISTEN_FDS is " +
                   count_text);
    return names;
}

std::optional<std::chrono::microseconds> watchdog_limit(std::optional<std::string> const& usec,
                                                        std::optional<std::string> const& pid,
                                                        pid_t own) {
    if (!usec)
        return std::nullopt;
    auto const limit = positive<std::int64_t>(*usec);
    if (!limit || *limit > std::numeric_limits<std::int64_t>::max() / 1000)
        refuse("WATCHDOG_USEC", *usec, "not a number of microseconds");
    if (pid && process("WATCHDOG_PID", *pid) != own)
        return std::nullopt;
    return std::chrono::microseconds(*limit);
}

std::string notify_name(std::string_view notify_socket) {
    std::string name(notify_socket);
    if (name.size() < 2 || (name[0] != '/' && name[0] != '@'))
        return {};
    if (name[0] == '@')
        name[0] = '\0';
    return name;
}

} // namespace tornado::detail
