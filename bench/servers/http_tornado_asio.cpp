// SPDX-License-Identifier: BSL-1.0
// The same Beast session on the library's stream.
#include "tornado/ioloop.hpp"
#include "tornado/tcpserver.hpp"

#include "http_session.hpp"
#include "server.hpp"

using namespace tornado;

int main() {
    TCPServer server([](IOStreamPtr stream, Address const&) -> asio::awaitable<void> {
        co_await bench::serve_http(*stream);
    });
    server.listen(0, "127.0.0.1");
    bench::announce(server.addresses().front().port());
    IOLoop::current().start();
}
