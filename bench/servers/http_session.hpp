// SPDX-License-Identifier: BSL-1.0
// One HTTP connection written with Beast the usual way, over whatever stream it is given.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/system/system_error.hpp>

namespace bench {

/// Answers every request with a small text until the peer ends.
template <class Stream>
boost::asio::awaitable<void> serve_http(Stream& stream) {
    namespace http = boost::beast::http;
    boost::beast::flat_buffer buffer;
    try {
        for (;;) {
            http::request<http::string_body> request;
            co_await http::async_read(stream, buffer, request, boost::asio::use_awaitable);
            http::response<http::string_body> response(http::status::ok, request.version());
            response.set(http::field::server, "bench");
            response.set(http::field::content_type, "text/plain");
            response.keep_alive(request.keep_alive());
            response.body() = "Hello, world!\n";
            response.prepare_payload();
            co_await http::async_write(stream, response, boost::asio::use_awaitable);
        }
    } catch (boost::system::system_error const&) { // the peer has gone
    }
}

} // namespace bench
