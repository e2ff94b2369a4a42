// SPDX-License-Identifier: BSL-1.0
// A system call that a signal has interrupted is made again.
#pragma once

#include <cerrno>

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

} // namespace tornado::detail
