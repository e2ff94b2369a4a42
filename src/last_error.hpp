// SPDX-License-Identifier: BSL-1.0
// What the last system call failed with.
#pragma once

#include "tornado/error.hpp"

#include <cerrno>

namespace tornado::detail {

inline error_code last_error() noexcept {
    return {errno, boost::system::system_category()};
}

} // namespace tornado::detail
