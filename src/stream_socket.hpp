// SPDX-License-Identifier: BSL-1.0
// What a stream asks of its socket.
#pragma once

#include "tornado/iostream.hpp"

namespace tornado::detail {

/// False for one that waits for connect().
bool is_connected(IOStream::socket_type& socket);
IOStream::socket_type adopt(asio::any_io_executor executor, Connection connection);

int family_of(int descriptor) noexcept;
/// Empty when the descriptor has none.
Address local_address(int descriptor);
Address remote_address(int descriptor);

} // namespace tornado::detail
