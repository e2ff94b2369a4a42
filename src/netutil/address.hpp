// SPDX-License-Identifier: BSL-1.0
// Names from outside, fit for a line of text.
#pragma once

#include <string>
#include <string_view>

namespace tornado::detail {

/// `name` with its control characters as `\x0a`, so that it cannot break a log line.
std::string printable(std::string_view name);

} // namespace tornado::detail
