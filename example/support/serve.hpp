// SPDX-License-Identifier: BSL-1.0
// What every example server does around its server: listen, say so, run, and stop when asked.
#pragma once

#include "tornado/ioloop.hpp"
#include "tornado/tcpserver.hpp"
#include "tornado/threads.hpp"

#include "inherited.hpp"
#include "options.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace example {

namespace asio = boost::asio;

/// Where to serve, and how long a stop may take.
struct Place {
    std::uint16_t port = 8888;
    std::string address = "127.0.0.1"; // an example is for its own machine
    std::string unix_path;
    Options::seconds drain = std::chrono::seconds(10);

    /// Adds --port, --address, --unix and --drain-time.
    void add_to(Options& options);
};

/// Listens at `place`, for servers to come.
std::vector<tornado::ListenSocket> bind(Place const& place);
/// Makes a server listen at `place`.
void listen(tornado::TCPServer& server, Place const& place);

/// A server that listens, and what its addresses begin with.
struct Listening {
    tornado::TCPServer& server;
    std::string_view scheme;
};

/// Prints `listening on <scheme>://127.0.0.1:8888/` (or `unix:PATH`) with all addresses of all
/// servers, and runs the loop until SIGTERM or SIGINT. Then it calls `on_stop`, waits for the live
/// connections, but no longer than the place's drain time, and returns. A second signal ends the
/// wait. systemd is told of all this, where it asks. SIGUSR1 prints what the loop waits for.
///
/// With `inherited` a process that this one takes over from is told when the servers are ready, and
/// the next one may take over from this, which is a stop like any other; their schemes are the
/// sockets' names. Throws when this process was too late, and the other goes on.
void serve(tornado::IOLoop& loop, std::vector<Listening> const& servers, Place const& place,
           std::function<void()> const& on_stop = {}, Inherited* inherited = nullptr);
/// The same for one server, which listens from now on.
void serve(tornado::IOLoop& loop, tornado::TCPServer& server, Place const& place,
           std::string_view scheme, std::function<void()> const& on_stop = {});

/// The same for a server that listens on one of several loops, as the end of its setup's coroutine.
/// SIGTERM and SIGINT shut all of them down.
asio::awaitable<void> serve(tornado::LoopGroup& loops, tornado::IOLoop& loop,
                            tornado::TCPServer& server, Place const& place,
                            std::string_view scheme);

/// A main function's frame: runs `body`, and turns what it throws into one line on standard error
/// that begins with `program`, and exit code 1.
int run(std::string_view program, std::function<void()> const& body);

} // namespace example
