// SPDX-License-Identifier: BSL-1.0
// One pass over the bytes; what RFC 9112, 2.2 and 5.2, and RFC 9110, 5.5, allow a server to refuse.
#include "head_scanner.hpp"

namespace demo {

using http::status;

bool HeadScanner::scan(std::string_view bytes) noexcept {
    for (char const c : bytes) {
        if (++size_ > limits_.head)
            return fail(in_fields_ ? status::request_header_fields_too_large
                                   : status::uri_too_long);
        if (after_cr_) {
            if (c != '\n')
                return fail(status::bad_request);
            after_cr_ = false;
            if (line_ != 0) {
                in_fields_ = true;
                line_ = 0;
            } else if (in_fields_) {
                return true;
            } else {
                leading_ = size_;
            }
        } else if (c == '\r') {
            after_cr_ = true;
        } else {
            bool const blank = c == ' ' || c == '\t';
            if ((blank && line_ == 0) || (static_cast<unsigned char>(c) < ' ' && !blank) ||
                c == 127)
                return fail(status::bad_request);
            if (++line_ > limits_.request_line && !in_fields_)
                return fail(status::uri_too_long);
        }
    }
    return false;
}

bool HeadScanner::fail(status status) noexcept {
    failure_ = status;
    return false;
}

} // namespace demo
