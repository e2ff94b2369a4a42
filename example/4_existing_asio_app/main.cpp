// SPDX-License-Identifier: BSL-1.0
// The command line of the application.
#include "app.hpp"
#include "options.hpp"
#include "serve.hpp"

int main(int argc, char** argv) {
    return example::run("app", [&] {
        app::Settings settings;
        example::Options options("app", "an Asio application that takes streams in");
        options.add("port", &settings.port, "of the application's own acceptor; 0 picks one");
        options.add("address", &settings.address, "IP address to listen on");
        options.add("status-port", &settings.status_port, "of the TCPServer; 0 picks one");
        options.add("unix", &settings.unix_path, "the TCPServer on this Unix socket instead");
        options.add("max-connections", &settings.connections, "a further one is closed at once");
        options.add("max-line", &settings.line, "bytes; a longer line ends its connection");
        options.add("max-message", &settings.message, "bytes of a WebSocket message");
        options.add("tick-time", &settings.tick, "between the application's own ticks");
        options.add("first-line-time", &settings.first_line_time,
                    "for the first line or handshake");
        options.add("idle-time", &settings.idle, "a silent WebSocket is pinged, then closed");
        options.add("drain-time", &settings.drain, "how long a stop waits for live connections");
        if (options.parse(argc, argv))
            app::App(settings).run();
    });
}
