// SPDX-License-Identifier: BSL-1.0
// Beast reads the requests, which have no body; example 3_http is the one that does HTTP in full.
#include "front.hpp"

#include "tornado/gen.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace scale {
namespace {

constexpr std::size_t max_head = 8 * 1024; // bytes

struct File {
    std::string_view path;
    std::string_view name;
    std::string_view type;
};
constexpr File files[] = {
    {"/", "index.html", "text/html; charset=utf-8"},
    {"/page.js", "page.js", "text/javascript; charset=utf-8"},
    {"/link.js", "link.js", "text/javascript; charset=utf-8"},
    {"/style.css", "style.css", "text/css; charset=utf-8"},
};

using Response = http::response<http::string_body>;

Response respond(Request const& request, http::status status, std::string_view type,
                 std::string_view body) {
    Response response(status, request.version());
    response.set(http::field::content_type, type);
    response.set(http::field::cache_control, "no-cache");
    response.set("X-Content-Type-Options", "nosniff");
    response.set("Content-Security-Policy", "default-src 'self'");
    response.keep_alive(request.keep_alive());
    response.body() = body;
    response.prepare_payload();
    if (request.method() == http::verb::head)
        response.body().clear(); // its length stays
    return response;
}

Response respond(Request const& request, http::status status) {
    return respond(request, status, "text/plain; charset=utf-8",
                   std::string(http::obsolete_reason(status)) + "\n");
}

std::string_view path_of(Request const& request) {
    std::string_view const target(request.target().data(), request.target().size());
    return target.substr(0, target.find('?'));
}

Response answer(Front const& front, Request const& request) {
    if (request.method() != http::verb::get && request.method() != http::verb::head)
        return respond(request, http::status::method_not_allowed);
    auto const path = path_of(request);
    if (path == "/healthz")
        return respond(request, http::status::ok, "text/plain; charset=utf-8", "ok\n");
    if (path == "/stats")
        return respond(request, http::status::ok, "application/json", front.stats());
    if (auto const* const page = front.pages.find(path))
        return respond(request, http::status::ok, page->type, page->body);
    return respond(request, http::status::not_found);
}

// A page of another site may open a WebSocket here, but a browser says which it is.
bool is_of_this_site(Request const& request) {
    auto const origin = request[http::field::origin];
    auto const slashes = origin.find("//");
    return origin.empty() ||
           (slashes != origin.npos && origin.substr(slashes + 2) == request[http::field::host]);
}

// Not an end, but something that is no HTTP.
bool is_malformed(tornado::error_code ec) {
    return ec.category() == http::make_error_code(http::error::bad_method).category() &&
           ec != http::error::end_of_stream && ec != http::error::partial_message;
}

} // namespace

Pages::Pages(std::string const& folder) {
    for (auto const& file : files) {
        auto const name = folder + '/' + std::string(file.name);
        std::ifstream in(name, std::ios::binary);
        std::string body((std::istreambuf_iterator<char>(in)), {});
        if (!in || body.empty())
            throw std::runtime_error("cannot read " + name + "; --root names the pages' folder");
        pages_.emplace(file.path, Page{std::string(file.type), std::move(body)});
    }
}

Pages::Page const* Pages::find(std::string_view path) const {
    auto const found = pages_.find(path);
    return found == pages_.end() ? nullptr : &found->second;
}

asio::awaitable<void> serve(std::shared_ptr<Front const> front, tornado::IOStreamPtr stream) {
    beast::flat_buffer buffer(max_head);
    for (bool more = true; more;) {
        http::request_parser<http::empty_body> parser;
        parser.header_limit(max_head);
        auto [ec, n] = co_await http::async_read(*stream, buffer, parser,
                                                 tornado::cancel_after(front->head_time, awaited));
        auto const& request = parser.get();
        Response response;
        if (is_malformed(ec)) {
            response = respond(request, http::status::bad_request);
            response.keep_alive(false);
        } else if (ec) {
            break;
        } else if (!websocket::is_upgrade(request)) {
            response = answer(*front, request);
        } else if (path_of(request) != "/chat") {
            response = respond(request, http::status::not_found);
        } else if (!is_of_this_site(request)) {
            response = respond(request, http::status::forbidden);
        } else if (buffer.size() != 0) { // it must wait for the answer
            response = respond(request, http::status::bad_request);
        } else {
            auto const visitor = std::make_shared<Visitor>(front->lounge, stream);
            co_return co_await visitor->serve(parser.release());
        }
        more = response.keep_alive();
        std::tie(ec, n) = co_await http::async_write(*stream, response, awaited);
        if (ec)
            break;
    }
    stream->close_after_flush();
}

} // namespace scale
