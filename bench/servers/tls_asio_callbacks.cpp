// SPDX-License-Identifier: BSL-1.0
// Plain Asio over TLS, written the usual way with callbacks; what TLS's ratios are a ratio to.
#include "asio_callbacks.hpp"

#include <boost/asio/ssl.hpp>

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

using Stream = asio::ssl::stream<tcp::socket>;

void accept(tcp::acceptor& acceptor, asio::ssl::context& tls, bench::Workload workload) {
    acceptor.async_accept([&acceptor, &tls, workload](error_code ec, tcp::socket socket) {
        if (!ec) {
            socket.set_option(tcp::no_delay(true));
            auto const session =
                std::make_shared<bench::Session<Stream>>(Stream(std::move(socket), tls), workload);
            session->stream().async_handshake(Stream::server, [session](error_code failure) {
                if (!failure)
                    session->read();
            });
        }
        accept(acceptor, tls, workload);
    });
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
    accept(acceptor, tls, workload);
    bench::announce(acceptor.local_endpoint().port());
    context.run();
}
