// SPDX-License-Identifier: BSL-1.0
// The server's view of itself: samples at a steady pace, sent to the browsers that watch.
#pragma once

#include "tornado/iostream.hpp"
#include "tornado/tcpserver.hpp"

#include "latency.hpp"

#include <chrono>
#include <deque>
#include <list>
#include <string>

namespace demo {

/// Counts requests, and tells what they add up to as server-sent events (one `data:` line of JSON
/// a sample). A watcher that does not read misses samples, and holds up nothing.
class Live {
public:
    using clock = std::chrono::steady_clock;

    /// One request was answered.
    void count(clock::duration took) noexcept;
    std::uint64_t requests() const noexcept { return requests_; }
    /// Makes a sample of what happened since the last one, and sends it.
    void sample(tornado::TCPServerStats const& stats);
    /// Closes the streams that watch: an event stream has no end of its own.
    void end();

    /// A stream that gets what has been sampled lately and all samples to come, as long as this
    /// object lives. Its answer's head must have been written.
    class Watcher {
    public:
        Watcher(Live& live, tornado::IOStream& stream);
        Watcher(Watcher const&) = delete;
        Watcher& operator=(Watcher const&) = delete;
        ~Watcher();

    private:
        Live& live_;
        std::list<tornado::IOStream*>::iterator position_;
    };

private:
    std::list<tornado::IOStream*> watchers_;
    std::deque<std::string> samples_; // the latest, as they were sent
    Latencies latencies_;
    std::uint64_t requests_ = 0;
    clock::time_point began_ = clock::now();
    clock::time_point last_ = began_;
    tornado::TCPServerStats last_stats_;
};

} // namespace demo
