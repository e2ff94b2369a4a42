// SPDX-License-Identifier: BSL-1.0
// A resolver of this library that asks one that is written in Python.
#pragma once

#include "tornado/resolver.hpp"

#include "loop.hpp"

namespace beneath {

class PythonResolver : public Resolver {
public:
    /// `look_up(host, port, family, done)` calls `done(failed, [(family, address), ...])`.
    PythonResolver(Loop& loop, py::object look_up);

protected:
    void look_up(std::string host, std::uint16_t port, int family, Completion completion) override;

private:
    Callable look_up_;
};

} // namespace beneath
