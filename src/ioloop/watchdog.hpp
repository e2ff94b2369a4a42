// SPDX-License-Identifier: BSL-1.0
// A thread that asks a running loop for an answer again and again, and logs when it has to wait for
// it.
#pragma once

#include "ioloop/time.hpp"

#include <boost/asio/io_context.hpp>

#include <memory>
#include <thread>

namespace tornado::detail {

class Watchdog {
public:
    /// The longest that the loop took to answer; only touched by the thread that runs it.
    using Longest = std::shared_ptr<Clock::duration>;

    /// `context` is being run, and goes on existing until the watchdog is destroyed.
    Watchdog(boost::asio::io_context& context, Clock::duration threshold, Longest longest);
    Watchdog(Watchdog const&) = delete;
    Watchdog& operator=(Watchdog const&) = delete;
    ~Watchdog();

private:
    struct State;

    std::shared_ptr<State> state_;
    std::thread thread_;
};

} // namespace tornado::detail
