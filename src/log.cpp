// SPDX-License-Identifier: BSL-1.0
// The sink behind the loggers, and Tornado's line format on standard error.
#include "tornado/log.hpp"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <cxxabi.h>
#include <memory>
#include <mutex>
#include <typeinfo>
#include <utility>

namespace tornado {
namespace {

struct Output {
    std::mutex mutex;
    std::function<void(LogRecord const&)> sink;
    std::atomic<LogLevel> lowest = LogLevel::info;
};

// Never destroyed: threads and static objects log until the very end.
Output& output() {
    static auto& instance = *new Output;
    return instance;
}

void to_standard_error(LogRecord const& record) {
    auto const seconds = std::chrono::system_clock::to_time_t(record.time);
    std::tm local{};
    ::localtime_r(&seconds, &local);
    std::array<char, 32> date{};
    std::strftime(date.data(), date.size(), "%y%m%d %H:%M:%S", &local);

    std::string line = "[";
    line += "DIWE"[static_cast<int>(record.level)];
    line.append(" ")
        .append(date.data())
        .append(" ")
        .append(logger_name(record.logger))
        .append("] ");
    line.append(record.message).append("\n");
    std::fwrite(line.data(), 1, line.size(), stderr);
}

std::string type_name(std::type_info const& type) {
    int status = 0;
    std::unique_ptr<char, decltype(&std::free)> const name(
        abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
    return name ? name.get() : type.name();
}

} // namespace

std::string_view logger_name(Logger logger) noexcept {
    switch (logger) {
    case Logger::general:
        return "tornado.general";
    case Logger::application:
        return "tornado.application";
    case Logger::access:
        return "tornado.access";
    }
    return "tornado";
}

void set_log_sink(std::function<void(LogRecord const&)> sink) {
    std::lock_guard const lock(output().mutex);
    output().sink = std::move(sink);
}

void set_log_level(LogLevel level) noexcept {
    output().lowest = level;
}

void log(Logger logger, LogLevel level, std::string_view message) noexcept {
    thread_local bool inside = false;
    if (level < output().lowest || inside)
        return;
    inside = true;
    try {
        LogRecord const record{level, logger, message, std::chrono::system_clock::now()};
        std::lock_guard const lock(output().mutex);
        if (output().sink)
            output().sink(record);
        else
            to_standard_error(record);
    } catch (...) {
    }
    inside = false;
}

std::string describe(std::exception_ptr exception) {
    try {
        std::rethrow_exception(std::move(exception));
    } catch (std::exception const& e) {
        return type_name(typeid(e)) + ": " + e.what();
    } catch (...) {
        return type_name(*abi::__cxa_current_exception_type());
    }
}

} // namespace tornado
