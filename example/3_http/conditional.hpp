// SPDX-License-Identifier: BSL-1.0
// Conditional requests and ranges, RFC 9110 sections 13 and 14, as questions about two values.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace demo {

/// The fields of a request that make it conditional; empty where absent.
struct Conditions {
    std::string if_match;
    std::string if_none_match;
    std::string if_modified_since;
    std::string if_unmodified_since;
    std::string if_range;
    std::string range;

    void clear() noexcept;
};

/// What they are compared with. The tag is strong, quotes included.
struct Validators {
    std::string etag;
    std::time_t modified = 0;
};

enum class Precondition { holds, not_modified, failed };

/// What a GET or HEAD request's conditions amount to, in the order of RFC 9110, 13.2.2.
Precondition evaluate(Conditions const& conditions, Validators const& current);

/// Bytes `first` to `first + length - 1`.
struct Range {
    std::uint64_t first = 0;
    std::uint64_t length = 0;
    friend bool operator==(Range const&, Range const&) = default;
};

/// The part of `size` bytes that a GET's Range field asks for: all of it when there is no field,
/// when If-Range does not hold, and for what a server may ignore (other units, several ranges,
/// malformed ones). Nothing if it lies outside (status 416).
std::optional<Range> select_range(Conditions const& conditions, Validators const& current,
                                  std::uint64_t size);

/// `Sun, 06 Nov 1994 08:49:37 GMT`
void append_date(std::string& out, std::time_t time);
/// Any of the three forms that HTTP has had.
std::optional<std::time_t> parse_date(std::string const& text);

} // namespace demo
