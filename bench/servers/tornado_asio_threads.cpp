// SPDX-License-Identifier: BSL-1.0
// The library in Tornado 3's form on several cores: loops on threads, each with a listener of its
// own or all with one acceptor; or processes, each with a listener of its own.
#include "tornado/fork.hpp"
#include "tornado/shared_acceptor.hpp"
#include "tornado/threads.hpp"
#include "tornado_asio_callbacks.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace {

using namespace tornado;

using Handler = std::function<void(IOStreamPtr, Address const&)>;

void run_processes(unsigned count, Handler const& handle) {
    auto sockets = bind_sockets(0, "127.0.0.1", {.reuse_port = true}); // the first worker's
    auto const port = sockets.front().local_address().port();
    auto const task = fork_processes(static_cast<int>(count));
    if (task != 0)
        sockets = bind_sockets(port, "127.0.0.1", {.reuse_port = true});
    TCPServer server(handle);
    server.add_sockets(std::move(sockets));
    if (task + 1 == static_cast<int>(count))
        bench::announce(port);
    IOLoop::current().start();
}

void run_threads(unsigned count, Handler const& handle, bool with_acceptor) {
    std::optional<SharedAcceptor> acceptor;
    if (with_acceptor)
        acceptor.emplace(bind_sockets(0, "127.0.0.1"));
    std::uint16_t port = 0; // chosen by the kernel for the first
    unsigned running = 0;
    run_loops(count, [&](IOLoop& loop) {
        auto server = std::make_unique<TCPServer>(loop, handle);
        if (acceptor)
            server->listen(*acceptor);
        else
            server->listen(port, "127.0.0.1", {.reuse_port = true});
        port = server->addresses().front().port();
        if (++running == count)
            bench::announce(port);
        return server;
    });
}

} // namespace

int main(int argc, char** argv) {
    std::string const kind = argc > 3 ? argv[2] : "";
    if (kind != "reuse_port" && kind != "acceptor" && kind != "processes") {
        std::fprintf(stderr, "usage: %s COUNT reuse_port|acceptor|processes WORKLOAD...\n",
                     argv[0]);
        return 2;
    }
    auto const count = static_cast<unsigned>(std::strtoul(argv[1], nullptr, 10));
    argv[2] = argv[0];
    auto const workload = bench::parse(argc - 2, argv + 2);
    auto const handle = [workload](IOStreamPtr stream, Address const&) {
        return bench::serve(std::move(stream), workload);
    };
    if (kind == "processes")
        run_processes(count, handle);
    else
        run_threads(count, handle, kind == "acceptor");
}
