// SPDX-License-Identifier: BSL-1.0
// The command line of the HTTP demo.
#include "access_log.hpp"
#include "self_signed.hpp"
#include "serve.hpp"
#include "server.hpp"

#include <boost/algorithm/string/split.hpp>
#include <boost/asio/ssl/context.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

int main(int argc, char** argv) {
    return example::run("http", [&] {
        example::Place place;
        demo::RequestReader::Limits sizes;
        demo::TimeLimits times;
        std::chrono::milliseconds first_byte = std::chrono::seconds(20);
        tornado::TCPServerOptions connections;
        connections.max_connections = 10'000;
        connections.max_connections_per_address = 10'000;
        std::string root = DEMO_ROOT;
        std::optional<std::uint16_t> tls_port;
        bool no_tls = false;
        std::string certfile;
        std::string keyfile;
        std::string state = demo::state_folder();
        std::string proxies;
        std::string handover;
        bool public_metrics = false;
        std::chrono::milliseconds block_time = std::chrono::seconds(1);
        bool quiet = false;

        example::Options options("http", "an HTTP/1.1 server that shows itself at work");
        place.add_to(options);
        options.add("tls-port", &tls_port, "of HTTPS (8443, or with --port 0 a free one)");
        options.add("no-tls", &no_tls, "no HTTPS; there is none on a Unix socket either");
        options.add("certfile", &certfile, "PEM file; none: one for localhost is made and kept");
        options.add("keyfile", &keyfile, "its key, if that is in another file; SIGHUP reads both");
        options.add("state", &state, "folder to keep that certificate in");
        options.add("root", &root, "folder of the files to serve");
        options.add("max-connections", &connections.max_connections, "open at a time");
        options.add("max-per-address", &connections.max_connections_per_address,
                    "of these, from one IPv4 address or one IPv6 network of 64 bits");
        options.add("max-request-line", &sizes.request_line, "bytes; a longer one gets 414");
        options.add("max-header", &sizes.head, "bytes of line and fields; more get 431");
        options.add("max-body", &sizes.body, "bytes; a larger one gets 413");
        options.add("first-byte-time", &first_byte, "until a new connection says something");
        options.add("header-time", &times.head, "for a request's line and fields, or 408");
        options.add("body-time", &times.body, "for a request's body, or 408");
        options.add("idle-time", &times.idle, "between requests");
        options.add(
            "proxies", &proxies,
            "only balancers of these networks may connect, and say in the PROXY protocol for "
            "whom: \"10.0.0.0/8,::1\", \"unix\"");
        options.add("handover", &handover,
                    "take over from the process that waits at this Unix socket, if there is one, "
                    "and wait there for the next");
        options.add("public-metrics", &public_metrics,
                    "/metrics for everybody; else for this machine alone");
        options.add("block-time", &block_time,
                    "log a handler that holds up the loop for longer, and measure the longest");
        options.add("quiet", &quiet, "no access log");
        if (!options.parse(argc, argv))
            return;
        if (certfile.empty() && !keyfile.empty())
            throw std::invalid_argument("--keyfile needs --certfile");
        connections.first_byte_timeout = connections.handshake_timeout = first_byte;
        // What the other limits leave: a peer that does not take its answer.
        connections.idle_timeout = std::max({first_byte, times.head, times.body, times.idle});

        connections.proxy_protocol = !proxies.empty();
        if (!proxies.empty())
            boost::algorithm::split(connections.trusted_proxies, proxies,
                                    [](char c) { return c == ','; });

        auto const make_context = [&] {
            tornado::SSLOptions const tls{.certfile = certfile.empty() ? demo::self_signed(state)
                                                                       : certfile,
                                          .keyfile = keyfile,
                                          .alpn_protocols = {"http/1.1"}};
            return tornado::ssl_options_to_context(tls, true);
        };

        tornado::IOLoop loop;
        example::Inherited inherited(loop, handover);
        demo::collect_log_lines(loop);
        auto const site = std::make_shared<demo::Site>(sizes, times, root, !quiet);
        demo::HttpServer http(loop, site, connections);
        std::optional<demo::HttpServer> https;
        site->public_metrics = public_metrics;
        loop.set_blocking_log_threshold(block_time);
        demo::Clock clock(loop, site);
        std::vector<example::Listening> servers{{http, "http"}};
        clock.add("http", http);
        auto sockets = inherited.sockets("http");
        http.add_sockets(sockets.empty() ? example::bind(place) : std::move(sockets));
        if (!no_tls && place.unix_path.empty()) {
            connections.ssl = make_context();
            https.emplace(loop, site, connections);
            https->add_sockets(inherited.sockets("https"));
            if (https->addresses().empty())
                https->listen(tls_port.value_or(place.port == 0 ? 0 : 8443), place.address);
            clock.add("https", *https);
            servers.push_back({*https, "https"});
            // What is wrong with the new certificate is logged, and the old one stays.
            loop.add_signal_handler(SIGHUP, [&] { https->reload_tls(make_context()); });
        }
        inherited.check_all_taken();
        example::serve(
            loop, servers, place, [&] { demo::drain(*site, inherited.handed_over()); }, &inherited);
        demo::stop_collecting_log_lines();
    });
}
