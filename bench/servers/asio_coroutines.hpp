// SPDX-License-Identifier: BSL-1.0
// A session of plain Asio, written the usual way with coroutines, over a socket or over TLS.
#pragma once

#include "server.hpp"

#include <boost/asio.hpp>

#include <string>
#include <vector>

namespace bench {

namespace asio = boost::asio;

template <class Stream>
asio::awaitable<void> serve_lines(Stream stream) {
    std::string data;
    for (;;) {
        auto const n = co_await asio::async_read_until(stream, asio::dynamic_buffer(data), '\n',
                                                       asio::use_awaitable);
        co_await asio::async_write(stream, asio::buffer(data, n), asio::use_awaitable);
        data.erase(0, n);
    }
}

template <class Stream>
asio::awaitable<void> serve_blocks(Stream stream, std::size_t size) {
    std::vector<char> block(size);
    for (;;) {
        co_await asio::async_read(stream, asio::buffer(block), asio::use_awaitable);
        co_await asio::async_write(stream, asio::buffer(block), asio::use_awaitable);
    }
}

template <class Stream>
asio::awaitable<void> serve_stream(Stream stream, bool send_back) {
    std::vector<char> data(usual_buffer);
    for (;;) {
        auto const n = co_await stream.async_read_some(asio::buffer(data), asio::use_awaitable);
        if (send_back)
            co_await asio::async_write(stream, asio::buffer(data, n), asio::use_awaitable);
    }
}

/// Answers until the peer ends, which is an exception.
template <class Stream>
asio::awaitable<void> serve(Stream stream, Workload workload) {
    switch (workload.mode) {
    case Mode::line:
        return serve_lines(std::move(stream));
    case Mode::block:
        return serve_blocks(std::move(stream), workload.size);
    case Mode::stream:
        return serve_stream(std::move(stream), true);
    case Mode::sink:
        return serve_stream(std::move(stream), false);
    }
    return {};
}

} // namespace bench
