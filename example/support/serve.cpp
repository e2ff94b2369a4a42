// SPDX-License-Identifier: BSL-1.0
// Signals are handled on the loop, so stopping is ordinary code.
#include "serve.hpp"

#include "tornado/fork.hpp"

#include <csignal>
#include <exception>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <sys/resource.h>
#include <utility>

namespace example {
namespace {

// A server's connections are descriptors: take as many as this process may have.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

std::string url(tornado::Address const& address, std::string_view scheme) {
    if (address.is_unix())
        return "unix:" + address.path();
    return std::string(scheme) + "://" + address.to_string() + "/";
}

void say_where(std::vector<Listening> const& servers) {
    if (tornado::task_id().value_or(0) != 0)
        return; // the first worker process says it
    std::string line;
    for (auto const& [server, scheme] : servers)
        for (auto const& address : server.addresses())
            line += (line.empty() ? "listening on " : ", ") + url(address, scheme);
    std::cout << line << std::endl;
}

void remove_unix_socket(Place const& place) {
    std::error_code ignored; // somebody else may have removed it
    if (!place.unix_path.empty())
        std::filesystem::remove(place.unix_path, ignored);
}

} // namespace

void Place::add_to(Options& options) {
    options.add("port", &port, "port to listen on; 0 picks one");
    options.add("address", &address, "address or host name to listen on; all interfaces: ''");
    options.add("unix", &unix_path, "listen on this Unix socket instead");
    options.add("drain-time", &drain, "how long a stop waits for live connections");
}

std::vector<tornado::ListenSocket> bind(Place const& place) {
    if (place.unix_path.empty())
        return tornado::bind_sockets(place.port, place.address);
    std::vector<tornado::ListenSocket> sockets;
    sockets.push_back(tornado::bind_unix_socket(place.unix_path));
    return sockets;
}

void listen(tornado::TCPServer& server, Place const& place) {
    server.add_sockets(bind(place));
}

void serve(tornado::IOLoop& loop, std::vector<Listening> const& servers, Place const& place,
           std::function<void()> const& on_stop) {
    raise_descriptor_limit();
    bool stopping = false;
    auto busy = servers.size();
    auto const stop = [&] {
        if (std::exchange(stopping, true))
            return loop.stop();
        for (auto const& each : servers)
            each.server.stop(); // before a client can see that it is stopping
        if (on_stop)
            on_stop();
        for (auto const& each : servers)
            each.server.shutdown(place.drain, [&](tornado::error_code, std::size_t) {
                if (--busy == 0)
                    loop.stop();
            });
    };
    loop.add_signal_handler(SIGTERM, stop);
    loop.add_signal_handler(SIGINT, stop);
    say_where(servers);
    loop.start();
    loop.remove_signal_handler(SIGTERM);
    loop.remove_signal_handler(SIGINT);

    remove_unix_socket(place);
}

void serve(tornado::IOLoop& loop, tornado::TCPServer& server, Place const& place,
           std::string_view scheme, std::function<void()> const& on_stop) {
    listen(server, place);
    serve(loop, {{server, scheme}}, place, on_stop);
}

asio::awaitable<void> serve(tornado::LoopGroup& loops, tornado::IOLoop& loop,
                            tornado::TCPServer& server, Place const& place,
                            std::string_view scheme) {
    bool stopping = false;
    auto const stop = [&] { std::exchange(stopping, true) ? loops.stop() : loops.shutdown(); };
    loop.add_signal_handler(SIGTERM, stop);
    loop.add_signal_handler(SIGINT, stop);
    static std::once_flag said;
    std::call_once(said, [&] {
        raise_descriptor_limit();
        say_where({{server, scheme}});
    });
    co_await loops.wait_for_shutdown(loop);
    remove_unix_socket(place);
    co_await server.shutdown(place.drain);
    loop.remove_signal_handler(SIGTERM);
    loop.remove_signal_handler(SIGINT);
}

int run(std::string_view program, std::function<void()> const& body) {
    try {
        body();
        return 0;
    } catch (std::exception const& e) {
        std::cerr << program << ": " << e.what() << std::endl;
        return 1;
    }
}

} // namespace example
