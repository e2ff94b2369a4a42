// SPDX-License-Identifier: BSL-1.0
// How a log sink comes between the log and the sink that was there.
#pragma once

#include "tornado/log.hpp"

#include <functional>

namespace tornado::detail {

/// set_log_sink(), and the sink that was there; empty is the default one.
std::function<void(LogRecord const&)> exchange_log_sink(std::function<void(LogRecord const&)> sink);

/// The level in use, of which `level` takes the place.
LogLevel exchange_log_level(LogLevel level) noexcept;

/// What the default sink does with a line.
void to_standard_error(LogRecord const& record);

} // namespace tornado::detail
