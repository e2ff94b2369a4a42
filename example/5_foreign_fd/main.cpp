// SPDX-License-Identifier: BSL-1.0
// The command line of the relay.
#include "options.hpp"
#include "relay.hpp"
#include "serve.hpp"

#include <memory>
#include <utility>

int main(int argc, char** argv) {
    return example::run("relay", [&] {
        example::Place place;
        relay::Settings settings;
        tornado::TCPServerOptions connections;
        connections.max_connections = 1000;
        connections.max_write_buffer_size = 256 * 1024;
        example::Options options("relay", "everybody's lines, through a channel of Redis");
        place.add_to(options);
        options.add("redis", &settings.redis.server, "HOST:PORT or the path of its Unix socket");
        options.add("channel", &settings.channel, "of Redis");
        options.add("connect-time", &settings.redis.connect_time, "for reaching Redis");
        options.add("retry-time", &settings.redis.retry_time, "before the first new attempt");
        options.add("max-retry-time", &settings.redis.max_retry_time, "it is doubled up to this");
        options.add("max-pending", &settings.pending, "lines on their way to Redis");
        options.add("max-connections", &connections.max_connections, "open at a time");
        options.add("max-line", &settings.line, "bytes; a longer line ends its connection");
        options.add("max-backlog", &connections.max_write_buffer_size,
                    "bytes that may wait for a slow reader");
        if (!options.parse(argc, argv))
            return;

        relay::ignore_broken_pipes();
        tornado::IOLoop loop;
        auto const relay = std::make_shared<relay::Relay>(loop, settings);
        tornado::TCPServer server(
            loop,
            [relay](tornado::IOStreamPtr stream, tornado::Address) {
                return relay->serve(std::move(stream));
            },
            connections);
        example::serve(loop, server, place, "tcp", [&] { relay->dismiss_clients(); });
        relay->leave_redis();
    });
}
