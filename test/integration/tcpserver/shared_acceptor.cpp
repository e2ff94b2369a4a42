// SPDX-License-Identifier: BSL-1.0
// One acceptor for servers on several threads: who gets what, and who accepts.
#include "tornado/shared_acceptor.hpp"

#include "tornado/testing.hpp"

#include "support/blocking_client.hpp"
#include "support/loop_servers.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace tornado;
using namespace tornado::test;

namespace {

ListenSocket loopback() {
    return bind_unused_port().first;
}

/// Servers that share one acceptor. It may go once all listen.
class Sharing : public LoopServers {
public:
    explicit Sharing(unsigned threads, TCPServerOptions options = {},
                     ListenSocket socket = loopback())
        : LoopServers(
              threads, [this](TCPServer& server, std::size_t) { server.listen(*acceptor); },
              std::move(options)),
          acceptor(std::make_unique<SharedAcceptor>(std::move(socket))),
          address(acceptor->addresses().at(0)) {}

    /// A connection, and the number of its server.
    struct Connection {
        explicit Connection(Address const& server)
            : client(server), number(client.ask("x\n").at(0)) {}
        BlockingClient client;
        char number;
    };

    bool is_refused() const {
        try {
            BlockingClient const client(address);
            return false;
        } catch (std::system_error const& e) {
            return e.code() == std::errc::connection_refused;
        }
    }

    std::unique_ptr<SharedAcceptor> acceptor;
    Address address;
};

using Connection = Sharing::Connection;
using Counts = std::map<char, int>;

} // namespace

BOOST_AUTO_TEST_SUITE(shared_acceptor)

BOOST_AUTO_TEST_CASE(connections_are_spread_evenly) {
    Sharing servers(4);
    Counts counts;
    servers.run([&] {
        std::list<Connection> connections;
        for (int i = 0; i < 100; ++i)
            ++counts[connections.emplace_back(servers.address).number];
    });
    BOOST_TEST((counts == Counts{{'0', 25}, {'1', 25}, {'2', 25}, {'3', 25}}));
}

BOOST_AUTO_TEST_CASE(connections_that_come_at_once_are_spread_evenly) {
    Sharing servers(4);
    std::array<std::size_t, 4> counts{};
    servers.run([&] {
        std::list<BlockingClient> clients;
        for (int i = 0; i < 200; ++i)
            clients.emplace_back(servers.address);
        for (auto& client : clients)
            ++counts.at(static_cast<std::size_t>(client.ask("x\n").at(0) - '0'));
    });
    auto const [fewest, most] = std::ranges::minmax(counts);
    BOOST_TEST(fewest >= 45U);
    BOOST_TEST(most <= 55U);
}

BOOST_AUTO_TEST_CASE(short_connections_are_spread_evenly) {
    Sharing servers(3);
    Counts counts;
    servers.run([&] {
        for (int i = 0; i < 90; ++i) {
            auto const number = static_cast<std::size_t>(Connection(servers.address).number - '0');
            ++counts[static_cast<char>('0' + number)];
            servers.until_active(number, 0);
        }
    });
    BOOST_TEST((counts == Counts{{'0', 30}, {'1', 30}, {'2', 30}}));
}

BOOST_AUTO_TEST_CASE(what_has_ended_is_made_up_for) {
    Sharing servers(3);
    std::string numbers;
    servers.run([&] {
        std::list<Connection> connections;
        for (int i = 0; i < 9; ++i)
            connections.emplace_back(servers.address);
        connections.remove_if([](Connection const& c) { return c.number == '1'; });
        servers.until_active(1, 0);
        for (int i = 0; i < 3; ++i)
            numbers += connections.emplace_back(servers.address).number;
    });
    BOOST_TEST(numbers == "111");
}

