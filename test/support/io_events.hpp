// SPDX-License-Identifier: BSL-1.0
// A context, and the record of what happened on it.
#pragma once

#include "support/events.hpp"
#include "support/io.hpp"

#include <string>

namespace tornado::test {

struct IoEvents : Io {
    Events events;

    /// What has happened once all that can happen now has.
    std::string now() {
        poll();
        return events.take();
    }

    /// The same, once it is as long as what is expected.
    std::string later(std::string const& expected) {
        std::string all;
        run_until([&] {
            if (auto const some = events.take(); !some.empty())
                all += (all.empty() ? "" : ", ") + some;
            return all.size() >= expected.size();
        });
        return all;
    }
};

} // namespace tornado::test
