// SPDX-License-Identifier: BSL-1.0
// The library without copies of what it reads: views of what was received, which a parser takes
// message by message.
#pragma once

#include "tornado/ioloop.hpp"
#include "tornado/tcpserver.hpp"

#include "server.hpp"

#include <string_view>
#include <utility>

namespace bench {

using namespace tornado;

/// How much of `bytes` is the first whole message; 0 if there is none.
inline std::size_t message(std::string_view bytes, Workload workload) {
    switch (workload.mode) {
    case Mode::line:
        return bytes.find('\n') + 1;
    case Mode::block:
        return bytes.size() < workload.size ? 0 : workload.size;
    default:
        return bytes.size();
    }
}

/// Answers each message that is here with itself.
inline void answer(IOStream& stream, Workload workload) {
    auto const bytes = stream.buffered();
    std::size_t done = 0;
    while (auto const n = message(bytes.substr(done), workload)) {
        if (workload.mode != Mode::sink)
            stream.write(bytes.substr(done, n));
        done += n;
    }
    stream.consume(done);
}

/// Serves until the process is killed; `serve`: (IOStreamPtr, Workload).
template <class Serve>
void run(Workload workload, Serve serve) {
    auto const handle = [=](IOStreamPtr stream, Address const&) {
        return serve(std::move(stream), workload);
    };
    TCPServer server(handle, TCPServerOptions());
    server.listen(0, "127.0.0.1");
    announce(server.addresses().front().port());
    IOLoop::current().start();
}

} // namespace bench
