// SPDX-License-Identifier: BSL-1.0
// What the system says of a failure, in the codes that Asio's are compared with.
#pragma once

#include "tornado/error.hpp"

#include <cerrno>
#include <system_error>

namespace tornado::detail {

inline error_code last_error() noexcept {
    return {errno, boost::system::system_category()};
}

/// The standard library tells errno in another category.
inline error_code code_of(std::system_error const& e) noexcept {
    if (e.code().category() == std::generic_category())
        return {e.code().value(), boost::system::system_category()};
    return e.code();
}

} // namespace tornado::detail
