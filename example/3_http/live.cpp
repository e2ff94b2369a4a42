// SPDX-License-Identifier: BSL-1.0
// Samples are text from the beginning: each is made once, and sent to many.
#include "live.hpp"

#include <cstdio>
#include <fstream>
#include <unistd.h>
#include <utility>

namespace demo {
namespace {

constexpr std::size_t max_samples = 240;

double resident_megabytes() {
    std::ifstream statm("/proc/self/statm");
    double total = 0;
    double resident = 0;
    statm >> total >> resident;
    return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

double milliseconds(std::chrono::nanoseconds time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

} // namespace

void Live::count(clock::duration took) noexcept {
    ++requests_;
    latencies_.add(took);
}

void Live::sample(tornado::TCPServerStats const& stats) {
    auto const now = clock::now();
    auto const seconds = std::chrono::duration<double>(now - std::exchange(last_, now)).count();
    auto const rate = [seconds](std::uint64_t after, std::uint64_t before) {
        return static_cast<double>(after - before) / seconds;
    };
    auto const percentile = [this](double share) {
        if (latencies_.count() == 0)
            return std::string("null");
        char text[32];
        std::snprintf(text, sizeof text, "%.4f", milliseconds(latencies_.percentile(share)));
        return std::string(text);
    };
    char text[512];
    auto const size = std::snprintf(
        text, sizeof text,
        "data: {\"uptime\":%.1f,\"connections\":%zu,\"accepted\":%llu,\"requests\":%llu,"
        "\"rate\":%.1f,\"p50\":%s,\"p90\":%s,\"p99\":%s,\"memory\":%.2f,\"in\":%.0f,"
        "\"out\":%.0f}\n\n",
        std::chrono::duration<double>(now - began_).count(), stats.active,
        static_cast<unsigned long long>(stats.accepted), static_cast<unsigned long long>(requests_),
        static_cast<double>(latencies_.count()) / seconds, percentile(0.5).c_str(),
        percentile(0.9).c_str(), percentile(0.99).c_str(), resident_megabytes(),
        rate(stats.bytes_in, last_stats_.bytes_in), rate(stats.bytes_out, last_stats_.bytes_out));
    last_stats_ = stats;
    latencies_.clear();

    auto const& latest = samples_.emplace_back(text, static_cast<std::size_t>(size));
    if (samples_.size() > max_samples)
        samples_.pop_front();
    for (auto* const stream : watchers_)
        if (!stream->writing())
            stream->write(std::string_view(latest));
}

void Live::end() {
    for (auto* const stream : watchers_)
        stream->close();
}

Live::Watcher::Watcher(Live& live, tornado::IOStream& stream)
    : live_(live), position_(live.watchers_.insert(live.watchers_.end(), &stream)) {
    std::string all;
    for (auto const& sample : live.samples_)
        all += sample;
    stream.write(std::move(all));
}

Live::Watcher::~Watcher() {
    live_.watchers_.erase(position_);
}

} // namespace demo
