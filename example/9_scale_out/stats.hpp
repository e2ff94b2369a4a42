// SPDX-License-Identifier: BSL-1.0
// A worker's counters, as one JSON object.
#pragma once

#include "tornado/tcpserver.hpp"

#include "bus.hpp"
#include "hub.hpp"
#include "visitor.hpp"

#include <string>

namespace scale {

std::string stats(HubSettings const& settings, Bus const& bus, Hub const& hub,
                  VisitorCounters const& visitors, tornado::TCPServerStats const& server);

} // namespace scale
