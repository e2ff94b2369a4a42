// SPDX-License-Identifier: BSL-1.0
// The library in Tornado 6's form: a coroutine for each connection, which awaits every write.
#include "tornado/ioloop.hpp"
#include "tornado/tcpserver.hpp"

#include "server.hpp"

using namespace tornado;

namespace {

asio::awaitable<void> serve_lines(IOStreamPtr stream) {
    for (;;)
        co_await stream->write(co_await stream->read_until("\n"));
}

asio::awaitable<void> serve_blocks(IOStreamPtr stream, std::size_t size) {
    for (;;)
        co_await stream->write(co_await stream->read_bytes(size));
}

asio::awaitable<void> send_back(IOStreamPtr stream) {
    for (;;)
        co_await stream->write(co_await stream->read_bytes(64 * 1024, true));
}

asio::awaitable<void> discard(IOStreamPtr stream) {
    for (;;)
        co_await stream->read_bytes(64 * 1024, true);
}

} // namespace

int main(int argc, char** argv) {
    auto const workload = bench::parse(argc, argv);
    TCPServer server([workload](IOStreamPtr stream, Address const&) -> asio::awaitable<void> {
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
        return {};
    });
    server.listen(0, "127.0.0.1");
    bench::announce(server.addresses().front().port());
    IOLoop::current().start();
}
