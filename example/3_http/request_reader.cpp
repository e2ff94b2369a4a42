// SPDX-License-Identifier: BSL-1.0
// The stages of a request: its head is scanned, then parsed at once; its body is parsed as it
// comes.
#include "request_reader.hpp"

#include "target.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>

#include <limits>
#include <utility>

namespace demo {
namespace {

// A connection between requests keeps no more of a body's memory than this.
constexpr std::size_t max_idle_body = 4096;

void join(std::string& list, std::string_view value) {
    if (!list.empty())
        list += ", ";
    list += value;
}

} // namespace

RequestReader::RequestReader(Limits const& limits) noexcept : limits_(limits), scanner_(limits) {}

RequestReader::Event RequestReader::advance() {
    switch (stage_) {
    case Stage::head:
        return read_head();
    case Stage::body:
        return read_body();
    case Stage::complete:
        return Event::complete;
    case Stage::failed:
        break;
    }
    return Event::failed;
}

void RequestReader::next() noexcept {
    stage_ = Stage::head;
    scanner_ = HeadScanner(limits_);
    rules_ = HeaderRules();
    scanned_ = 0;
    chunked_.reset();
    request_.clear();
    if (request_.body.capacity() > max_idle_body)
        request_.body = std::string();
}

RequestReader::Event RequestReader::read_head() {
    bool const complete = scanner_.scan(input_.substr(taken_ + scanned_));
    if (auto const failure = scanner_.failure())
        return fail(*failure);
    if (!complete) {
        scanned_ = input_.size() - taken_;
        return Event::none;
    }
    auto head = input_.substr(taken_, scanner_.size()).substr(scanner_.leading());
    taken_ += scanner_.size();
    std::string copy;
    if (!settle_version(head, copy))
        return fail(http::status::http_version_not_supported);

    Parser parser(*this);
    parser.header_limit(std::numeric_limits<std::uint32_t>::max()); // the scanner has seen to it
    parser.body_limit(limits_.body);
    boost::beast::error_code ec;
    parser.put(boost::asio::buffer(head), ec);
    if (ec)
        return fail(ec == http::error::body_limit ? http::status::payload_too_large
                                                  : http::status::bad_request);
    if (auto const failure = rules_.verdict(request_.version))
        return fail(*failure);
    if (!read_target(request_.method, request_.target, request_.path))
        return fail(http::status::bad_request);
    request_.keep_alive = parser.keep_alive();
    request_.has_length = rules_.has_length();
    request_.expects_continue = rules_.expects_continue() && request_.version > 10;
    missing_ = parser.content_length().value_or(0);
    if (parser.chunked())
        chunked_.emplace(limits_.body, limits_.head);
    stage_ = parser.is_done() ? Stage::complete : Stage::body;
    return Event::head;
}

RequestReader::Event RequestReader::read_body() {
    auto const bytes = input_.substr(taken_);
    if (chunked_) {
        taken_ += chunked_->take(bytes, request_.body);
        if (auto const failure = chunked_->failure())
            return fail(*failure);
    } else {
        auto const part = bytes.substr(0, missing_);
        request_.body += part;
        taken_ += part.size();
        missing_ -= part.size();
    }
    if (chunked_ ? !chunked_->complete() : missing_ != 0)
        return Event::none;
    stage_ = Stage::complete;
    return Event::complete;
}

RequestReader::Event RequestReader::fail(http::status status) noexcept {
    stage_ = Stage::failed;
    failure_ = status;
    request_.keep_alive = false;
    return Event::failed;
}

// Beast takes only 1.0 and 1.1; a later 1.x is to be read as 1.1 (RFC 9110, 2.5), in a copy. False
// for another major version. What is no version at all is left for Beast to refuse.
bool RequestReader::settle_version(std::string_view& head, std::string& copy) {
    auto const end = head.find("\r\n");
    auto const line = head.substr(0, end);
    auto const is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (line.size() < 9 || line.substr(line.size() - 9, 6) != " HTTP/" ||
        !is_digit(line[line.size() - 3]) || line[line.size() - 2] != '.' || !is_digit(line.back()))
        return true;
    if (line[line.size() - 3] != '1')
        return false;
    if (line.back() > '1') {
        copy = head;
        copy[end - 1] = '1';
        head = copy;
    }
    return true;
}

// ---- What Beast's parser found

void RequestReader::Parser::on_request_impl(http::verb method, view name, view target, int version,
                                            error_code&) {
    auto& request = reader_.request_;
    request.method = method;
    request.method_name.assign(name.data(), name.size());
    request.target.assign(target.data(), target.size());
    request.version = static_cast<unsigned>(version);
}

void RequestReader::Parser::on_field_impl(http::field name, view, view text, error_code&) {
    std::string_view const value(text.data(), text.size());
    reader_.rules_.field(name, value);
    auto& conditions = reader_.request_.conditions;
    switch (name) {
    case http::field::if_match:
        return join(conditions.if_match, value);
    case http::field::if_none_match:
        return join(conditions.if_none_match, value);
    case http::field::if_modified_since:
        return join(conditions.if_modified_since, value);
    case http::field::if_unmodified_since:
        return join(conditions.if_unmodified_since, value);
    case http::field::if_range:
        return join(conditions.if_range, value);
    case http::field::range:
        return join(conditions.range, value);
    default:
        return;
    }
}

} // namespace demo
