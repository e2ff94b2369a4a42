// SPDX-License-Identifier: BSL-1.0
// Decisions without I/O: each follows the order of its section of RFC 9110.
#include "conditional.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace demo {
namespace {

// RFC 9110, 8.8.3.2: weak comparison ignores the mark, strong comparison wants none.
enum class Comparison { weak, strong };

bool matches(std::string_view list, std::string_view etag, Comparison comparison) {
    if (list == "*")
        return true;
    while (!list.empty()) {
        list.remove_prefix(std::min(list.find_first_not_of(", \t"), list.size()));
        bool const weak = list.starts_with("W/");
        if (weak)
            list.remove_prefix(2);
        if (!list.starts_with('"'))
            return false;
        auto const end = list.find('"', 1);
        if (end == list.npos)
            return false;
        if (list.substr(0, end + 1) == etag && (!weak || comparison == Comparison::weak))
            return true;
        list.remove_prefix(end + 1);
    }
    return false;
}

bool read_number(std::string_view text, std::uint64_t& value) {
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::result_out_of_range)
        value = UINT64_MAX;
    return !text.empty() && end == text.data() + text.size() && text.front() != '-';
}

bool if_range_holds(std::string const& value, Validators const& current) {
    if (value.empty())
        return true;
    if (value.starts_with('"') || value.starts_with("W/"))
        return value == current.etag;
    return parse_date(value) == current.modified;
}

} // namespace

void Conditions::clear() noexcept {
    for (auto* field :
         {&if_match, &if_none_match, &if_modified_since, &if_unmodified_since, &if_range, &range})
        field->clear();
}

Precondition evaluate(Conditions const& conditions, Validators const& current) {
    if (!conditions.if_match.empty()) {
        if (!matches(conditions.if_match, current.etag, Comparison::strong))
            return Precondition::failed;
    } else if (auto const date = parse_date(conditions.if_unmodified_since)) {
        if (current.modified > *date)
            return Precondition::failed;
    }
    if (!conditions.if_none_match.empty()) {
        if (matches(conditions.if_none_match, current.etag, Comparison::weak))
            return Precondition::not_modified;
    } else if (auto const date = parse_date(conditions.if_modified_since)) {
        if (current.modified <= *date)
            return Precondition::not_modified;
    }
    return Precondition::holds;
}

std::optional<Range> select_range(Conditions const& conditions, Validators const& current,
                                  std::uint64_t size) {
    Range const all{0, size};
    std::string_view text = conditions.range;
    if (!text.starts_with("bytes=") || !if_range_holds(conditions.if_range, current))
        return all;
    text.remove_prefix(6);
    auto const dash = text.find('-');
    if (dash == text.npos)
        return all;
    auto const from = text.substr(0, dash);
    auto const to = text.substr(dash + 1);

    std::uint64_t first = 0;
    std::uint64_t last = UINT64_MAX;
    if (from.empty()) {
        std::uint64_t suffix = 0;
        if (!read_number(to, suffix))
            return all;
        if (suffix == 0 || size == 0)
            return {};
        auto const length = std::min(suffix, size);
        return Range{size - length, length};
    }
    if (!read_number(from, first) || (!to.empty() && !read_number(to, last)) || last < first)
        return all;
    if (first >= size)
        return {};
    return Range{first, std::min(last, size - 1) - first + 1};
}

void append_date(std::string& out, std::time_t time) {
    std::tm utc{};
    ::gmtime_r(&time, &utc);
    std::array<char, 40> text{};
    auto const size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
    out.append(text.data(), size);
}

std::optional<std::time_t> parse_date(std::string const& text) {
    if (text.empty())
        return {};
    for (auto const* format :
         {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
        std::tm utc{};
        auto const* const end = ::strptime(text.c_str(), format, &utc);
        if (end && *end == '\0')
            return ::timegm(&utc);
    }
    return {};
}

} // namespace demo
