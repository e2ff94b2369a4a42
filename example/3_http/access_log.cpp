// SPDX-License-Identifier: BSL-1.0
// With pipelining, a write for each line would cost more than the requests do.
#include "access_log.hpp"

#include "tornado/log.hpp"

#include <charconv>
#include <cstdio>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace demo {
namespace {

using tornado::Logger;
using tornado::LogLevel;
using tornado::LogRecord;

constexpr std::size_t max_collected = 64 * 1024;

class Collector {
public:
    explicit Collector(tornado::IOLoop& loop) : loop_(loop) {}

    void add(LogRecord const& record) {
        std::lock_guard const lock(mutex_);
        auto const seconds = std::chrono::system_clock::to_time_t(record.time);
        if (seconds != last_) {
            last_ = seconds;
            std::tm local{};
            ::localtime_r(&seconds, &local);
            std::strftime(date_, sizeof date_, "%y%m%d %H:%M:%S", &local);
        }
        lines_.append("[").append(1, "DIWE"[static_cast<int>(record.level)]).append(" ");
        lines_.append(date_).append(" ").append(tornado::logger_name(record.logger)).append("] ");
        lines_.append(record.message).append("\n");
        if (lines_.size() > max_collected || record.logger != Logger::access)
            write_all();
        else if (!std::exchange(scheduled_, true))
            loop_.add_callback([this] { write(); });
    }

    void write() {
        std::lock_guard const lock(mutex_);
        scheduled_ = false;
        write_all();
    }

private:
    void write_all() {
        std::fwrite(lines_.data(), 1, lines_.size(), stderr);
        lines_.clear();
    }

    tornado::IOLoop& loop_;
    std::mutex mutex_;
    std::string lines_;
    bool scheduled_ = false;
    std::time_t last_ = 0;
    char date_[32] = "";
};

std::unique_ptr<Collector> collector;

LogLevel level_of(http::status status) {
    auto const number = static_cast<unsigned>(status);
    return number < 400 ? LogLevel::info : number < 500 ? LogLevel::warning : LogLevel::error;
}

} // namespace

void log_access(http::status status, Request const& request, std::string_view peer,
                std::chrono::nanoseconds took) {
    static std::string line; // keeps its memory; the loop's thread is the only one here
    line.clear();
    char number[32];
    auto* end = std::to_chars(number, number + sizeof number, static_cast<unsigned>(status)).ptr;
    line.append(number, end);
    for (auto const* word : {&request.method_name, &request.target})
        line.append(" ").append(word->empty() ? "-" : *word);
    line.append(" (").append(peer).append(") ");
    auto const milliseconds = std::chrono::duration<double, std::milli>(took).count();
    end = std::to_chars(number, number + sizeof number, milliseconds, std::chars_format::fixed, 2)
              .ptr;
    line.append(number, end).append("ms");
    tornado::log(Logger::access, level_of(status), line);
}

void collect_log_lines(tornado::IOLoop& loop) {
    collector = std::make_unique<Collector>(loop);
    tornado::set_log_sink([](LogRecord const& record) { collector->add(record); });
}

void stop_collecting_log_lines() {
    tornado::set_log_sink({});
    collector->write();
}

} // namespace demo
