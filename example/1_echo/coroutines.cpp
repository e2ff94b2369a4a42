// SPDX-License-Identifier: BSL-1.0
// An echo server with coroutines: Tornado 6's form.
#include <tornado.hpp>

#include "settings.hpp"

namespace asio = boost::asio;

asio::awaitable<void> echo(tornado::IOStreamPtr stream, tornado::Address) {
    for (;;)
        co_await stream->write(co_await stream->read_until("\n"));
}

int main(int argc, char** argv) {
    return example::run("echo_coroutines", [&] {
        Settings settings;
        if (!settings.read("echo_coroutines", "sends every line back, by coroutines", argc, argv))
            return;
        tornado::IOLoop loop;
        tornado::TCPServer server(loop, echo, settings.limits);
        example::serve(loop, server, settings.place, "tcp");
    });
}
