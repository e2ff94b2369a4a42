// SPDX-License-Identifier: BSL-1.0
// An HTTP server on one screen: Boost.Beast reads requests and writes answers, on our stream.
#include <tornado.hpp>

#include "serve.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <string>

namespace asio = boost::asio;
namespace http = boost::beast::http;
using namespace std::chrono_literals;

using Answer = http::response<http::string_body>;

Answer answer_to(http::request<http::string_body> const& request) {
    Answer answer(http::status::ok, request.version());
    answer.keep_alive(request.keep_alive());
    answer.set(http::field::content_type, "text/plain");
    if (request.method() == http::verb::post)
        answer.body() = request.body();
    else
        answer.body() = "hello from " + std::string(request.target()) + "\n";
    answer.prepare_payload();
    return answer;
}

asio::awaitable<void> serve(tornado::IOStreamPtr stream, tornado::Address) {
    boost::beast::flat_buffer buffer(16 * 1024); // no head is longer
    for (bool more = true; more;) {
        http::request_parser<http::string_body> parser;
        parser.body_limit(64 * 1024);
        auto const [failed, size] = co_await http::async_read(
            *stream, buffer, parser, tornado::with_timeout(30s, asio::as_tuple(asio::deferred)));
        if (failed)
            co_return; // the end of the stream, a silent client, or no HTTP
        auto const answer = answer_to(parser.get());
        co_await http::async_write(*stream, answer, asio::deferred);
        more = answer.keep_alive();
    }
    stream->close_after_flush();
}

int main(int argc, char** argv) {
    return example::run("http", [&] {
        example::Place place;
        example::Options options("http", "answers each request in one line");
        place.add_to(options);
        if (!options.parse(argc, argv))
            return;
        tornado::IOLoop loop;
        tornado::TCPServer server(loop, serve);
        example::serve(loop, server, place, "http");
    });
}
