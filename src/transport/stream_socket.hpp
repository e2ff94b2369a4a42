// SPDX-License-Identifier: BSL-1.0
// What a stream asks of its socket.
#pragma once

#include "transport/socket.hpp"

namespace tornado::detail {

/// False for one that waits for connect().
bool is_connected(asio::generic::stream_protocol::socket& socket);

int family_of(int descriptor) noexcept;
/// Empty, of the family AF_UNSPEC, when the descriptor has none.
Transport::Endpoint local_endpoint(int descriptor);
Transport::Endpoint remote_endpoint(int descriptor);

} // namespace tornado::detail
