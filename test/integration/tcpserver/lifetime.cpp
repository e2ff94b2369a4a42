// SPDX-License-Identifier: BSL-1.0
// Servers that outlive their loop or its context, in every state, destroyed and used after it.
#include "tornado/tcpserver.hpp"

#include "support/descriptors.hpp"
#include "support/host.hpp"
#include "support/io.hpp"
#include "support/tls.hpp"
#include "support/uncalled.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace tornado;
using namespace tornado::test;

namespace {

/// What is to be ready, which the test then ends.
struct Scene {
    Host& host;
    TCPServer& server;
    std::vector<IOStreamPtr>& streams; // of the server's connections
    Uncalled const& uncalled;

    /// A client, once the server has taken it.
    Client& connect(std::size_t active = 1) {
        auto& client = clients.emplace_back(host, server.addresses().at(0));
        host.run([&] { return host.until([&] { return server.stats().active == active; }); });
        return client;
    }

    std::vector<Client> clients{};
};

void use(TCPServer& server) {
    Uncalled const uncalled;
    auto const stats = server.stats();
    BOOST_TEST(stats.active == 0U);
    BOOST_TEST(server.addresses().empty());
    server.shutdown(1h, uncalled.handler());
    BOOST_TEST(uncalled.left() == 0);
    auto sockets = bind_sockets(0, "127.0.0.1");
    auto const address = sockets.at(0).local_address();
    server.add_sockets(std::move(sockets));
    Io io;
    asio::generic::stream_protocol::socket peer(io.context);
    error_code refused;
    peer.connect(address.endpoint(), refused);
    BOOST_TEST((refused == asio::error::connection_refused));
    server.listen(0, "127.0.0.1");
    server.bind(0, "127.0.0.1");
    server.start();
    BOOST_TEST(server.addresses().empty());
    server.stop();
    BOOST_TEST(server.stats().accepted == stats.accepted);
    asio::post(server.get_executor(), uncalled.handler());
    BOOST_TEST(uncalled.left() == 0);
}

/// `prepare` brings a server into a state; then its loop ends, or the context that it is on.
void outlive(TCPServerOptions const& options, std::function<void(Scene&)> const& prepare) {
    auto const descriptors = open_descriptors();
    for (bool const foreign : {false, true})
        for (bool const used : {false, true}) {
            Uncalled const uncalled;
            std::vector<IOStreamPtr> streams;
            auto host = std::make_unique<Host>(foreign);
            TCPServer server(
                host->loop(),
                [&streams, held = uncalled.handler()](IOStreamPtr stream,
                                                      Address) -> asio::awaitable<void> {
                    streams.push_back(stream);
                    co_await stream->read_until("never");
                },
                options);
            {
                Scene scene{*host, server, streams, uncalled};
                prepare(scene);
            }
            host.reset();
            BOOST_TEST(open_descriptors() == descriptors);
            BOOST_TEST(server.stats().active == 0U);
            BOOST_TEST(uncalled.left() == 1); // the server's own handler
            for (auto const& stream : streams) {
                BOOST_TEST(stream->closed());
                BOOST_TEST(stream.use_count() == 1);
            }
            if (used)
                use(server);
        }
}

TCPServerOptions with_all_timers() {
    TCPServerOptions options;
    options.idle_timeout = 1h;
    options.max_connections = 2;
    return options;
}

} // namespace

BOOST_AUTO_TEST_SUITE(tcpserver_lifetime)

BOOST_AUTO_TEST_CASE(one_never_used) {
    outlive({}, [](Scene&) {});
}

BOOST_AUTO_TEST_CASE(one_that_listens) {
    outlive({}, [](Scene& scene) { scene.server.listen(0, "127.0.0.1"); });
}

BOOST_AUTO_TEST_CASE(one_that_was_stopped) {
    outlive({}, [](Scene& scene) {
        scene.server.listen(0, "127.0.0.1");
        scene.server.stop();
    });
}

BOOST_AUTO_TEST_CASE(one_with_a_connection_that_waits) {
    outlive(with_all_timers(), [](Scene& scene) {
        scene.server.listen(0, "127.0.0.1");
        scene.connect(1).send("bytes that nobody reads");
        scene.host.run([&] { return scene.host.until([&] { return scene.streams.size() == 1; }); });
    });
}

BOOST_AUTO_TEST_CASE(one_that_is_full) {
    outlive(with_all_timers(), [](Scene& scene) {
        scene.server.listen(0, "127.0.0.1");
        scene.connect(1);
        scene.connect(2);
        scene.clients.emplace_back(scene.host, scene.server.addresses().at(0)); // waits
    });
}

BOOST_AUTO_TEST_CASE(one_whose_shutdown_waits) {
    outlive(with_all_timers(), [](Scene& scene) {
        scene.server.listen(0, "127.0.0.1");
        scene.connect(1);
        scene.server.shutdown(1h, scene.uncalled.handler());
    });
}

BOOST_AUTO_TEST_CASE(one_whose_handshake_is_under_way) {
    auto options = with_all_timers();
    options.ssl = server_context();
    outlive(options, [](Scene& scene) {
        scene.server.listen(0, "127.0.0.1");
        scene.connect(1);
    });
}

BOOST_AUTO_TEST_SUITE_END()
