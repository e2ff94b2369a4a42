// SPDX-License-Identifier: BSL-1.0
// What the echo servers can be told on the command line.
#pragma once

#include "serve.hpp"

#include <string>

struct Settings {
    example::Place place;
    tornado::TCPServerOptions limits;
    unsigned workers = 0;

    /// False if only --help was wanted. `kind`: what a server on every core calls its workers.
    bool read(std::string const& program, std::string const& summary, int argc, char** argv,
              std::string const& kind = "") {
        std::size_t count = 0;
        limits.max_buffer_size = 64 * 1024;
        limits.max_connections = 10'000;
        example::Options::seconds idle = std::chrono::minutes(1);

        example::Options options(program, summary);
        place.add_to(options);
        options.add("max-line", &limits.max_buffer_size,
                    "bytes; a longer line ends its connection");
        options.add("max-connections", &limits.max_connections, "open at a time; others wait");
        options.add("idle-time", &idle, "until a silent connection is closed");
        options.add("min-rate", &limits.min_rate,
                    "bytes a second, on the average of 10 s, of a line that has begun");
        if (!kind.empty())
            options.add(kind, &count, "how many share the work; 0 is one for each core");
        bool const wanted = options.parse(argc, argv);
        limits.idle_timeout = idle;
        workers = static_cast<unsigned>(count);
        return wanted;
    }
};
