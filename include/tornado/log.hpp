// SPDX-License-Identifier: BSL-1.0
// Tornado's three loggers, with one sink that can be replaced.
#pragma once

#include "tornado/detail/export.hpp"

#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <string_view>

namespace tornado {

/// Severity, in rising order.
enum class LogLevel { debug, info, warning, error };

/// Tornado's loggers: what the library says, what an application's handler did, what was served.
enum class Logger { general, application, access };

/// One line of log, as the sink receives it. The views live only during the sink's call.
struct LogRecord {
    LogLevel level;                             ///< how bad it is
    Logger logger;                              ///< who says it
    std::string_view message;                   ///< the line, without an end of line
    std::chrono::system_clock::time_point time; ///< when it was said
};

/// Tornado's name of a logger: `tornado.general`, `tornado.application` or `tornado.access`.
TORNADO_ASIO_EXPORT std::string_view logger_name(Logger logger) noexcept;

/// Replaces the place that log lines go to; an empty function restores the default, standard error
/// in Tornado's line format (`[I 260131 12:34:56 tornado.access] text`), which raises no signal
/// when nobody reads it any more. Thread-safe; the sink may be called from any thread, one call at
/// a time, and may itself not log.
TORNADO_ASIO_EXPORT void set_log_sink(std::function<void(LogRecord const&)> sink);

/// Lines below this level go nowhere. The default is `info`. Thread-safe.
TORNADO_ASIO_EXPORT void set_log_level(LogLevel level) noexcept;

/// Writes one line. Never throws: a sink that throws loses its line.
TORNADO_ASIO_EXPORT void log(Logger logger, LogLevel level, std::string_view message) noexcept;

/// The text that a log line needs of an exception: its type and what().
TORNADO_ASIO_EXPORT std::string describe(std::exception_ptr exception);

} // namespace tornado
