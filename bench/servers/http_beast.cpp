// SPDX-License-Identifier: BSL-1.0
// Beast on a raw Asio socket.
#include "http_session.hpp"
#include "server.hpp"

#include <boost/asio.hpp>

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

asio::awaitable<void> serve(tcp::socket socket) {
    co_await bench::serve_http(socket);
}

asio::awaitable<void> accept(tcp::acceptor& acceptor) {
    for (;;) {
        auto socket = co_await acceptor.async_accept(asio::use_awaitable);
        socket.set_option(tcp::no_delay(true));
        asio::co_spawn(acceptor.get_executor(), serve(std::move(socket)), asio::detached);
    }
}

} // namespace

int main() {
    asio::io_context context(1);
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    asio::co_spawn(context, accept(acceptor), asio::detached);
    bench::announce(acceptor.local_endpoint().port());
    context.run();
}
