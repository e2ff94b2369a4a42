// SPDX-License-Identifier: BSL-1.0
// The command line of the chat.
#include "options.hpp"
#include "room.hpp"
#include "serve.hpp"

#include <memory>
#include <utility>

// Those who are told that the room is full need a connection for that.
constexpr std::size_t doorway = 16;

int main(int argc, char** argv) {
    return example::run("chat", [&] {
        example::Place place;
        chat::Limits limits;
        example::Options options("chat", "one room for all who connect; try nc");
        place.add_to(options);
        options.add("max-members", &limits.members, "a further one is sent away");
        options.add("max-line", &limits.line, "bytes; a longer line ends its connection");
        options.add("max-backlog", &limits.backlog, "bytes that may wait for a slow reader");
        options.add("name-time", &limits.name_time, "for saying who you are");
        options.add("patience", &limits.patience, "with one who reads too slowly");
        if (!options.parse(argc, argv))
            return;

        tornado::IOLoop loop;
        auto const room = std::make_shared<chat::Room>(loop, limits);
        tornado::TCPServerOptions connections;
        connections.max_connections = limits.members + doorway;
        connections.max_write_buffer_size = limits.backlog;
        tornado::TCPServer server(
            loop,
            [room](tornado::IOStreamPtr stream, tornado::Address) {
                return chat::visit(room, std::move(stream));
            },
            connections);
        example::serve(loop, server, place, "tcp", [&] { room->close(); });
    });
}
