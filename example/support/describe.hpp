// SPDX-License-Identifier: BSL-1.0
// kill -USR1: what is this program waiting for?
#pragma once

#include "tornado/ioloop.hpp"

#include <csignal>
#include <iostream>

namespace example {

/// While it lives, SIGUSR1 prints the loop's description on standard error.
class DescribeOnSignal {
public:
    explicit DescribeOnSignal(tornado::IOLoop& loop) : loop_(loop) {
        loop.add_signal_handler(SIGUSR1, [&loop] { std::cerr << loop.describe(); });
    }
    DescribeOnSignal(DescribeOnSignal const&) = delete;
    DescribeOnSignal& operator=(DescribeOnSignal const&) = delete;
    ~DescribeOnSignal() { loop_.remove_signal_handler(SIGUSR1); }

private:
    tornado::IOLoop& loop_;
};

} // namespace example
