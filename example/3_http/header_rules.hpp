// SPDX-License-Identifier: BSL-1.0
// The fields that decide where a request ends and whom it is for: the rules that Beast leaves out.
#pragma once

#include "http.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace demo {

/// Told each field of a request. A request that two servers could read in two ways is refused:
/// that is what smuggling needs.
class HeaderRules {
public:
    void field(http::field name, std::string_view value);

    /// The status to refuse the request with, if it must be, when all fields are known.
    /// `version` is 10 or 11.
    std::optional<http::status> verdict(unsigned version) const;

    bool has_length() const noexcept { return lengths_ + codings_ != 0; }
    bool expects_continue() const noexcept { return expects_continue_; }

private:
    int hosts_ = 0;
    int lengths_ = 0;
    int codings_ = 0; // Transfer-Encoding fields
    bool bad_host_ = false;
    bool bad_length_ = false;
    bool bad_coding_ = false;
    bool unknown_coding_ = false;
    bool expects_continue_ = false;
    bool expects_more_ = false;
};

} // namespace demo
