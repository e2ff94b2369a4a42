// SPDX-License-Identifier: BSL-1.0
// An echo server with callbacks: Tornado 3's form.
#include <tornado.hpp>

#include "settings.hpp"

#include <memory>
#include <string>
#include <utility>

namespace asio = boost::asio;

class EchoConnection : public std::enable_shared_from_this<EchoConnection> {
public:
    explicit EchoConnection(tornado::IOStreamPtr stream) : stream_(std::move(stream)) {}

    void read_line() {
        stream_->read_until("\n", [self = shared_from_this()](auto ec, std::string line) {
            if (!ec)
                self->send_back(std::move(line));
        });
    }

private:
    void send_back(std::string line) {
        stream_->write(std::move(line), [self = shared_from_this()](auto ec) {
            if (!ec)
                self->read_line();
        });
    }

    tornado::IOStreamPtr stream_;
};

class EchoServer : public tornado::TCPServer {
    using TCPServer::TCPServer;

    asio::awaitable<void> handle_stream(tornado::IOStreamPtr stream, tornado::Address) override {
        std::make_shared<EchoConnection>(std::move(stream))->read_line();
        return {};
    }
};

int main(int argc, char** argv) {
    return example::run("echo_callbacks", [&] {
        Settings settings;
        if (!settings.read("echo_callbacks", "sends every line back, by callbacks", argc, argv))
            return;
        tornado::IOLoop loop;
        EchoServer server(loop, settings.limits);
        example::serve(loop, server, settings.place, "tcp");
    });
}
