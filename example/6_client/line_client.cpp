// SPDX-License-Identifier: BSL-1.0
// Lines of standard input to a server, and the server's lines to standard output.
#include <tornado.hpp>

#include "describe.hpp"
#include "input.hpp"
#include "operands.hpp"
#include "serve.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>

namespace asio = boost::asio;

namespace {

struct Server {
    std::string host;
    std::uint16_t port = 0;

    std::string name() const {
        return (host.find(':') == host.npos ? host : '[' + host + ']') + ':' + std::to_string(port);
    }
};

std::uint16_t read_port(std::string const& word) {
    std::uint16_t port = 0;
    auto const* const end = word.data() + word.size();
    auto const read = std::from_chars(word.data(), end, port);
    if (read.ec != std::errc() || read.ptr != end || port == 0)
        throw std::invalid_argument("'" + word + "' is no port; give 1 to 65535");
    return port;
}

void print(std::string const& text) {
    if (!(std::cout << text << std::flush))
        throw std::runtime_error("cannot write to standard output");
}

// A read ends with a line or with the connection, whose last bytes may lack the end of a line.
asio::awaitable<void> print_lines(tornado::IOStream& stream, std::size_t max_line) {
    for (;;) {
        auto const [ec, line] =
            co_await stream.read_until("\n", max_line, asio::as_tuple(asio::deferred));
        if (ec == asio::error::eof)
            co_return print(co_await stream.read_until_close());
        if (ec)
            throw tornado::system_error(ec);
        print(line);
    }
}

asio::awaitable<void> talk(Server const& server, tornado::ConnectOptions const& options,
                           std::size_t max_line) {
    tornado::TCPClient client;
    auto const stream = co_await client.connect(server.host, server.port, options);

    // The server's lines are waited for; what comes from standard input is a callback meanwhile.
    tornado::error_code failure;
    Input input(*stream->loop(), STDIN_FILENO, [&](tornado::error_code ec, std::string_view data) {
        if (ec)
            stream->close(failure = ec);
        else if (data.empty())
            stream->shutdown_write();
        else
            stream->write(data);
    });
    // A server that does not read is not written to.
    stream->set_write_watermarks(64 * 1024, 256 * 1024,
                                 [&](bool full) { full ? input.pause() : input.resume(); });
    try {
        co_await print_lines(*stream, max_line);
    } catch (tornado::system_error const&) {
        if (failure)
            throw std::runtime_error("cannot read standard input: " + failure.message());
        throw;
    }
}

} // namespace

int main(int argc, char** argv) {
    return example::run("line_client", [&] {
        auto const operands = example::take_operands(argc, argv);
        bool tls = false;
        std::string ca;
        example::Options::seconds timeout = std::chrono::seconds(10);
        std::size_t max_line = 64 * 1024;
        example::Options options("line_client HOST PORT", "lines to a server, and its lines back");
        options.add("tls", &tls, "encrypt, and verify the server's certificate");
        options.add("ca", &ca, "PEM file of the authorities to trust; none: the system's");
        options.add("timeout", &timeout, "until the connection stands, TLS included");
        options.add("max-line", &max_line, "bytes of a line from the server");
        if (!options.parse(argc, argv))
            return;
        if (operands.size() != 2)
            throw std::invalid_argument("give HOST PORT first; --help lists the options");
        if (!ca.empty() && !tls)
            throw std::invalid_argument("--ca needs --tls");

        Server const server{operands[0], read_port(operands[1])};
        tornado::ConnectOptions connecting;
        connecting.timeout = timeout;
        if (tls) {
            tornado::SSLOptions verification;
            verification.ca_certs = ca;
            connecting.ssl = tornado::ssl_options_to_context(verification, false);
        }
        tornado::set_log_level(tornado::LogLevel::error); // what fails is said once, here
        tornado::IOLoop loop;
        example::DescribeOnSignal const describing(loop);
        try {
            loop.run_sync([&] { return talk(server, connecting, max_line); });
        } catch (tornado::system_error const& e) {
            throw std::runtime_error(server.name() + ": " + e.code().message());
        }
    });
}
