// SPDX-License-Identifier: BSL-1.0
// RFC 9112, 3.2 (Host), 6.1 and 6.3 (the body's length); RFC 9110, 10.1.1 (Expect).
#include "header_rules.hpp"

#include "target.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include <algorithm>

namespace demo {

using boost::beast::iequals;

void HeaderRules::field(http::field name, std::string_view value) {
    switch (name) {
    case http::field::host:
        ++hosts_;
        bad_host_ |= !is_host(value);
        break;
    case http::field::content_length:
        ++lengths_;
        bad_length_ |= value.empty() || !std::all_of(value.begin(), value.end(),
                                                     [](char c) { return c >= '0' && c <= '9'; });
        break;
    case http::field::transfer_encoding: {
        ++codings_;
        // "chunked" and nothing else; of other lists, known words make it malformed.
        int words = 0;
        for (auto const& coding : http::token_list(value)) {
            ++words;
            unknown_coding_ |= !iequals(coding, "chunked");
        }
        bad_coding_ |= words != 1 || !iequals(value, "chunked");
        break;
    }
    case http::field::expect:
        (iequals(value, "100-continue") ? expects_continue_ : expects_more_) = true;
        break;
    default:
        break;
    }
}

std::optional<http::status> HeaderRules::verdict(unsigned version) const {
    if (hosts_ > 1 || bad_host_ || (hosts_ == 0 && version > 10))
        return http::status::bad_request;
    if (lengths_ > 1 || bad_length_ || codings_ > 1 || (codings_ == 1 && lengths_ == 1))
        return http::status::bad_request;
    if (codings_ == 1 && version == 10)
        return http::status::bad_request;
    if (unknown_coding_)
        return http::status::not_implemented;
    if (bad_coding_)
        return http::status::bad_request;
    if (expects_more_ && version > 10)
        return http::status::expectation_failed;
    return {};
}

} // namespace demo
