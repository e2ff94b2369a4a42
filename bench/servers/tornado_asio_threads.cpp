// SPDX-License-Identifier: BSL-1.0
// The library in Tornado 3's form on several threads: each loop with a listener of its own, or all
// with one acceptor.
#include "tornado/shared_acceptor.hpp"
#include "tornado/threads.hpp"
#include "tornado_asio_callbacks.hpp"

#include <memory>
#include <optional>

int main(int argc, char** argv) {
    using namespace tornado;
    std::string_view const kind = argc > 3 ? argv[2] : "";
    if (kind != "reuse_port" && kind != "acceptor") {
        std::fprintf(stderr, "usage: %s THREADS reuse_port|acceptor WORKLOAD...\n", argv[0]);
        return 2;
    }
    auto const threads = static_cast<unsigned>(std::strtoul(argv[1], nullptr, 10));
    argv[2] = argv[0];
    auto const workload = bench::parse(argc - 2, argv + 2);
    auto const handle = [workload](IOStreamPtr stream, Address const&) {
        return bench::serve(std::move(stream), workload);
    };

    std::optional<SharedAcceptor> acceptor;
    if (kind == "acceptor")
        acceptor.emplace(bind_sockets(0, "127.0.0.1"));
    std::uint16_t port = 0; // chosen by the kernel for the first
    unsigned running = 0;
    run_loops(threads, [&](IOLoop& loop) {
        auto server = std::make_unique<TCPServer>(loop, handle);
        if (acceptor)
            server->listen(*acceptor);
        else
            server->listen(port, "127.0.0.1", {.reuse_port = true});
        port = server->addresses().front().port();
        if (++running == threads)
            bench::announce(port);
        return server;
    });
}
