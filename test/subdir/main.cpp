// SPDX-License-Identifier: BSL-1.0
// A program that uses every class of the library: a shared one must show them all, with their
// types.
#include <tornado.hpp>

#include "../install/plugin.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

void require(bool what, char const* text) {
    if (!what)
        throw std::runtime_error(text);
}

class Echo : public tornado::TCPServer {
    using TCPServer::TCPServer;

    asio::awaitable<void> handle_stream(tornado::IOStreamPtr stream, tornado::Address) override {
        return serve(std::move(stream));
    }
    static asio::awaitable<void> serve(tornado::IOStreamPtr stream) {
        for (;;)
            co_await stream->write(co_await stream->read_until("\n"));
    }
};

class Names : public tornado::Resolver {
    using Resolver::Resolver;

    void look_up(std::string, std::uint16_t port, int, Completion completion) override {
        completion({}, {tornado::Address("127.0.0.1", port)});
    }
};

asio::awaitable<void> talk(tornado::IOLoop& loop, tornado::Address const& server) {
    Names names(loop);
    tornado::OverrideResolver resolver(names, {{"other", "server"}});
    tornado::TCPClient client(loop, &resolver);
    auto const stream = co_await client.connect("other", server.port());
    stream->write("hello\n");
    auto const line = co_await stream->read_until("\n", tornado::cancel_after(10s));
    require(line == "hello\n", "the echo");
    auto const sum = co_await loop.run_in_executor(nullptr, [] { return 1 + 1; });
    require(sum == 2, "a call on another thread");

    stream->close();
    bool caught = false;
    try {
        static_cast<void>(co_await stream->read_until("\n"));
    } catch (tornado::system_error const& e) {
        caught =
            e.code() == tornado::error::stream_closed && e.code() == tornado::errc::stream_closed;
    }
    require(caught, "a code of the library");

    auto const context =
        tornado::ssl_options_to_context({.cert_reqs = tornado::CertReqs::none}, false);
    tornado::IOStreamPtr const tls =
        std::make_shared<tornado::SSLIOStream>(asio::ip::tcp::socket(loop.context()), context);
    require(dynamic_cast<tornado::SSLIOStream const*>(tls.get()), "a stream of TLS");
    require(!dynamic_cast<tornado::SSLIOStream const*>(stream.get()), "a plain stream");
}

void use_everything() {
    tornado::IOLoop loop;
    require(tornado::IOLoop::of(loop.context()) == &loop, "the context's loop");
    std::string logged;
    tornado::set_log_sink([&](tornado::LogRecord const& record) { logged = record.message; });
    tornado::log(tornado::Logger::general, tornado::LogLevel::info, "a line");
    tornado::set_log_sink({});
    require(logged == "a line", "the log");

    int ticks = 0;
    tornado::PeriodicCallback periodic([&] { ++ticks; }, 1ms);
    periodic.start();
    Echo server(loop);
    server.listen(0, "127.0.0.1");
    auto const place = server.addresses().front();
    auto const remove = tornado::add_accept_handler(
        loop, std::move(tornado::bind_sockets(0, "127.0.0.1").front()), [](auto, auto) {});
    loop.run_sync([&] { return talk(loop, place); }, 30s);
    remove();

    bool caught = false;
    try {
        static_cast<void>(tornado::bind_sockets(place.port(), "127.0.0.1"));
    } catch (tornado::system_error const& e) {
        caught = e.code() == asio::error::address_in_use;
    }
    require(caught, "an exception of the library");
    require(tornado::is_valid_ip("::1"), "an address");
}

} // namespace

int main(int, char** argv) {
    try {
        use_everything();
        return check_plugin(argv[1]);
    } catch (std::exception const& e) {
        std::cerr << "failed: " << e.what() << "\n";
        return 1;
    }
}
