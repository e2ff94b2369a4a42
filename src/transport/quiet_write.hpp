// SPDX-License-Identifier: BSL-1.0
// Writes to a pipe of which a missing reader is an error, and never SIGPIPE.
#pragma once

#include <cstddef>
#include <sys/types.h>
#include <sys/uio.h>

namespace tornado::detail {

/// writev(2), with the result and errno of that.
ssize_t quiet_write(int fd, iovec const* buffers, std::size_t count) noexcept;

/// The same where Linux is older than 6.18: keeps the signal from this thread during the call.
ssize_t quiet_write_by_mask(int fd, iovec const* buffers, std::size_t count) noexcept;

} // namespace tornado::detail
