// SPDX-License-Identifier: BSL-1.0
// One state for each place in the grammar.
#include "chunked_body.hpp"

#include <algorithm>

namespace demo {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = static_cast<char>(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool is_text(char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != 127);
}

bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

// RFC 9110, 5.6.2.
bool is_token(char c) {
    return c > ' ' && c < 127 &&
           std::string_view("\"(),/:;<=>?@[\\]{}").find(c) == std::string_view::npos;
}

} // namespace

std::size_t ChunkedBody::take(std::string_view bytes, std::string& body) {
    std::size_t taken = 0;
    while (taken != bytes.size() && !complete() && !failure_) {
        if (state_ == State::data) {
            auto const part = bytes.substr(taken, size_);
            body += part;
            max_body_ -= part.size();
            taken += part.size();
            size_ -= part.size();
            if (size_ == 0)
                state_ = State::data_cr;
            continue;
        }
        auto const next = after(bytes[taken++]);
        if (next)
            state_ = *next;
        else if (!failure_)
            failure_ = http::status::bad_request;
        if (++line_ > max_line_)
            failure_ = http::status::request_header_fields_too_large;
    }
    return taken;
}

// The state after this byte; nothing if it does not fit.
std::optional<ChunkedBody::State> ChunkedBody::after(char c) noexcept {
    auto const expect = [c](char wanted, State next) {
        return c == wanted ? std::optional(next) : std::nullopt;
    };
    auto const until_cr = [c](State here, State next) {
        return c == '\r' ? std::optional(next) : is_text(c) ? std::optional(here) : std::nullopt;
    };
    switch (state_) {
    case State::first_digit:
        return after_digit(hex_value(c));
    case State::size:
        if (c == ';')
            return State::extension;
        return c == '\r' ? State::size_end : after_digit(hex_value(c));
    case State::extension:
        if (is_blank(c))
            return State::extension;
        return is_token(c) ? std::optional(State::extension_name) : std::nullopt;
    case State::extension_name:
        if (is_token(c))
            return State::extension_name;
        [[fallthrough]];
    case State::extension_value:
        if (c == ';')
            return State::extension;
        return c == '"' ? State::quoted : until_cr(State::extension_value, State::size_end);
    case State::quoted:
        if (c == '"')
            return State::extension_value;
        if (c == '\\')
            return State::quoted_pair;
        [[fallthrough]];
    case State::quoted_pair:
        return is_text(c) ? std::optional(State::quoted) : std::nullopt;
    case State::size_end:
        line_ = 0;
        return expect('\n', size_ != 0 ? State::data : State::line_begin);
    case State::data_cr:
        return expect('\r', State::data_end);
    case State::data_end:
        line_ = 0;
        return expect('\n', State::first_digit);
    case State::line_begin:
        if (c == '\r')
            return State::last_end;
        return c != ':' && c > ' ' && c != 127 ? std::optional(State::name) : std::nullopt;
    case State::name:
        if (c == ':')
            return State::value;
        return c > ' ' && c != 127 ? std::optional(State::name) : std::nullopt;
    case State::value:
        return until_cr(State::value, State::line_end);
    case State::line_end:
        return expect('\n', State::line_begin);
    case State::last_end:
        return expect('\n', State::complete);
    case State::data:
    case State::complete:
        break;
    }
    return {};
}

std::optional<ChunkedBody::State> ChunkedBody::after_digit(int value) noexcept {
    if (value < 0)
        return {};
    size_ = size_ * 16 + static_cast<std::size_t>(value);
    if (size_ > max_body_) {
        failure_ = http::status::payload_too_large;
        return {};
    }
    return State::size;
}

} // namespace demo
