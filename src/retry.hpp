// SPDX-License-Identifier: BSL-1.0
// A system call that a signal has interrupted is made again.
#pragma once

#include "tornado/error.hpp"

#include <cerrno>
#include <cstddef>

namespace tornado::detail {

/// What `call` returns when no signal came in between. Not for close(2), which has freed its
/// descriptor by then, nor for connect(2), which goes on by itself.
template <class Call>
auto retry(Call call) {
    auto result = call();
    while (result == -1 && errno == EINTR)
        result = call();
    return result;
}

/// The same for one of Asio's synchronous calls, which tells by `ec` that it was interrupted; the
/// asynchronous ones look after that themselves.
template <class Call>
std::size_t retry(error_code& ec, Call call) {
    auto result = call();
    while (ec.value() == EINTR)
        result = call();
    return result;
}

} // namespace tornado::detail
