// SPDX-License-Identifier: BSL-1.0
// The echo server on every core: a loop and a server on each of several threads.
#include <tornado.hpp>

#include "settings.hpp"

namespace asio = boost::asio;

asio::awaitable<void> echo(tornado::IOStreamPtr stream, tornado::Address) {
    for (;;)
        co_await stream->write(co_await stream->read_until("\n"));
}

int main(int argc, char** argv) {
    return example::run("echo_threads", [&] {
        Settings settings;
        if (!settings.read("echo_threads", "sends every line back, on every core", argc, argv,
                           "threads"))
            return;
        tornado::SharedAcceptor acceptor(example::bind(settings.place));
        tornado::LoopGroup loops;
        loops.run(settings.workers, [&](tornado::IOLoop& loop) -> asio::awaitable<void> {
            tornado::TCPServer server(loop, echo, settings.limits);
            server.listen(acceptor);
            co_await example::serve(loops, loop, server, settings.place, "tcp");
        });
    });
}
