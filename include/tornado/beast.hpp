// SPDX-License-Identifier: BSL-1.0
// What Boost.Beast must be told of a stream so that its WebSocket runs on it: how it ends.
// Optional: no other header includes it, and the library stands without Beast.
#pragma once

#include "tornado/gen.hpp"
#include "tornado/iostream.hpp"

#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/core/role.hpp>

#include <chrono>
#include <concepts>
#include <string>
#include <utility>

namespace tornado {

namespace detail {

struct Teardown {
    BaseIOStream* stream;
    bool begins;

    template <class Self>
    void operator()(Self& self, error_code ec = {}, std::string const& = {}) {
        auto& peer = *stream;
        if (std::exchange(begins, false))
            peer.shutdown_write();
        if (!ec) // what comes after the closing handshake is nobody's
            return peer.read_bytes(64 * 1024, true, std::move(self));
        bool const ended = ec == errc::stream_closed && ec != asio::error::timed_out;
        peer.close(ec);
        self.complete(ended ? error_code() : ec);
    }
};

} // namespace detail

/// Ends the connection after a WebSocket's closing handshake, in the order of RFC 6455, 7.1.1: the
/// server ends its side, each waits for the other's end, and the stream closes. Plain and TLS
/// alike. Beast finds it by the stream's namespace; there is no need to call it.
///
///     beast::websocket::stream<tornado::SSLIOStream&> ws(*stream);
///     co_await ws.async_accept(asio::deferred);
///
/// The stream must outlive the WebSocket, and the WebSocket its operations. `handler`:
/// `void(error_code)`, of any token. A peer that does not end its side within 30 seconds is closed
/// on, with `operation_aborted`, as by a cancellation; Beast's own time-outs, where they are set,
/// come first.
template <std::derived_from<BaseIOStream> Stream, class Handler>
void async_teardown(boost::beast::role_type role, Stream& stream, Handler&& handler) {
    auto token = cancel_after(std::chrono::seconds(30), std::forward<Handler>(handler));
    asio::async_compose<decltype(token), void(error_code)>(
        detail::Teardown{&stream, role == boost::beast::role_type::server}, token, stream);
}

/// The same without waiting, as a stream of ours cannot wait: what is queued leaves, and the rest
/// is done in the background.
template <std::derived_from<BaseIOStream> Stream>
void teardown(boost::beast::role_type, Stream& stream, error_code& ec) {
    stream.close_after_flush();
    ec = {};
}

/// One of Beast's time-outs has passed.
inline void beast_close_socket(BaseIOStream& stream) {
    stream.close(asio::error::timed_out);
}

} // namespace tornado
