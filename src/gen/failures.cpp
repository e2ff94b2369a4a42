// SPDX-License-Identifier: BSL-1.0
#include "tornado/detail/failures.hpp"

#include "tornado/log.hpp"

#include <boost/asio/error.hpp>

namespace tornado::detail {
namespace {

bool is_cancellation(std::exception_ptr const& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (system_error const& e) {
        return e.code() == asio::error::operation_aborted;
    } catch (...) {
        return false;
    }
}

} // namespace

error_code timeout_in_place_of(error_code ec) {
    return ec == asio::error::operation_aborted ? error::timeout : ec;
}

std::exception_ptr timeout_in_place_of(std::exception_ptr const& failure) {
    return failure && is_cancellation(failure)
               ? std::make_exception_ptr(system_error(error::timeout))
               : failure;
}

void rethrow_first(std::vector<std::exception_ptr> const& ends) {
    std::exception_ptr cancelled;
    std::exception_ptr first;
    for (auto const& end : ends) {
        if (!end)
            continue;
        if (is_cancellation(end))
            cancelled = cancelled ? cancelled : end;
        else if (!first)
            first = end;
        else
            log(Logger::application, LogLevel::error,
                "multi: more than one has failed, this one too: " + describe(end));
    }
    if (first || cancelled)
        std::rethrow_exception(first ? first : cancelled);
}

} // namespace tornado::detail
