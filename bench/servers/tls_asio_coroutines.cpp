// SPDX-License-Identifier: BSL-1.0
// Plain Asio over TLS, written the usual way with coroutines.
#include "asio_coroutines.hpp"

#include <boost/asio/ssl.hpp>

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

using Stream = asio::ssl::stream<tcp::socket>;

asio::awaitable<void> serve(Stream stream, bench::Workload workload) {
    co_await stream.async_handshake(Stream::server, asio::use_awaitable);
    co_await bench::serve(std::move(stream), workload);
}

asio::awaitable<void> accept(tcp::acceptor& acceptor, asio::ssl::context& tls,
                             bench::Workload workload) {
    for (;;) {
        auto socket = co_await acceptor.async_accept(asio::use_awaitable);
        socket.set_option(tcp::no_delay(true));
        asio::co_spawn(acceptor.get_executor(), serve(Stream(std::move(socket), tls), workload),
                       asio::detached);
    }
}

} // namespace

int main(int argc, char** argv) {
    asio::ssl::context tls(asio::ssl::context::tls_server);
    auto const certificate = bench::take_certificate(argc, argv);
    tls.use_certificate_chain_file(certificate);
    tls.use_private_key_file(certificate, asio::ssl::context::pem);
    auto const workload = bench::parse(argc, argv);
    asio::io_context context(1);
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    asio::co_spawn(context, accept(acceptor, tls, workload), asio::detached);
    bench::announce(acceptor.local_endpoint().port());
    context.run();
}
