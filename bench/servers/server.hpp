// SPDX-License-Identifier: BSL-1.0
// What the servers in C++ share: the workload on the command line, and the port for the driver.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace bench {

/// The largest single receive of those servers that choose it, and a usual buffer's size.
inline constexpr std::size_t usual_buffer = 16 * 1024;

enum class Mode {
    line,   // answer each line with itself
    block,  // answer each block of `size` bytes with itself
    stream, // send back whatever comes
    sink,   // discard whatever comes
};

struct Workload {
    Mode mode;
    std::size_t size; // of a block
};

/// `server line | block SIZE | stream | sink`
inline Workload parse(int argc, char** argv) {
    std::string_view const name = argc > 1 ? argv[1] : "";
    if (name == "line")
        return {Mode::line, 0};
    if (name == "block" && argc > 2)
        return {Mode::block, std::strtoul(argv[2], nullptr, 10)};
    if (name == "stream")
        return {Mode::stream, 0};
    if (name == "sink")
        return {Mode::sink, 0};
    std::fprintf(stderr, "usage: %s line | block SIZE | stream | sink\n", argv[0]);
    std::exit(2);
}

/// The first argument of a server that talks TLS, a PEM file with a certificate and its key; takes
/// it away for parse().
inline char const* take_certificate(int& argc, char**& argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: %s CERTFILE WORKLOAD...\n", argv[0]);
        std::exit(2);
    }
    auto* const file = std::exchange(argv[1], argv[0]);
    --argc;
    ++argv;
    return file;
}

/// Tells the driver that the server listens; it then runs until it is killed.
inline void announce(unsigned port) {
    std::printf("%u\n", port);
    std::fflush(stdout);
}

} // namespace bench
