// SPDX-License-Identifier: BSL-1.0
// What both echo servers can be told on the command line.
#pragma once

#include "serve.hpp"

#include <string>

struct Settings {
    example::Place place;
    tornado::TCPServerOptions limits;

    /// False if only --help was wanted.
    bool read(std::string const& program, std::string const& summary, int argc, char** argv) {
        limits.max_buffer_size = 64 * 1024;
        limits.max_connections = 10'000;
        example::Options::seconds idle = std::chrono::minutes(1);

        example::Options options(program, summary);
        place.add_to(options);
        options.add("max-line", &limits.max_buffer_size,
                    "bytes; a longer line ends its connection");
        options.add("max-connections", &limits.max_connections, "open at a time; others wait");
        options.add("idle-time", &idle, "until a silent connection is closed");
        bool const wanted = options.parse(argc, argv);
        limits.idle_timeout = idle;
        return wanted;
    }
};
