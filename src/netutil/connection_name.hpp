// SPDX-License-Identifier: BSL-1.0
// How a connection is called wherever it is spoken of: its log lines, IOLoop::describe().
#pragma once

#include "tornado/address.hpp"

#include <cstdint>
#include <string>

namespace tornado::detail {

/// `connection 17 (192.0.2.1:5555)`; without the address when there is none, because it is not
/// connected, is closed, or is a pipe.
std::string connection_name(std::uint64_t id, Address const& peer);

} // namespace tornado::detail
