// SPDX-License-Identifier: BSL-1.0
// What Beast wants to know of a stream that is none of Asio's: how it ends. Found by the stream's
// namespace.
#pragma once

#include "tornado/iostream.hpp"

#include <boost/asio/append.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/websocket/teardown.hpp>

#include <utility>

namespace tornado {

/// After the closing handshake: what is queued leaves, then the connection ends.
inline void teardown(boost::beast::role_type, IOStream& stream, error_code& ec) {
    stream.close_after_flush();
    ec = {};
}

template <class Handler>
void async_teardown(boost::beast::role_type role, IOStream& stream, Handler&& handler) {
    error_code ec;
    teardown(role, stream, ec);
    asio::post(stream.get_executor(), asio::append(std::forward<Handler>(handler), ec));
}

/// When one of Beast's time-outs has passed.
inline void beast_close_socket(IOStream& stream) {
    stream.close(asio::error::timed_out);
}

} // namespace tornado
