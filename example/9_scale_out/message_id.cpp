// SPDX-License-Identifier: BSL-1.0
// Two numbers and a dash, and nothing else: a client's word is not believed.
#include "message_id.hpp"

#include <charconv>

namespace scale {

std::optional<MessageId> parse_id(std::string_view text) {
    MessageId id;
    auto const* const end = text.data() + text.size();
    auto const time = std::from_chars(text.data(), end, id.time);
    if (time.ec != std::errc() || time.ptr == end || *time.ptr != '-')
        return {};
    auto const number = std::from_chars(time.ptr + 1, end, id.number);
    if (number.ec != std::errc() || number.ptr != end)
        return {};
    return id;
}

std::string to_string(MessageId id) {
    return std::to_string(id.time) + '-' + std::to_string(id.number);
}

} // namespace scale
