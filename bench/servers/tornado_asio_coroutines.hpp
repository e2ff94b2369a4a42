// SPDX-License-Identifier: BSL-1.0
// The library in Tornado 6's form: a coroutine for each connection, which awaits every
// write; over TCP or TLS.
#pragma once

#include "tornado/ioloop.hpp"
#include "tornado/tcpserver.hpp"

#include "server.hpp"

#include <utility>

namespace bench {

using namespace tornado;

inline asio::awaitable<void> serve_lines(IOStreamPtr stream) {
    for (;;)
        co_await stream->write(co_await stream->read_until("\n"));
}

inline asio::awaitable<void> serve_blocks(IOStreamPtr stream, std::size_t size) {
    for (;;)
        co_await stream->write(co_await stream->read_bytes(size));
}

inline asio::awaitable<void> send_back(IOStreamPtr stream) {
    for (;;)
        co_await stream->write(co_await stream->read_bytes(64 * 1024, true));
}

inline asio::awaitable<void> discard(IOStreamPtr stream) {
    for (;;)
        co_await stream->read_bytes(64 * 1024, true);
}

inline asio::awaitable<void> serve(IOStreamPtr stream, Workload workload) {
    switch (workload.mode) {
    case Mode::line:
        return serve_lines(std::move(stream));
    case Mode::block:
        return serve_blocks(std::move(stream), workload.size);
    case Mode::stream:
        return send_back(std::move(stream));
    case Mode::sink:
        return discard(std::move(stream));
    }
    return {};
}

/// Serves until the process is killed.
inline void run(Workload workload, TCPServerOptions options) {
    auto const handle = [workload](IOStreamPtr stream, Address const&) {
        return serve(std::move(stream), workload);
    };
    TCPServer server(handle, std::move(options));
    server.listen(0, "127.0.0.1");
    announce(server.addresses().front().port());
    IOLoop::current().start();
}

} // namespace bench
