// SPDX-License-Identifier: BSL-1.0
// Plain Asio, written the usual way with coroutines.
#include "server.hpp"

#include <boost/asio.hpp>

#include <string>
#include <vector>

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

asio::awaitable<void> serve_lines(tcp::socket socket) {
    std::string data;
    for (;;) {
        auto const n = co_await asio::async_read_until(socket, asio::dynamic_buffer(data), '\n',
                                                       asio::use_awaitable);
        co_await asio::async_write(socket, asio::buffer(data, n), asio::use_awaitable);
        data.erase(0, n);
    }
}

asio::awaitable<void> serve_blocks(tcp::socket socket, std::size_t size) {
    std::vector<char> block(size);
    for (;;) {
        co_await asio::async_read(socket, asio::buffer(block), asio::use_awaitable);
        co_await asio::async_write(socket, asio::buffer(block), asio::use_awaitable);
    }
}

asio::awaitable<void> serve_stream(tcp::socket socket, bool send_back) {
    std::vector<char> data(bench::usual_buffer);
    for (;;) {
        auto const n = co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
        if (send_back)
            co_await asio::async_write(socket, asio::buffer(data, n), asio::use_awaitable);
    }
}

asio::awaitable<void> serve(tcp::socket socket, bench::Workload workload) {
    switch (workload.mode) {
    case bench::Mode::line:
        return serve_lines(std::move(socket));
    case bench::Mode::block:
        return serve_blocks(std::move(socket), workload.size);
    case bench::Mode::stream:
        return serve_stream(std::move(socket), true);
    case bench::Mode::sink:
        return serve_stream(std::move(socket), false);
    }
    return {};
}

asio::awaitable<void> accept(tcp::acceptor& acceptor, bench::Workload workload) {
    for (;;) {
        auto socket = co_await acceptor.async_accept(asio::use_awaitable);
        socket.set_option(tcp::no_delay(true));
        asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), workload), asio::detached);
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
