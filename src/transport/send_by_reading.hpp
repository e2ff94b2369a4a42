// SPDX-License-Identifier: BSL-1.0
// Sends a file where the kernel cannot do so by itself.
#pragma once

#include "transport/transport.hpp"

#include <cstdint>
#include <sys/types.h>

namespace tornado::detail {

/// Transport::send_file by way of a block of memory. The file is read on the loop, which waits for
/// the disk if need be, as sendfile(2) does. What was read and not taken is read again in the next
/// call.
std::size_t send_by_reading(Transport& transport, int file, std::uint64_t offset, std::size_t count,
                            error_code& ec);

/// The end of Transport::send_file by sendfile(2) or splice(2), of which `result` and errno are. By
/// reading after all, if they do not know the kind of file system.
std::size_t sent_or_by_reading(ssize_t result, Transport& transport, int file, std::uint64_t offset,
                               std::size_t count, error_code& ec);

} // namespace tornado::detail
