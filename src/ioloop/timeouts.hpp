// SPDX-License-Identifier: BSL-1.0
// A loop's timeouts: ordered by deadline, behind one Asio timer.
#pragma once

#include "ioloop/runner.hpp"
#include "ioloop/time.hpp"

#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace tornado::detail {

class Timeouts : public std::enable_shared_from_this<Timeouts> {
public:
    /// Deadline, and a number that is unique in the process.
    using Key = std::pair<Clock::time_point, std::uint64_t>;

    Timeouts(asio::io_context& context, std::shared_ptr<CallbackRunner> runner);

    Key add(Clock::time_point deadline, Callback callback);
    void remove(Key const& key);
    /// Drops all; what is added later is dropped too.
    void close();
    bool closed() const noexcept { return !timer_; }

private:
    void arm();
    void fire();

    std::shared_ptr<CallbackRunner> runner_;
    std::optional<asio::steady_timer> timer_; // empty: closed
    bool armed_ = false;
    std::map<Key, Callback> waiting_;
    std::map<Key, Callback> due_; // of the pass under way; apart, so that it can end
};

} // namespace tornado::detail
