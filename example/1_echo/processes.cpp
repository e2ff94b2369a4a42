// SPDX-License-Identifier: BSL-1.0
// The echo server on every core: a worker process for each, under a supervisor.
#include <tornado.hpp>

#include "settings.hpp"

#include <utility>

namespace asio = boost::asio;

asio::awaitable<void> echo(tornado::IOStreamPtr stream, tornado::Address) {
    for (;;)
        co_await stream->write(co_await stream->read_until("\n"));
}

int main(int argc, char** argv) {
    return example::run("echo_processes", [&] {
        Settings settings;
        if (!settings.read("echo_processes", "sends every line back, on every core", argc, argv,
                           "processes"))
            return;
        auto sockets = example::bind(settings.place);
        tornado::fork_processes(static_cast<int>(settings.workers));
        tornado::IOLoop loop;
        tornado::TCPServer server(loop, echo, settings.limits);
        server.add_sockets(std::move(sockets));
        example::serve(loop, {{server, "tcp"}}, settings.place);
    });
}
