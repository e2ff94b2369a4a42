// SPDX-License-Identifier: BSL-1.0
// The line echo of callbacks and of coroutines once more, with a deadline for each read.
#include "tornado/gen.hpp"
#include "tornado/ioloop.hpp"
#include "tornado/tcpserver.hpp"

#include "server.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace {

using namespace tornado;
using namespace std::chrono_literals;

void serve_lines(IOStreamPtr stream) {
    auto& s = *stream;
    auto handle = [stream = std::move(stream)](error_code ec, std::string line) mutable {
        if (ec)
            return;
        stream->write(std::move(line));
        serve_lines(std::move(stream));
    };
    s.read_until("\n", cancel_after(30s, std::move(handle)));
}

asio::awaitable<void> await_lines(IOStreamPtr stream) {
    for (;;)
        co_await stream->write(co_await stream->read_until("\n", cancel_after(30s)));
}

} // namespace

int main(int argc, char** argv) {
    std::string_view const form = argc == 3 ? argv[1] : "";
    if ((form != "callbacks" && form != "coroutines") || std::string_view(argv[2]) != "line") {
        std::fprintf(stderr, "usage: %s callbacks|coroutines line\n", argv[0]);
        return 2;
    }
    bool const awaits = form == "coroutines";
    TCPServer server([=](IOStreamPtr stream, Address const&) -> asio::awaitable<void> {
        if (awaits)
            return await_lines(std::move(stream));
        serve_lines(std::move(stream));
        return {};
    });
    server.listen(0, "127.0.0.1");
    bench::announce(server.addresses().front().port());
    IOLoop::current().start();
}
