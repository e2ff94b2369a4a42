// SPDX-License-Identifier: BSL-1.0
// The bytes of a request's head, before Beast sees them: what it would let through, and the limits.
#pragma once

#include "http.hpp"

#include <cstddef>
#include <optional>
#include <string_view>

namespace demo {

/// Told the bytes of one head as they come, each once. Refuses bare CR and LF, obsolete folding,
/// control characters, and what is too long, at the first byte that shows it.
class HeadScanner {
public:
    struct Limits {
        std::size_t request_line = 8 * 1024;
        std::size_t head = 16 * 1024;
    };

    explicit HeadScanner(Limits limits) noexcept : limits_(limits) {}

    /// True if `bytes` hold the head's end; size() says where it is. After a refusal see failure().
    bool scan(std::string_view bytes) noexcept;

    /// The status to refuse the request with, if it must be.
    std::optional<http::status> failure() const noexcept { return failure_; }
    /// Bytes of the head so far, empty lines before it included.
    std::size_t size() const noexcept { return size_; }
    /// How many of them are those empty lines.
    std::size_t leading() const noexcept { return leading_; }

private:
    bool fail(http::status status) noexcept;

    Limits limits_;
    std::size_t size_ = 0;
    std::size_t leading_ = 0;
    std::size_t line_ = 0; // bytes of the line so far
    bool after_cr_ = false;
    bool in_fields_ = false; // the request line is over
    std::optional<http::status> failure_;
};

} // namespace demo