BOOST_AUTO_TEST_CASE(a_servers_other_connections_count) {
    Sharing servers(2);
    std::string numbers;
    servers.run([&] {
        auto const own = servers.on(0, [](TCPServer& server) {
            server.listen(0, "127.0.0.1");
            return server.addresses().at(0);
        });
        std::list<Connection> connections;
        connections.emplace_back(own);
        connections.emplace_back(own);
        for (int i = 0; i < 3; ++i)
            numbers += connections.emplace_back(servers.address).number;
    });
    BOOST_TEST(numbers == "110");
}

BOOST_AUTO_TEST_CASE(a_server_tells_the_shared_address) {
    Sharing servers(2);
    servers.run([&] {
        for (std::size_t number : {0U, 1U}) {
            auto const addresses =
                servers.on(number, [](TCPServer& server) { return server.addresses(); });
            if (addresses != servers.acceptor->addresses())
                throw std::runtime_error("another address");
        }
    });
}

BOOST_AUTO_TEST_CASE(the_acceptor_may_go_before_the_servers) {
    Sharing servers(2);
    std::string numbers;
    servers.run([&] {
        servers.acceptor.reset();
        Connection const first(servers.address);
        Connection const second(servers.address);
        numbers = {first.number, second.number};
    });
    BOOST_TEST(numbers == "01");
}

BOOST_AUTO_TEST_CASE(a_unix_socket_is_shared_too) {
    auto const name = std::string(1, '\0') + "tornado-asio-shared-" + std::to_string(::getpid());
    Sharing servers(2, {}, bind_unix_socket(name));
    std::string numbers;
    servers.run([&] {
        Connection const first(servers.address);
        Connection const second(servers.address);
        numbers = {first.number, second.number};
    });
    BOOST_TEST(numbers == "01");
}

// ---- servers that stop

BOOST_AUTO_TEST_CASE(when_the_accepting_server_stops_another_ones_loop_accepts) {
    Sharing servers(3);
    std::string numbers;
    bool refused = false;
    servers.run([&] {
        std::list<Connection> connections;
        for (std::size_t stopped : {0U, 1U, 2U}) {
            connections.emplace_back(servers.address);
            numbers += connections.back().number;
            servers.on(stopped, [](TCPServer& server) { server.stop(); });
        }
        refused = servers.is_refused();
        for (auto& connection : connections)
            numbers += connection.client.ask("still there\n").at(0);
    });
    BOOST_TEST(numbers == "012012");
    BOOST_TEST(refused);
}

BOOST_AUTO_TEST_CASE(when_the_accepting_loop_ends_another_one_accepts) {
    Sharing servers(3);
    std::string numbers;
    servers.run([&] {
        Connection first(servers.address);
        servers.loop(0).stop();
        if (!first.client.is_closed())
            throw std::runtime_error("a connection of a loop that has ended is open");
        Connection const second(servers.address);
        Connection const third(servers.address);
        numbers = {first.number, second.number, third.number};
    });
    BOOST_TEST(numbers == "012");
}

BOOST_AUTO_TEST_CASE(a_server_that_outlives_its_loop_has_left) {
    SharedAcceptor acceptor(loopback());
    LoopGroup loops;
    std::vector<std::pair<IOLoop*, std::unique_ptr<TCPServer>>> servers;
    std::thread client;
    std::string answer;
    loops.run(2, [&](IOLoop& loop) {
        servers.emplace_back(
            &loop, std::make_unique<TCPServer>(loop, [](IOStreamPtr const& stream, Address const&) {
                stream->write("hello\n");
            }));
        servers.back().second->listen(acceptor);
        if (servers.size() == 2)
            client = std::thread([&] {
                servers[0].first->stop();
                for (int i = 0; i < 3; ++i)
                    answer = BlockingClient(acceptor.addresses().at(0)).line();
                loops.stop();
            });
    });
    client.join();
    BOOST_TEST(answer == "hello\n");
}

