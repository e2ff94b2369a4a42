// SPDX-License-Identifier: BSL-1.0
// The id of a message, as Redis gives it to an entry of a stream.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace scale {

/// Milliseconds since 1970 by Redis' clock, and a number among those of one millisecond. In one
/// room each id is greater than the one before it; the default one stands before them all.
struct MessageId {
    std::uint64_t time = 0;
    std::uint64_t number = 0;

    auto operator<=>(MessageId const&) const = default;
    bool operator==(MessageId const&) const = default;
};

/// `1732600000000-0`; empty for what is none.
std::optional<MessageId> parse_id(std::string_view text);
std::string to_string(MessageId id);

} // namespace scale
