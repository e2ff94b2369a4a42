// SPDX-License-Identifier: BSL-1.0
// Servers and timers on every loop of a group, and every way to end them while clients are busy.
#include "tornado/threads.hpp"

#include "support/blocking_client.hpp"
#include "support/descriptors.hpp"
#include "support/loop_servers.hpp"
#include "support/tls.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::chrono_literals;

namespace {

/// Each server has a listener of its own, all on one port.
class Beside : public LoopServers {
public:
    explicit Beside(unsigned threads, TCPServerOptions options = {})
        : LoopServers(
              threads,
              [this](TCPServer& server, std::size_t) {
                  server.listen(address ? address->port() : 0, "127.0.0.1", {.reuse_port = true});
                  address = server.addresses().at(0);
              },
              std::move(options)) {}

    std::optional<Address> address;
};

/// Talks on new connections until a server does not answer any more.
class Crowd {
public:
    Crowd(unsigned clients, Address const& server) {
        for (unsigned i = 0; i < clients; ++i)
            threads_.emplace_back([this, server] {
                try {
                    for (;;) {
                        BlockingClient client(server);
                        for (int n = 0; n < 3; ++n)
                            if (client.ask("x\n").empty())
                                return;
                        ++dialogues_;
                    }
                } catch (std::system_error const&) {
                }
            });
    }
    ~Crowd() {
        for (auto& thread : threads_)
            thread.join();
    }

    void until_busy(int dialogues) const {
        while (dialogues_ < dialogues)
            std::this_thread::yield();
    }

private:
    std::atomic<int> dialogues_ = 0;
    std::vector<std::thread> threads_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(threads_servers)

BOOST_AUTO_TEST_CASE(each_loop_has_its_own_listener_on_one_port) {
    Beside servers(3);
    std::array<int, 3> counts{};
    servers.run([&] {
        for (int i = 0; i < 100; ++i)
            ++counts.at(
                static_cast<std::size_t>(BlockingClient(*servers.address).ask("x\n").at(0) - '0'));
    });
    for (auto const count : counts) // the kernel spreads by a hash of the ports
        BOOST_TEST(count > 5);
}

BOOST_AUTO_TEST_CASE(shutdown_waits_for_live_connections_on_every_loop) {
    Beside servers(3);
    std::vector<std::unique_ptr<BlockingClient>> clients;
    std::string answers;
    servers.run([&] {
        for (int i = 0; i < 30; ++i) {
            clients.push_back(std::make_unique<BlockingClient>(*servers.address));
            clients.back()->ask("x\n");
        }
        servers.group().shutdown();
        for (;;) // until nobody listens
            try {
                BlockingClient const refused(*servers.address);
            } catch (std::system_error const& e) {
                if (e.code() == std::errc::connection_refused)
                    break;
            }
        for (auto& client : clients)
            answers += client->ask("y\n").at(2);
        clients.clear();
    });
    BOOST_TEST(answers == std::string(30, 'y'));
}

BOOST_AUTO_TEST_CASE(stop_while_connections_arrive) {
    auto const before = open_descriptors();
    for (int round = 0; round < 5; ++round) {
        Beside servers(3);
        std::optional<Crowd> crowd;
        servers.run([&] {
            crowd.emplace(4, *servers.address);
            crowd->until_busy(20);
            servers.group().stop();
        });
        crowd.reset();
        BOOST_TEST(open_descriptors() == before);
    }
}

BOOST_AUTO_TEST_CASE(an_exception_while_connections_arrive) {
    Beside servers(3);
    std::optional<Crowd> crowd;
    BOOST_CHECK_THROW(servers.run([&] {
        crowd.emplace(4, *servers.address);
        crowd->until_busy(20);
        throw std::runtime_error("enough");
    }),
                      std::runtime_error);
}

BOOST_AUTO_TEST_CASE(when_one_loop_ends_the_others_get_all_connections) {
    Beside servers(3);
    std::string numbers;
    servers.run([&] {
        std::unique_ptr<BlockingClient> on_1;
        do {
            on_1 = std::make_unique<BlockingClient>(*servers.address);
        } while (on_1->ask("x\n").at(0) != '1');
        Crowd const crowd(2, *servers.address);
        crowd.until_busy(20);
        servers.loop(1).stop();
        if (!on_1->is_closed())
            throw std::runtime_error("a connection of a loop that has ended is open");
        // What the kernel had given to the closing listener is reset.
        while (numbers.size() < 30)
            try {
                numbers += BlockingClient(*servers.address).ask("x\n").at(0);
            } catch (std::exception const&) {
                numbers.clear();
            }
        servers.group().stop();
    });
    BOOST_TEST(numbers.find('0') != numbers.npos);
    BOOST_TEST(numbers.find('1') == numbers.npos);
    BOOST_TEST(numbers.find('2') != numbers.npos);
}

BOOST_AUTO_TEST_CASE(servers_on_several_loops_share_a_tls_context) {
    TCPServerOptions options;
    options.ssl = server_context();
    Beside servers(3, options);
    std::atomic<int> answers = 0;
    servers.run([&] {
        run_loops(3, [&](IOLoop& loop) -> asio::awaitable<void> {
            // Of its own: the thread sanitizer does not see what guards OpenSSL's trusted
            // certificates.
            auto const client = client_context();
            for (int i = 0; i < 20; ++i) {
                auto const stream =
                    std::make_shared<SSLIOStream>(asio::ip::tcp::socket(loop.context()), client);
                co_await stream->connect(*servers.address, "localhost");
                stream->write("x\n");
                auto const answer = co_await stream->read_until("\n");
                answers += answer.size() == 4;
            }
        });
    });
    BOOST_TEST(answers == 60);
}

BOOST_AUTO_TEST_SUITE_END()