BOOST_AUTO_TEST_CASE(a_server_may_come_back) {
    Sharing servers(2);
    std::string numbers;
    servers.run([&] {
        servers.on(0, [](TCPServer& server) { server.stop(); });
        std::list<Connection> connections;
        connections.emplace_back(servers.address);
        connections.emplace_back(servers.address);
        servers.on(0, [&](TCPServer& server) { server.listen(*servers.acceptor); });
        for (int i = 0; i < 3; ++i)
            connections.emplace_back(servers.address);
        for (auto const& connection : connections)
            numbers += connection.number;
    });
    BOOST_TEST(numbers == "11001");
}

BOOST_AUTO_TEST_CASE(after_the_last_server_it_is_closed_for_good) {
    SharedAcceptor acceptor(loopback());
    IOLoop loop;
    TCPServer server(loop, [](IOStreamPtr, Address) {});
    for (int i = 0; i < 2; ++i) {
        server.listen(acceptor);
        BOOST_TEST((server.addresses() == acceptor.addresses()));
        server.stop();
        BOOST_TEST(server.addresses().empty());
        BOOST_CHECK_THROW(BlockingClient(acceptor.addresses().at(0)), std::system_error);
    }
}

// ---- limits

BOOST_AUTO_TEST_CASE(a_full_server_is_passed_over_and_full_ones_let_wait) {
    TCPServerOptions options;
    options.max_connections = 2;
    Sharing servers(2, options);
    std::string numbers;
    servers.run([&] {
        std::list<Connection> connections;
        for (int i = 0; i < 4; ++i)
            connections.emplace_back(servers.address);
        for (auto const& connection : connections)
            numbers += connection.number;
        BlockingClient waiting(servers.address);
        waiting.send("x\n");
        connections.erase(std::next(connections.begin())); // of server 1
        numbers += waiting.line().at(0);
        BlockingClient next(servers.address); // they are full again
        next.send("x\n");
        connections.pop_front(); // of server 0
        numbers += next.line().at(0);
    });
    BOOST_TEST(numbers == "010110");
}

BOOST_AUTO_TEST_CASE(the_next_one_to_accept_lets_wait_too_if_it_is_full) {
    TCPServerOptions options;
    options.max_connections = 1;
    Sharing servers(2, options);
    std::size_t active = 0;
    std::string numbers;
    servers.run([&] {
        std::list<Connection> connections;
        for (int i = 0; i < 2; ++i)
            numbers += connections.emplace_back(servers.address).number;
        servers.on(0, [](TCPServer& server) { server.stop(); });
        BlockingClient waiting(servers.address);
        waiting.send("x\n");
        for (int turn = 0; turn < 5; ++turn)
            servers.on(1, [&](TCPServer& server) { active = server.stats().active; });
        connections.pop_back(); // of server 1
        numbers += waiting.line().at(0);
    });
    BOOST_TEST(active == 1u);
    BOOST_TEST(numbers == "011");
}

// ---- all at once

BOOST_AUTO_TEST_CASE(no_connection_is_lost_while_servers_come_and_go) {
    constexpr int clients = 4;
    constexpr int connections = 150;
    Sharing servers(4);
    std::atomic<int> answers = 0;
    std::atomic<int> talking = clients;
    servers.run([&] {
        std::vector<std::thread> threads;
        for (int i = 0; i < clients; ++i)
            threads.emplace_back([&] {
                for (int n = 0; n < connections; ++n)
                    try {
                        answers += BlockingClient(servers.address).ask("x\n").size() == 4;
                    } catch (std::system_error const&) {
                    }
                --talking;
            });
        // Server 3 stays; the others leave and come back, the accepting one among them.
        for (std::size_t i = 0; talking != 0; ++i)
            servers.on(i % 3, [&](TCPServer& server) {
                server.stop();
                if (i / 3 % 2 == 0)
                    server.listen(*servers.acceptor);
            });
        for (auto& thread : threads)
            thread.join();
    });
    BOOST_TEST(answers == clients * connections);
}

BOOST_AUTO_TEST_SUITE_END()
