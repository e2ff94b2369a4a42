// SPDX-License-Identifier: BSL-1.0
// A body in chunks (RFC 9112, 7.1), byte by byte: refused at the first byte that does not fit.
#pragma once

#include "http.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace demo {

/// Beast's parser looks at a chunk's line only when it is complete, and may assert on one that
/// comes in pieces. Extensions and trailer fields are skipped: nothing here has a use for them.
class ChunkedBody {
public:
    /// Limits: bytes of the body, and of one chunk's line or the trailer section.
    ChunkedBody(std::size_t max_body, std::size_t max_line) noexcept
        : max_body_(max_body), max_line_(max_line) {}

    /// Appends content to `body`. Returns how many of the bytes belong here: all, unless it is
    /// complete or failed.
    std::size_t take(std::string_view bytes, std::string& body);

    bool complete() const noexcept { return state_ == State::complete; }
    /// The status to refuse the request with, if it must be.
    std::optional<http::status> failure() const noexcept { return failure_; }

private:
    enum class State {
        first_digit,
        size,
        extension, // before its name
        extension_name,
        extension_value, // and what stands before it
        quoted,
        quoted_pair,
        size_end, // a line feed
        data,
        data_cr,
        data_end,
        line_begin, // of a trailer field, or the last line
        name,
        value,
        line_end,
        last_end,
        complete
    };

    std::optional<State> after(char c) noexcept;
    std::optional<State> after_digit(int value) noexcept;

    std::size_t max_body_; // what may still come
    std::size_t max_line_;
    State state_ = State::first_digit;
    std::size_t size_ = 0; // of the chunk, what is missing of it
    std::size_t line_ = 0; // bytes of the line or section at hand
    std::optional<http::status> failure_;
};

} // namespace demo
