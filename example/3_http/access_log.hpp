// SPDX-License-Identifier: BSL-1.0
// A line for each request, in Tornado's words; all lines of one turn of the loop leave in one
// write.
#pragma once

#include "tornado/ioloop.hpp"

#include "http.hpp"
#include "request.hpp"

#include <chrono>
#include <string_view>

namespace demo {

/// `200 GET /path (127.0.0.1) 0.52ms`, as tornado.access, with a level that the status gives.
void log_access(http::status status, Request const& request, std::string_view peer,
                std::chrono::nanoseconds took);

/// From now on log lines are collected, and written to standard error at the end of the loop's
/// turn. The loop must outlive all logging. To be called on the loop's thread.
void collect_log_lines(tornado::IOLoop& loop);
/// Back to the library's own way; what was collected is written.
void stop_collecting_log_lines();

} // namespace demo
