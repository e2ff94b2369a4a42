// SPDX-License-Identifier: BSL-1.0
// The library in Tornado 3's form: a callback for each read, writes that nobody waits for.
#include "tornado/ioloop.hpp"
#include "tornado/tcpserver.hpp"

#include "server.hpp"

using namespace tornado;

namespace {

void serve_lines(IOStreamPtr stream) {
    auto& s = *stream;
    s.read_until("\n", [stream = std::move(stream)](error_code ec, std::string line) mutable {
        if (ec)
            return;
        stream->write(std::move(line));
        serve_lines(std::move(stream));
    });
}

void serve_blocks(IOStreamPtr stream, std::size_t size) {
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
void send_back(IOStreamPtr stream) {
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

void discard(IOStreamPtr stream) {
    auto& s = *stream;
    s.read_bytes(64 * 1024, true,
                 [stream = std::move(stream)](error_code ec, std::string const&) mutable {
                     if (!ec)
                         discard(std::move(stream));
                 });
}

} // namespace

int main(int argc, char** argv) {
    auto const workload = bench::parse(argc, argv);
    TCPServer server([workload](IOStreamPtr stream, Address const&) {
        switch (workload.mode) {
        case bench::Mode::line:
            return serve_lines(std::move(stream));
        case bench::Mode::block:
            return serve_blocks(std::move(stream), workload.size);
        case bench::Mode::stream:
            return send_back(std::move(stream));
        case bench::Mode::sink:
            return discard(std::move(stream));
        }
    });
    server.listen(0, "127.0.0.1");
    bench::announce(server.addresses().front().port());
    IOLoop::current().start();
}
