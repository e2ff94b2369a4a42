// SPDX-License-Identifier: BSL-1.0
// Handlers that must be destroyed without having been called.
#pragma once

#include <boost/test/unit_test.hpp>

#include <memory>

namespace tornado::test {

class Uncalled {
public:
    /// A handler of any operation, and any callback.
    auto handler() const {
        return [held = held_](auto const&...) {
            BOOST_ERROR("a handler was called after the end of its context");
        };
    }
    /// How many exist.
    long left() const { return held_.use_count() - 1; }

private:
    std::shared_ptr<int> held_ = std::make_shared<int>();
};

} // namespace tornado::test
