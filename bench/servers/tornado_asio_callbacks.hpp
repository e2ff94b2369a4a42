// SPDX-License-Identifier: BSL-1.0
// The library in Tornado 3's form: a callback for each read, writes that nobody waits
// for; over TCP or TLS.
#pragma once

#include "tornado/ioloop.hpp"
#include "tornado/tcpserver.hpp"

#include "server.hpp"

#include <string>
#include <utility>

namespace bench {

using namespace tornado;

inline void serve_lines(IOStreamPtr stream) {
    auto& s = *stream;
    s.read_until("\n", [stream = std::move(stream)](error_code ec, std::string line) mutable {
        if (ec)
            return;
        stream->write(std::move(line));
        serve_lines(std::move(stream));
    });
}

inline void serve_blocks(IOStreamPtr stream, std::size_t size) {
    auto& s = *stream;
    s.read_bytes(size,
                 [stream = std::move(stream), size](error_code ec, std::string block) mutable {
                     if (ec)
                         return;
                     stream->write(std::move(block));
                     serve_blocks(std::move(stream), size);
                 });
}

// Waits for its writes, so that a peer who does not read is not read from either.
inline void send_back(IOStreamPtr stream) {
    auto& s = *stream;
    s.read_bytes(64 * 1024, true,
                 [stream = std::move(stream)](error_code ec, std::string data) mutable {
                     if (ec)
                         return;
                     auto& written = *stream;
                     written.write(std::move(data),
                                   [stream = std::move(stream)](error_code failure) mutable {
                                       if (!failure)
                                           send_back(std::move(stream));
                                   });
                 });
}

inline void discard(IOStreamPtr stream) {
    auto& s = *stream;
    s.read_bytes(64 * 1024, true,
                 [stream = std::move(stream)](error_code ec, std::string const&) mutable {
                     if (!ec)
                         discard(std::move(stream));
                 });
}

inline void serve(IOStreamPtr stream, Workload workload) {
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
