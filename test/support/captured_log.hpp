// SPDX-License-Identifier: BSL-1.0
// Takes the log for the length of a scope, so that a test can look at its lines.
#pragma once

#include "tornado/log.hpp"

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

namespace tornado::test {

class CapturedLog {
public:
    CapturedLog() {
        set_log_sink([this](LogRecord const& record) {
            std::lock_guard const lock(mutex_);
            lines_.emplace_back(record.message);
        });
    }
    CapturedLog(CapturedLog const&) = delete;
    CapturedLog& operator=(CapturedLog const&) = delete;
    ~CapturedLog() { set_log_sink({}); }

    std::vector<std::string> lines() const {
        std::lock_guard const lock(mutex_);
        return lines_;
    }

    /// How many lines contain `text`.
    std::ptrdiff_t count(std::string const& text) const {
        auto const all = lines();
        return std::count_if(all.begin(), all.end(), [&](std::string const& line) {
            return line.find(text) != std::string::npos;
        });
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> lines_;
};

} // namespace tornado::test
