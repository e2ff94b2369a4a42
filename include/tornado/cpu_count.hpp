// SPDX-License-Identifier: BSL-1.0
// How many processors there are for this process.
#pragma once

#include "tornado/detail/export.hpp"

namespace tornado {

/// How many processors this process may use, at least 1: those of its affinity mask, cut to the CPU
/// quotas of its control groups (of either version; containers have one), a part of a processor
/// rounded up.
///
/// tornado.process.cpu_count, which counts those of the machine; sched_getaffinity(2).
TORNADO_ASIO_EXPORT unsigned cpu_count();

} // namespace tornado
