// SPDX-License-Identifier: BSL-1.0
// The command line of the HTTP demo.
#include "access_log.hpp"
#include "serve.hpp"
#include "server.hpp"

#include <algorithm>
#include <memory>
#include <string>

int main(int argc, char** argv) {
    return example::run("http", [&] {
        example::Place place;
        demo::RequestReader::Limits sizes;
        demo::TimeLimits times;
        tornado::TCPServerOptions connections;
        connections.max_connections = 10'000;
        std::string root = DEMO_ROOT;
        bool quiet = false;

        example::Options options("http", "an HTTP/1.1 server that shows itself at work");
        place.add_to(options);
        options.add("root", &root, "folder of the files to serve");
        options.add("max-connections", &connections.max_connections, "open at a time");
        options.add("max-request-line", &sizes.request_line, "bytes; a longer one gets 414");
        options.add("max-header", &sizes.head, "bytes of line and fields; more get 431");
        options.add("max-body", &sizes.body, "bytes; a larger one gets 413");
        options.add("first-byte-time", &times.first_byte, "until a new connection says something");
        options.add("header-time", &times.head, "for a request's line and fields, or 408");
        options.add("body-time", &times.body, "for a request's body, or 408");
        options.add("idle-time", &times.idle, "between requests");
        options.add("quiet", &quiet, "no access log");
        if (!options.parse(argc, argv))
            return;
        // What the other limits leave: a peer that does not take its answer.
        connections.idle_timeout = std::max({times.first_byte, times.head, times.body, times.idle});

        tornado::IOLoop loop;
        demo::collect_log_lines(loop);
        auto const site = std::make_shared<demo::Site>(sizes, times, root, !quiet);
        demo::HttpServer server(loop, site, connections);
        example::serve(loop, server, place, "http", [&] { server.drain(); });
        demo::stop_collecting_log_lines();
    });
}
