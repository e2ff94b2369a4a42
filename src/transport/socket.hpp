// SPDX-License-Identifier: BSL-1.0
// Carries a stream's bytes over a TCP or Unix stream socket.
#pragma once

#include "transport/transport.hpp"

#include <boost/asio/generic/stream_protocol.hpp>

#include <memory>

namespace tornado::detail {

/// Sets the socket non-blocking, if it is open. Throws system_error when the descriptor is no
/// socket.
std::unique_ptr<Transport> make_socket_transport(asio::generic::stream_protocol::socket socket);
/// Owns `descriptor`, an open socket, from the call on: closes it, too, when it throws system_error
/// because Asio cannot take it.
std::unique_ptr<Transport> make_socket_transport(asio::any_io_executor const& executor,
                                                 asio::generic::stream_protocol protocol,
                                                 int descriptor);

} // namespace tornado::detail
