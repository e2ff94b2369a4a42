// SPDX-License-Identifier: BSL-1.0
// Plain Asio, written the usual way with coroutines.
#include "asio_coroutines.hpp"

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

asio::awaitable<void> accept(tcp::acceptor& acceptor, bench::Workload workload) {
    for (;;) {
        auto socket = co_await acceptor.async_accept(asio::use_awaitable);
        socket.set_option(tcp::no_delay(true));
        asio::co_spawn(acceptor.get_executor(), bench::serve(std::move(socket), workload),
                       asio::detached);
    }
}

} // namespace

int main(int argc, char** argv) {
    auto const workload = bench::parse(argc, argv);
    asio::io_context context(1);
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    asio::co_spawn(context, accept(acceptor, workload), asio::detached);
    bench::announce(acceptor.local_endpoint().port());
    context.run();
}
