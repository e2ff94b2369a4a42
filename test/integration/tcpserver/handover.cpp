// SPDX-License-Identifier: BSL-1.0
// Hot restart: generations of a server, each a process, under clients that connect all the time.
#include "tornado/handover.hpp"

#include "tornado/log.hpp"
#include "tornado/tcpserver.hpp"

#include "support/blocking_client.hpp"
#include "support/processes.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <poll.h>
#include <string>
#include <system_error>
#include <unistd.h>

using namespace tornado;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// A process that takes over, or binds a port if there is nobody. It answers each connection with
/// its number, and ends with 0 when another has taken over.
class Generation {
public:
    Generation(std::string const& path, std::string const& number)
        : process_([&] { return serve(path, number); }) {}

    /// The port, once it serves and the one before does not.
    std::string port() { return report_.after("serves "); }
    int wait() { return process_.wait(); }

private:
    int serve(std::string const& path, std::string const& number) {
        set_log_level(LogLevel::warning);
        IOLoop loop;
        auto before = take_over(loop, path);
        TCPServer server(loop, [number](IOStreamPtr stream, Address const&) {
            stream->write(number + "\n");
            stream->close_after_flush(5s);
        });
        server.add_sockets(before ? before->sockets("tcp") : bind_sockets(0, "127.0.0.1"));
        if (before)
            loop.run_sync([&]() -> asio::awaitable<void> { co_await before->ready(); });
        Handover const handover(
            loop, path,
            [&] {
                SocketsByName all;
                all["tcp"] = server.listen_sockets();
                return all;
            },
            [&] { server.shutdown(30s, [&](error_code, std::size_t) { loop.stop(); }); }, 200ms);
        report_.say("serves " + std::to_string(server.addresses().at(0).port()));
        loop.start();
        return 0;
    }

    test::Report report_;
    test::Forked process_;
};

/// A process that connects all the time, until it is told to stop.
class Client {
public:
    explicit Client(Address const& server) : process_([&] { return connect(server); }) {}
    ~Client() { ::close(stop_[1]); }

    /// How often it was not answered.
    std::string failed() {
        static_cast<void>(!::write(stop_[1], "x", 1));
        auto text = report_.after("failed ");
        process_.wait();
        return text;
    }
    /// Waits for the first answer of a generation.
    bool met(std::string const& number) { return report_.after("met ") == number; }

private:
    int connect(Address const& server) {
        int failed = 0;
        std::string newest;
        pollfd stopped{stop_[0], POLLIN, 0};
        while (::poll(&stopped, 1, 0) == 0) {
            try {
                test::BlockingClient client(server);
                auto const line = client.line();
                failed += line.empty();
                if (line > newest) {
                    newest = line;
                    report_.say("met " + line.substr(0, line.size() - 1));
                }
            } catch (std::exception const&) {
                ++failed;
            }
        }
        report_.say("failed " + std::to_string(failed));
        return 0;
    }

    struct Pipe {
        Pipe() { BOOST_TEST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0); }
        ~Pipe() { ::close(ends[0]); }
        int operator[](std::size_t i) const { return ends[i]; }
        int ends[2];
    };
    Pipe stop_;
    test::Report report_;
    test::Forked process_;
};

struct Folder {
    Folder() {
        std::string pattern = (fs::temp_directory_path() / "handover-XXXXXX").string();
        folder = ::mkdtemp(pattern.data());
        path = folder / "socket";
    }
    ~Folder() { fs::remove_all(folder); }

    fs::path folder;
    std::string path;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(tcpserver_handover, Folder)

BOOST_AUTO_TEST_CASE(no_connection_fails_or_is_refused_over_generations_and_failed_ones) {
    auto serving = std::make_unique<Generation>(path, "0");
    auto const port = serving->port();
    Address const address("127.0.0.1", std::stoi(port));
    Client first(address);
    Client second(address);
    BOOST_TEST(first.met("0"));

    // One that crashes while taking over, one that hangs longer than it may.
    test::Forked crash([&] {
        IOLoop loop;
        return take_over(loop, path) ? (::raise(SIGKILL), 1) : 2;
    });
    BOOST_TEST(crash.wait() == -SIGKILL);
    test::Forked hang([&] {
        IOLoop loop;
        auto takeover = take_over(loop, path);
        error_code result;
        loop.call_later(1s, [&] {
            takeover->ready([&](error_code ec) {
                result = ec;
                loop.stop();
            });
        });
        loop.start();
        return result == asio::error::timed_out ? 0 : 1;
    });
    BOOST_TEST(hang.wait() == 0);

    for (char const* number : {"1", "2", "3", "4", "5", "6"}) {
        auto next = std::make_unique<Generation>(path, number);
        BOOST_TEST(next->port() == port);
        BOOST_TEST(serving->wait() == 0);
        serving = std::move(next);
        BOOST_TEST(first.met(number));
    }
    BOOST_TEST(first.failed() == "0");
    BOOST_TEST(second.failed() == "0");
}

BOOST_AUTO_TEST_CASE(a_socket_that_is_handed_over_serves_after_its_first_owner_was_killed) {
    auto first = std::make_unique<Generation>(path, "0");
    auto const port = first->port();
    auto second = std::make_unique<Generation>(path, "1");
    BOOST_TEST(second->port() == port);
    first.reset();
    BOOST_TEST(test::BlockingClient(Address("127.0.0.1", std::stoi(port))).line() == "1\n");
    second.reset(); // killed: its file stays, and nobody serves there
    BOOST_TEST(fs::exists(path));
    Generation third(path, "2");
    BOOST_TEST(third.port() != "end");
}

BOOST_AUTO_TEST_CASE(duplicates_are_of_all_that_a_server_listens_on_and_keep_its_port_open) {
    IOLoop loop;
    TCPServer server(loop, [](IOStreamPtr, Address const&) {});
    BOOST_TEST(server.listen_sockets().empty());
    server.listen(0, "127.0.0.1");
    server.add_socket(bind_unix_socket(path));
    server.bind(0, "127.0.0.1");
    auto const addresses = server.addresses();
    auto duplicates = server.listen_sockets();
    BOOST_TEST_REQUIRE(duplicates.size() == 3U);
    for (std::size_t i = 0; i < 3; ++i)
        BOOST_TEST(duplicates[i].local_address() == addresses[i]);
    server.stop();
    BOOST_TEST(server.listen_sockets().empty());
    test::BlockingClient const waits(addresses[0]);
    duplicates.clear();
    BOOST_CHECK_THROW(test::BlockingClient{addresses[0]}, std::system_error);
}

BOOST_AUTO_TEST_SUITE_END()
