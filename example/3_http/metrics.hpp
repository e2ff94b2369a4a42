// SPDX-License-Identifier: BSL-1.0
// What servers and their loop have counted, as text for Prometheus.
#pragma once

#include "tornado/ioloop.hpp"
#include "tornado/tcpserver.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace demo {

struct Figures {
    struct Server {
        std::string_view name; // the label `server`; nothing in it needs escaping
        tornado::TCPServerStats stats;
    };
    std::vector<Server> servers;
    tornado::IOLoopStats loop;
    std::uint64_t requests = 0; // that were answered
};

/// Of the type `text/plain; version=0.0.4`: Prometheus' "Exposition formats".
std::string prometheus_text(Figures const& figures);

} // namespace demo
