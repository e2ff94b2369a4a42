// SPDX-License-Identifier: BSL-1.0
// One page over HTTPS, from a server that has proved its name: Beast's parser on the stream.
#include <tornado.hpp>

#include "describe.hpp"
#include "operands.hpp"
#include "serve.hpp"
#include "url.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>

#include <array>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr std::uint32_t max_header = 64 * 1024; // bytes

using Parser = http::response_parser<http::buffer_body>;

// Reads on until the parser has a final answer's header; 1xx come before it, as many as there are.
asio::awaitable<void> read_header(tornado::IOStream& stream, boost::beast::flat_buffer& buffer,
                                  std::optional<Parser>& parser) {
    do {
        parser.emplace();
        parser->header_limit(max_header);
        parser->body_limit(boost::none); // it is not kept
        co_await http::async_read_header(stream, buffer, *parser, asio::use_awaitable);
    } while (parser->get().result_int() < 200);
}

// The end of the body is where the header says, or a chunk of size 0, or the end of the connection:
// but one without TLS's close_notify, which anybody on the way can bring about, is an error.
asio::awaitable<void> print_body(tornado::IOStream& stream, boost::beast::flat_buffer& buffer,
                                 Parser& parser) {
    std::array<char, 16 * 1024> piece;
    while (!parser.is_done()) {
        auto& body = parser.get().body();
        body.data = piece.data();
        body.size = piece.size();
        auto const [ec, size] = co_await http::async_read_some(stream, buffer, parser,
                                                               asio::as_tuple(asio::use_awaitable));
        auto const filled = static_cast<std::streamsize>(piece.size() - body.size);
        if (!std::cout.write(piece.data(), filled).flush())
            throw std::runtime_error("cannot write to standard output");
        if (ec && ec != http::error::need_buffer)
            throw tornado::system_error(ec);
    }
}

// `doing`: for the message, if it fails.
asio::awaitable<void> get(Url const& url, std::shared_ptr<asio::ssl::context> context,
                          std::string& doing) {
    doing = "connecting";
    tornado::TCPClient client;
    tornado::ConnectOptions options;
    options.ssl = std::move(context);
    auto const stream = co_await client.connect(url.host, url.port, options);

    doing = "waiting for the answer";
    stream->write("GET " + url.target + " HTTP/1.1\r\nHost: " + url.authority +
                  "\r\nUser-Agent: https_get\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    boost::beast::flat_buffer buffer;
    std::optional<Parser> parser;
    co_await read_header(*stream, buffer, parser);
    auto const& answer = parser->get();
    std::cerr << "HTTP/" << answer.version() / 10 << '.' << answer.version() % 10 << ' '
              << answer.result_int() << ' ' << answer.reason() << std::endl;

    doing = "reading the body";
    co_await print_body(*stream, buffer, *parser);
}

bool is_truncation(tornado::error_code ec) {
    return ec == http::error::partial_message || ec == http::error::end_of_stream ||
           ec == asio::ssl::error::stream_truncated;
}

} // namespace

int main(int argc, char** argv) {
    return example::run("https_get", [&] {
        auto const operands = example::take_operands(argc, argv);
        tornado::SSLOptions tls;
        tls.alpn_protocols = {"http/1.1"};
        example::Options::seconds timeout = std::chrono::seconds(30);
        example::Options options("https_get URL", "prints what an https URL stands for");
        options.add("ca", &tls.ca_certs,
                    "PEM file of the authorities to trust; none: the system's");
        options.add("timeout", &timeout, "for all of it");
        if (!options.parse(argc, argv))
            return;
        if (operands.size() != 1)
            throw std::invalid_argument("give one URL first; --help lists the options");

        auto const url = parse_url(operands[0]);
        auto const context = tornado::ssl_options_to_context(tls, false);
        tornado::set_log_level(tornado::LogLevel::error); // what fails is said once, here
        std::string doing;
        tornado::IOLoop loop;
        example::DescribeOnSignal const describing(loop);
        try {
            loop.run_sync([&] { return get(url, context, doing); }, timeout);
        } catch (tornado::system_error const& e) {
            auto const ec = e.code();
            throw std::runtime_error(url.server() + ", " + doing + ": " +
                                     (is_truncation(ec) ? "truncated: " : "") + ec.message());
        }
    });
}
