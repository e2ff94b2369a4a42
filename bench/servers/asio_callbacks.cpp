// SPDX-License-Identifier: BSL-1.0
// Plain Asio, written the usual way with callbacks; what every ratio is a ratio to.
#include "asio_callbacks.hpp"

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

void accept(tcp::acceptor& acceptor, bench::Workload workload) {
    acceptor.async_accept([&acceptor, workload](error_code ec, tcp::socket socket) {
        if (!ec) {
            socket.set_option(tcp::no_delay(true));
            std::make_shared<bench::Session<tcp::socket>>(std::move(socket), workload)->read();
        }
        accept(acceptor, workload);
    });
}

} // namespace

int main(int argc, char** argv) {
    auto const workload = bench::parse(argc, argv);
    asio::io_context context(1);
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    accept(acceptor, workload);
    bench::announce(acceptor.local_endpoint().port());
    context.run();
}
