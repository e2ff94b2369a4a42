// SPDX-License-Identifier: BSL-1.0
// By hand rather than by Beast's serializer: an answer then costs no allocation of its own.
#include "response.hpp"

#include "conditional.hpp"

#include <charconv>

namespace demo {
namespace {

void append_number(std::string& out, std::uint64_t number) {
    char digits[20];
    auto const end = std::to_chars(std::begin(digits), std::end(digits), number).ptr;
    out.append(digits, end);
}

// The Date field, made once a second.
std::string const& date_now() {
    static std::time_t last = 0;
    static std::string text;
    if (auto const now = std::time(nullptr); now != last) {
        last = now;
        text.clear();
        append_date(text, now);
    }
    return text;
}

} // namespace

ResponseHead::ResponseHead(std::string& out, Request const& request, http::status status)
    : out_(out) {
    out_ += request.version == 10 ? "HTTP/1.0 " : "HTTP/1.1 ";
    append_number(out_, static_cast<unsigned>(status));
    auto const reason = http::obsolete_reason(status);
    (out_ += ' ').append(reason.data(), reason.size());
    out_ += "\r\nServer: tornado-asio\r\n";
    field("Date", date_now());
    if (!request.keep_alive)
        field("Connection", "close");
    else if (request.version == 10)
        field("Connection", "keep-alive");
}

ResponseHead& ResponseHead::field(std::string_view name, std::string_view value) {
    out_.append(name).append(": ").append(value).append("\r\n");
    return *this;
}

ResponseHead& ResponseHead::last_modified(std::time_t time) {
    out_ += "Last-Modified: ";
    append_date(out_, time);
    out_ += "\r\n";
    return *this;
}

void ResponseHead::end(std::uint64_t content_length) {
    out_ += "Content-Length: ";
    append_number(out_, content_length);
    out_ += "\r\n\r\n";
}

void ResponseHead::end() {
    out_ += "\r\n";
}

void append_status(std::string& out, Request const& request, http::status status,
                   std::string_view fields) {
    ResponseHead head(out, request, status);
    out += fields;
    auto const reason = http::obsolete_reason(status);
    head.field("Content-Type", "text/plain; charset=utf-8").end(4 + reason.size() + 1);
    if (request.method == http::verb::head)
        return;
    append_number(out, static_cast<unsigned>(status));
    (out += ' ').append(reason.data(), reason.size()) += '\n';
}

} // namespace demo
