// SPDX-License-Identifier: BSL-1.0
// The command line of a worker.
#include "tornado/log.hpp"

#include "front.hpp"
#include "hub.hpp"
#include "local_bus.hpp"
#include "options.hpp"
#include "redis_bus.hpp"
#include "serve.hpp"
#include "stats.hpp"
#include "visitor.hpp"

#include <boost/algorithm/string/split.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>

namespace {

std::string host_name() {
    char name[256] = "localhost";
    ::gethostname(name, sizeof name - 1);
    return name;
}

} // namespace

int main(int argc, char** argv) {
    return example::run("worker", [&] {
        example::Place place;
        scale::RedisSettings redis;
        redis.link.server = "127.0.0.1:6379";
        scale::HubSettings rooms;
        rooms.host = host_name();
        scale::VisitorLimits limits;
        tornado::TCPServerOptions connections;
        connections.max_connections = 10'000;
        connections.first_byte_timeout = std::chrono::seconds(20);
        std::string proxies;
        std::string root = CHAT_ROOT;
        bool alone = false;

        example::Options options("worker", "one of the processes of a chat that scales out");
        place.add_to(options);
        options.add("name", &rooms.worker, "of this worker, as the page shows it");
        options.add("host", &rooms.host, "the name of its machine, likewise");
        options.add("root", &root, "folder of the page");
        options.add("redis", &redis.link.server, "HOST:PORT or the path of its Unix socket");
        options.add("alone", &alone, "without Redis: the rooms are this worker's alone");
        options.add("connect-time", &redis.link.connect_time, "for reaching Redis");
        options.add("retry-time", &redis.link.retry_time, "before the first new attempt");
        options.add("max-retry-time", &redis.link.max_retry_time, "it is doubled up to this");
        options.add("answer-time", &redis.answer_time, "for Redis' answer to a command");
        options.add("proxies", &proxies,
                    "only balancers of these networks may connect, and say in the PROXY protocol "
                    "for whom: \"127.0.0.1,::1\"");
        options.add("history", &rooms.history, "messages that are kept of a room");
        options.add("max-rooms", &rooms.rooms, "at a time");
        options.add("max-pending", &rooms.pending, "messages on their way to Redis");
        options.add("max-connections", &connections.max_connections, "open at a time");
        options.add("max-per-address", &connections.max_connections_per_address,
                    "of these, from one IPv4 address or one IPv6 network of 64 bits");
        options.add("max-message", &limits.message, "bytes; a longer one ends its connection");
        options.add("max-backlog", &limits.backlog, "messages that may wait for a slow reader");
        options.add("rate", &limits.rate, "messages a second from one client");
        options.add("burst", &limits.burst, "messages at once from one client");
        options.add("handshake-time", &limits.handshake_time, "for opening and for closing");
        options.add("join-time", &limits.join_time, "for saying which room");
        options.add("idle-time", &limits.idle_time, "after a half of it comes a ping");
        options.add("patience", &limits.patience, "with one that is to go");
        if (!options.parse(argc, argv))
            return;
        if (limits.backlog < rooms.history + 10)
            throw std::invalid_argument("--max-backlog " + std::to_string(limits.backlog) +
                                        " has no room for a newcomer's first words, the history: " +
                                        "give " + std::to_string(rooms.history + 10) + " or more");
        redis.history = rooms.history;
        connections.proxy_protocol = !proxies.empty();
        if (!proxies.empty())
            boost::algorithm::split(connections.trusted_proxies, proxies,
                                    [](char c) { return c == ','; });

        relay::ignore_broken_pipes();
        tornado::IOLoop loop;
        std::optional<scale::RedisBus> redis_bus;
        scale::LocalBus local_bus(loop);
        if (!alone)
            redis_bus.emplace(loop, redis);
        scale::Bus& bus = alone ? static_cast<scale::Bus&>(local_bus) : *redis_bus;
        scale::Hub hub(bus, rooms);
        auto const lounge = std::make_shared<scale::Lounge>(loop, hub, limits);
        tornado::TCPServer const* counted = nullptr;
        auto const front = std::make_shared<scale::Front const>(scale::Front{
            scale::Pages(root), lounge,
            [&] { return scale::stats(rooms, bus, hub, lounge->counters, counted->stats()); }});
        tornado::TCPServer server(
            loop,
            [front](tornado::IOStreamPtr stream, tornado::Address) {
                return scale::serve(front, std::move(stream));
            },
            connections);
        counted = &server;
        local_bus.open(hub);
        if (redis_bus)
            redis_bus->open(hub);
        example::serve(loop, server, place, "http", [&] { lounge->close(); });
        lounge->end();
    });
}
