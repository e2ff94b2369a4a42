// SPDX-License-Identifier: BSL-1.0
// What is made of failures when they are more than one, or the work of a time limit.
#pragma once

#include "tornado/detail/export.hpp"
#include "tornado/error.hpp"

#include <exception>
#include <vector>

namespace tornado::detail {

/// error::timeout for operation_aborted; anything else as it is.
TORNADO_ASIO_EXPORT error_code timeout_in_place_of(error_code ec);
TORNADO_ASIO_EXPORT std::exception_ptr timeout_in_place_of(std::exception_ptr const& failure);

/// `ends`: of operations, in their order; null: it ended well. Throws the first failure that is not
/// a mere operation_aborted, or the first one if all are; logs the others that are not.
TORNADO_ASIO_EXPORT void rethrow_first(std::vector<std::exception_ptr> const& ends);

} // namespace tornado::detail
