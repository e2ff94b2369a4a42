// SPDX-License-Identifier: BSL-1.0
// Names and numbers, nothing else.
#include "stats.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace scale {

std::string stats(HubSettings const& settings, Bus const& bus, Hub const& hub,
                  VisitorCounters const& visitors, tornado::TCPServerStats const& server) {
    auto const rooms = hub.counters();
    return boost::json::serialize(boost::json::object{
               {"worker", settings.worker},
               {"host", settings.host},
               {"redis", bus.is_up()},
               {"rooms", rooms.rooms},
               {"members", rooms.members},
               {"pending", rooms.pending},
               {"said", rooms.said},
               {"failed", rooms.failed},
               {"heard", rooms.heard},
               {"delivered", rooms.delivered},
               {"gaps", rooms.gaps},
               {"visitors", visitors.visitors},
               {"slow", visitors.slow},
               {"floods", visitors.floods},
               {"not_utf8", visitors.not_utf8},
               {"bad_frames", visitors.bad_frames},
               {"silent", visitors.silent},
               {"nonsense", visitors.nonsense},
               {"refused", visitors.refused},
               {"accepted", server.accepted},
               {"active", server.active},
               {"proxy_failures", server.proxy_failures},
               {"bytes_in", server.bytes_in},
               {"bytes_out", server.bytes_out},
           }) +
           "\n";
}

} // namespace scale
