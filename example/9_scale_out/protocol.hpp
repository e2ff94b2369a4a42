// SPDX-License-Identifier: BSL-1.0
// What clients and workers say to each other: JSON objects, one a WebSocket message.
#pragma once

#include "history.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace scale {

// From a client.

/// `{"type":"join","room":"lobby","name":"ann","last":"1732600000000-0"}`: the first message;
/// `last` is the id of the last one that it has seen in this room, if any.
struct Join {
    std::string room;
    std::string name;
    MessageId last;
};
/// `{"type":"say","tag":"5f0c-1","text":"hello"}`. The tag is the client's name for what it says:
/// the answer has it, and when the client says it again because no answer came, it counts once.
struct Say {
    std::string tag;
    std::string text;
};
/// Neither, and why.
struct Nonsense {
    std::string why;
};

/// Bytes that a client's words may have.
struct WordLimits {
    std::size_t name = 40;
    std::size_t text = 2000;
};

std::variant<Join, Say, Nonsense> parse_client(std::string_view text, WordLimits const& limits);

// To a client.

/// Who serves it, and whether Redis is there.
std::string welcome(std::string_view worker, std::string_view host, std::string_view room,
                    bool redis_is_up);
/// There were messages that nobody keeps any more.
std::string gap();
/// Redis went, or came back.
std::string redis_is(bool up);
/// What the client has said is in the room, with this id.
std::string sent(std::string_view tag, std::string_view id);
/// It is not, or may not be, and why: it is to be said again, with the same tag.
std::string failed(std::string_view tag, std::string_view why);

// From worker to worker, through Redis.

/// A message as Redis keeps it.
std::string stored(std::string_view name, std::string_view text);
/// A message for the clients, of what Redis has; empty for what is none of ours.
Frame message(MessageId id, std::string_view stored_text);

} // namespace scale
