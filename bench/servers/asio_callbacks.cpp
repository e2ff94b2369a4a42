// SPDX-License-Identifier: BSL-1.0
// Plain Asio, written the usual way with callbacks; what every ratio is a ratio to.
#include "server.hpp"

#include <boost/asio.hpp>

#include <memory>
#include <string>
#include <vector>

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

class Session : public std::enable_shared_from_this<Session> {
public:
    Session(tcp::socket socket, bench::Workload workload)
        : socket_(std::move(socket)), workload_(workload) {
        if (workload_.mode == bench::Mode::block)
            block_.resize(workload_.size);
        else if (workload_.mode != bench::Mode::line)
            block_.resize(bench::usual_buffer);
    }

    void read() {
        auto self = shared_from_this();
        auto received = [self](error_code ec, std::size_t n) {
            if (!ec)
                self->answer(n);
        };
        if (workload_.mode == bench::Mode::line)
            asio::async_read_until(socket_, asio::dynamic_buffer(line_), '\n', received);
        else if (workload_.mode == bench::Mode::block)
            asio::async_read(socket_, asio::buffer(block_), received);
        else
            socket_.async_read_some(asio::buffer(block_), received);
    }

private:
    void answer(std::size_t n) {
        if (workload_.mode == bench::Mode::sink)
            return read();
        bool const line = workload_.mode == bench::Mode::line;
        auto const data = line ? asio::buffer(line_, n) : asio::buffer(block_, n);
        asio::async_write(socket_, data,
                          [self = shared_from_this(), line](error_code ec, std::size_t sent) {
                              if (ec)
                                  return;
                              if (line)
                                  self->line_.erase(0, sent);
                              self->read();
                          });
    }

    tcp::socket socket_;
    bench::Workload workload_;
    std::string line_;
    std::vector<char> block_;
};

void accept(tcp::acceptor& acceptor, bench::Workload workload) {
    acceptor.async_accept([&acceptor, workload](error_code ec, tcp::socket socket) {
        if (!ec) {
            socket.set_option(tcp::no_delay(true));
            std::make_shared<Session>(std::move(socket), workload)->read();
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
