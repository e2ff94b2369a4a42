// SPDX-License-Identifier: BSL-1.0
// What most servers of the tests do.
#pragma once

#include "tornado/iostream.hpp"

#include <boost/asio/awaitable.hpp>

namespace tornado::test {

/// Each line that comes, back again, until the end.
inline asio::awaitable<void> echo(IOStreamPtr stream, Address) {
    for (;;)
        co_await stream->write(co_await stream->read_until("\n"));
}

} // namespace tornado::test
