// SPDX-License-Identifier: BSL-1.0
// The sink behind the loggers, and Tornado's line format on standard error.
#include "tornado/log.hpp"

#include "log_sink.hpp"

#include <boost/asio/multiple_exceptions.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
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

/// A write in its scope raises no signal: neither SIGPIPE when the reader has gone, nor SIGTTOU
/// when a terminal is not for jobs in the background.
class WithoutSignals {
public:
    WithoutSignals() noexcept {
        ::sigemptyset(&broken_pipe_);
        ::sigaddset(&broken_pipe_, SIGPIPE);
        sigset_t both = broken_pipe_;
        ::sigaddset(&both, SIGTTOU);
        ::pthread_sigmask(SIG_BLOCK, &both, &former_);
        was_pending_ = is_pending();
    }
    WithoutSignals(WithoutSignals const&) = delete;
    WithoutSignals& operator=(WithoutSignals const&) = delete;
    ~WithoutSignals() {
        timespec const at_once{};
        if (!was_pending_ && is_pending())
            while (::sigtimedwait(&broken_pipe_, nullptr, &at_once) < 0 && errno == EINTR) {
            }
        ::pthread_sigmask(SIG_SETMASK, &former_, nullptr);
    }

private:
    static bool is_pending() noexcept {
        sigset_t pending;
        ::sigpending(&pending);
        return ::sigismember(&pending, SIGPIPE) == 1;
    }

    sigset_t broken_pipe_;
    sigset_t former_;
    bool was_pending_;
};

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

namespace detail {

std::function<void(LogRecord const&)>
exchange_log_sink(std::function<void(LogRecord const&)> sink) {
    std::lock_guard const lock(output().mutex);
    return std::exchange(output().sink, std::move(sink));
}

LogLevel exchange_log_level(LogLevel level) noexcept {
    return output().lowest.exchange(level);
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
    WithoutSignals const quiet;
    std::fwrite(line.data(), 1, line.size(), stderr);
}

} // namespace detail

void set_log_sink(std::function<void(LogRecord const&)> sink) {
    detail::exchange_log_sink(std::move(sink));
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
            detail::to_standard_error(record);
    } catch (...) {
    }
    inside = false;
}

std::string describe(std::exception_ptr exception) {
    try {
        std::rethrow_exception(std::move(exception));
    } catch (boost::asio::multiple_exceptions const& e) {
        return type_name(typeid(e)) + ": the first is " + describe(e.first_exception());
    } catch (std::exception const& e) {
        return type_name(typeid(e)) + ": " + e.what();
    } catch (...) {
        return type_name(*abi::__cxa_current_exception_type());
    }
}

} // namespace tornado
