// SPDX-License-Identifier: BSL-1.0
// When a read is satisfied: by count, by delimiter, by regular expression, by the end.
#include "bytes/read_request.hpp"

#include <stdexcept>
#include <utility>

namespace tornado::detail {

std::string ReadRequest::describe() const {
    switch (kind_) {
    case Kind::byte:
    case Kind::delimiter:
        return "reads until a delimiter";
    case Kind::regex:
        return "reads until a match";
    case Kind::bytes:
        return "reads " + std::to_string(limit_) + " bytes";
    case Kind::partial_bytes:
        return "reads up to " + std::to_string(limit_) + " bytes";
    case Kind::close:
        return "reads until the end";
    case Kind::none:
        break;
    }
    return "reads nothing";
}

using What = ReadRequest::Answer::What;

ReadRequest ReadRequest::until_many(std::string_view delimiter, std::size_t max_bytes) {
    if (delimiter.empty())
        throw std::invalid_argument("read_until: the delimiter is empty; name at least one byte");
    ReadRequest request(Kind::delimiter, max_bytes);
    if (delimiter.size() <= request.delimiter_.size()) {
        request.delimiter_size_ = static_cast<std::uint8_t>(delimiter.size());
        delimiter.copy(request.delimiter_.data(), delimiter.size());
    } else {
        auto text = std::make_shared<Expression>();
        text->text = delimiter;
        request.expression_ = std::move(text);
    }
    return request;
}

ReadRequest ReadRequest::until_regex(std::string_view expression, std::size_t max_bytes) {
    ReadRequest request(Kind::regex, max_bytes);
    request.expression_ = compiled(expression);
    return request;
}

ReadRequest ReadRequest::until_close() {
    return ReadRequest(Kind::close);
}

ReadRequest::Answer ReadRequest::examine_at_end(std::string_view buffered) {
    if (kind_ == Kind::close)
        return {What::ready, buffered.size()};
    return examine(buffered);
}

ReadRequest::Answer ReadRequest::examine_delimiter(std::string_view buffered) {
    auto const within = buffered.substr(0, limit_);
    auto const wanted = delimiter();
    auto const at = within.find(wanted, progress_.scanned);
    if (at != within.npos)
        return {What::ready, at + wanted.size()};
    if (buffered.size() > limit_)
        return {What::unsatisfiable};
    if (buffered.size() >= wanted.size())
        progress_.scanned = buffered.size() - wanted.size() + 1;
    return {What::more};
}

std::string_view ReadRequest::delimiter() const noexcept {
    if (expression_)
        return expression_->text;
    return {delimiter_.data(), delimiter_size_};
}

ReadRequest::Answer ReadRequest::examine_regex(std::string_view buffered) {
    auto const end = search(*expression_, buffered, progress_);
    if (!end)
        return {What::too_costly};
    if (std::min(*end, buffered.size()) > limit_)
        return {What::unsatisfiable};
    return *end == buffered.npos ? Answer{What::more} : Answer{What::ready, *end};
}

} // namespace tornado::detail
