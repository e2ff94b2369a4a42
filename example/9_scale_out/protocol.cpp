// SPDX-License-Identifier: BSL-1.0
// Boost.JSON does the words; here is which of them are allowed.
#include "protocol.hpp"

#include <boost/json/src.hpp> // the library, compiled here and nowhere else

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <utility>

namespace scale {
namespace {

namespace json = boost::json;

std::string_view view(json::string const& text) {
    return {text.data(), text.size()};
}

// Room for a message's JSON, without an allocation for each word.
class Memory {
public:
    json::storage_ptr get() noexcept { return &resource_; }

private:
    unsigned char room_[4096];
    json::monotonic_resource resource_{room_, sizeof room_};
};

std::string object_of(std::initializer_list<std::pair<json::string_view, json::value_ref>> words) {
    Memory memory;
    return json::serialize(json::object(words, memory.get()));
}

// The string of an object's member; empty if it has none.
std::string_view word(json::object const& object, std::string_view key) {
    auto const* const value = object.if_contains(key);
    auto const* const text = value ? value->if_string() : nullptr;
    return text ? view(*text) : std::string_view();
}

bool is_word(std::string_view text, std::size_t most) {
    return !text.empty() && text.size() <= most && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
    });
}

// Any text of one line, or of several.
bool is_text(std::string_view text, std::size_t most, bool lines) {
    return text.find_first_not_of(" \t\r\n") != text.npos && text.size() <= most &&
           std::ranges::all_of(text, [lines](unsigned char c) {
               return (c >= ' ' && c != 0x7f) || (lines && (c == '\n' || c == '\t'));
           });
}

std::variant<Join, Say, Nonsense> parse_join(json::object const& object, WordLimits const& limits) {
    Join join{std::string(word(object, "room")), std::string(word(object, "name")), {}};
    if (!is_word(join.room, limits.name))
        return Nonsense{"a room has 1 to " + std::to_string(limits.name) +
                        " letters, digits, - and _"};
    if (!is_text(join.name, limits.name, false))
        return Nonsense{"a name has 1 to " + std::to_string(limits.name) + " bytes, of one line"};
    if (auto const last = word(object, "last"); !last.empty()) {
        auto const id = parse_id(last);
        if (!id)
            return Nonsense{"'last' is no id of a message"};
        join.last = *id;
    }
    return join;
}

std::variant<Join, Say, Nonsense> parse_say(json::object const& object, WordLimits const& limits) {
    Say say{std::string(word(object, "tag")), std::string(word(object, "text"))};
    if (!is_word(say.tag, limits.name))
        return Nonsense{"a tag has 1 to " + std::to_string(limits.name) +
                        " letters, digits, - and _"};
    if (!is_text(say.text, limits.text, true))
        return Nonsense{"a text has 1 to " + std::to_string(limits.text) + " bytes"};
    return say;
}

} // namespace

std::variant<Join, Say, Nonsense> parse_client(std::string_view text, WordLimits const& limits) {
    Memory memory;
    boost::system::error_code ec;
    auto const value = json::parse(text, ec, memory.get());
    auto const* const object = ec ? nullptr : value.if_object();
    if (!object)
        return Nonsense{"not a JSON object"};
    auto const type = word(*object, "type");
    if (type == "join")
        return parse_join(*object, limits);
    if (type == "say")
        return parse_say(*object, limits);
    return Nonsense{"the type is neither join nor say"};
}

std::string welcome(std::string_view worker, std::string_view host, std::string_view room,
                    bool redis_is_up) {
    return object_of({{"type", "welcome"},
                      {"worker", worker},
                      {"host", host},
                      {"room", room},
                      {"redis", redis_is_up}});
}

std::string gap() {
    return R"({"type":"gap"})";
}

std::string redis_is(bool up) {
    return up ? R"({"type":"redis","up":true})" : R"({"type":"redis","up":false})";
}

std::string sent(std::string_view tag, std::string_view id) {
    return object_of({{"type", "sent"}, {"tag", tag}, {"id", id}});
}

std::string failed(std::string_view tag, std::string_view why) {
    return object_of({{"type", "failed"}, {"tag", tag}, {"why", why}});
}

std::string stored(std::string_view name, std::string_view text) {
    return object_of({{"name", name}, {"text", text}});
}

Frame message(MessageId id, std::string_view stored_text) {
    Memory memory;
    boost::system::error_code ec;
    auto const value = json::parse(stored_text, ec, memory.get());
    auto const* const object = ec ? nullptr : value.if_object();
    if (!object)
        return {};
    auto const name = word(*object, "name");
    auto const text = word(*object, "text");
    if (name.empty() || text.empty())
        return {};
    return std::make_shared<std::string const>(
        object_of({{"type", "message"}, {"id", to_string(id)}, {"name", name}, {"text", text}}));
}

} // namespace scale
