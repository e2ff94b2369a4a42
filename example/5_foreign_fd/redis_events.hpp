// SPDX-License-Identifier: BSL-1.0
// The adapter: hiredis says what its descriptor waits for, the loop says when it is there.
#pragma once

#include "tornado/ioloop.hpp"

#include <hiredis/async.h>

namespace relay {

/// Lets `loop` drive `context`, until hiredis frees it. To be called right after the connect.
void attach(tornado::IOLoop& loop, redisAsyncContext& context);

} // namespace relay
