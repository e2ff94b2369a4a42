// SPDX-License-Identifier: BSL-1.0
// Runs a loop that should stop by itself, and fails the test if it does not.
#pragma once

#include "tornado/ioloop.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>

namespace tornado::test {

/// start(), for half a minute at most.
inline void run_bounded(IOLoop& loop) {
    auto const limit = loop.call_later(std::chrono::seconds(30), [&loop] {
        BOOST_ERROR("the loop was not stopped");
        loop.stop();
    });
    loop.start();
    loop.remove_timeout(limit);
}

/// One iteration: what is queued now, and nothing that it adds.
inline void run_once(IOLoop& loop) {
    loop.stop();
    loop.start();
}

} // namespace tornado::test
