// SPDX-License-Identifier: BSL-1.0
// The head of an answer, written straight into the text that leaves.
#pragma once

#include "http.hpp"
#include "request.hpp"

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

namespace demo {

/// Writes status line and fields to the end of `out`, in the order of the calls:
///
///     ResponseHead(out, request, http::status::ok).field("Content-Type", type).end(body.size());
class ResponseHead {
public:
    /// `request.version` becomes the answer's, `request.keep_alive` the connection's end or not.
    ResponseHead(std::string& out, Request const& request, http::status status);

    ResponseHead& field(std::string_view name, std::string_view value);
    ResponseHead& last_modified(std::time_t time);
    /// For an answer with a body, or what would be its length for HEAD.
    void end(std::uint64_t content_length);
    /// For an answer that has no body, or ends with the connection.
    void end();

private:
    std::string& out_;
};

/// A whole answer whose body is the status in words; `fields` are complete lines.
void append_status(std::string& out, Request const& request, http::status status,
                   std::string_view fields = {});

} // namespace demo
