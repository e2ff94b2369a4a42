// SPDX-License-Identifier: BSL-1.0
// What two processes say to each other while one takes over from the other. No I/O.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tornado::detail {

///     the new one connects
///         <- sockets NAME:NAME:...   with the descriptors   | busy PID | stranger | failed WHY
///     ready ->
///         <- taken                                          | late
///
/// An end of the connection before `taken` leaves the old one serving. A line each, which says in
/// front what it belongs to.
enum class HandoverWord {
    sockets,  ///< take them: as many descriptors as names
    busy,     ///< somebody else is taking over: the id of that process
    stranger, ///< you are of another user
    failed,   ///< I cannot hand over: why
    ready,    ///< the new one serves
    taken,    ///< the old one does not, from now on
    late,     ///< the new one took too long: the old one goes on
};

struct HandoverLine {
    HandoverWord word{};
    std::string rest;
    bool operator==(HandoverLine const&) const = default;
};

/// With its end; a line's end within `rest` becomes a blank.
std::string to_text(HandoverLine const& line);
/// Of a line without its end; nothing when it is none of these.
std::optional<HandoverLine> parse_handover_line(std::string_view text);

/// A line that is no longer than this can be received.
constexpr std::size_t max_handover_line = 65536;

/// For HandoverWord::sockets. Throws std::invalid_argument for a name with a colon or a control
/// character, and for more than fits in a line.
std::string join_names(std::vector<std::string> const& names);
std::vector<std::string> split_names(std::string_view text);

} // namespace tornado::detail
