// SPDX-License-Identifier: BSL-1.0
// Signals are handled on the loop, so stopping is ordinary code.
#include "serve.hpp"

#include "tornado/fork.hpp"
#include "tornado/systemd.hpp"

#include "describe.hpp"

#include <csignal>
#include <exception>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <optional>
#include <sys/resource.h>
#include <unistd.h>
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

// Of workers that share a unit systemd hears nothing: the first that is ready is not all.
void tell_systemd(std::string const& state) {
    if (!tornado::task_id())
        tornado::sd_notify(state);
}

tornado::SocketsByName sockets_of(std::vector<Listening> const& servers) {
    tornado::SocketsByName sockets;
    for (auto const& [server, scheme] : servers)
        sockets[std::string(scheme)] = server.listen_sockets();
    return sockets;
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
           std::function<void()> const& on_stop, Inherited* inherited) {
    raise_descriptor_limit();
    tornado::SystemdWatchdog const watchdog(loop);
    DescribeOnSignal const describing(loop);
    bool stopping = false;
    bool taken = false;
    auto busy = servers.size();
    auto const stop = [&] {
        if (std::exchange(stopping, true))
            return loop.stop();
        if (!taken)
            tell_systemd("STOPPING=1");
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
    std::optional<tornado::Handover> handover;
    auto const begin = [&] {
        if (inherited && !inherited->path().empty())
            handover.emplace(
                loop, inherited->path(), [&] { return sockets_of(servers); },
                [&] {
                    taken = true;
                    inherited->set_handed_over();
                    stop();
                });
        say_where(servers);
        tell_systemd("READY=1\nMAINPID=" + std::to_string(::getpid()));
    };
    // Before anybody hears that this one serves, and may end it.
    loop.add_signal_handler(SIGTERM, stop);
    loop.add_signal_handler(SIGINT, stop);
    tornado::error_code too_late;
    if (inherited && inherited->takeover())
        inherited->takeover()->ready([&](tornado::error_code ec) {
            too_late = ec;
            ec ? loop.stop() : begin();
        });
    else
        begin();
    loop.start();
    loop.remove_signal_handler(SIGTERM);
    loop.remove_signal_handler(SIGINT);

    if (too_late)
        throw tornado::system_error(too_late, "the process before goes on");
    if (!taken) // or it is the next one's by now
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
    DescribeOnSignal const describing(loop);
    bool stopping = false;
    auto const stop = [&] {
        if (std::exchange(stopping, true))
            return loops.stop();
        tell_systemd("STOPPING=1");
        loops.shutdown();
    };
    loop.add_signal_handler(SIGTERM, stop);
    loop.add_signal_handler(SIGINT, stop);
    static std::once_flag said;
    std::call_once(said, [&] {
        raise_descriptor_limit();
        say_where({{server, scheme}});
        tell_systemd("READY=1");
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
