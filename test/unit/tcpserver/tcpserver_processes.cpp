// SPDX-License-Identifier: BSL-1.0
// TCPServer on several processes: bind and start(n), sockets that cross a fork, one port each.
#include "tornado/tcpserver.hpp"

#include "tornado/cpu_count.hpp"
#include "tornado/fork.hpp"

#include "support/host.hpp"
#include "support/processes.hpp"

#include <boost/asio/io_context.hpp>

#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <sys/socket.h>

using namespace tornado;
using namespace tornado::test;

namespace {

/// Tells its task's number to one client and ends.
asio::awaitable<void> serve_one(TCPServer& server, IOStreamPtr stream) {
    server.stop();
    co_await stream->write(std::to_string(task_id().value_or(-1)) + "\n");
    stream->close();
    IOLoop::current().stop();
}

/// What clients, one after the other, are told until nobody listens any more.
std::multiset<std::string> ask_all(std::uint16_t port, unsigned clients) {
    std::multiset<std::string> answers;
    asio::io_context context;
    for (unsigned i = 0; i < clients; ++i) {
        asio::ip::tcp::socket client(context);
        client.connect(Address("127.0.0.1", port).tcp_endpoint());
        std::string answer;
        asio::read_until(client, asio::dynamic_buffer(answer), '\n');
        answers.insert(answer.substr(0, answer.size() - 1));
    }
    return answers;
}

std::uint16_t port_of(std::string const& text) {
    return static_cast<std::uint16_t>(std::stoi(text));
}

std::multiset<std::string> numbers(unsigned n) {
    std::multiset<std::string> all;
    for (unsigned i = 0; i < n; ++i)
        all.insert(std::to_string(i));
    return all;
}

/// A server in one of the processes; it has not listened yet.
struct OneAnswer : TCPServer {
    asio::awaitable<void> handle_stream(IOStreamPtr stream, Address) override {
        return serve_one(*this, std::move(stream));
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(tcpserver_processes)

BOOST_AUTO_TEST_CASE(T155_bind_and_start_serve_in_as_many_processes) {
    for (int const processes : {3, 0}) {
        unsigned const workers = processes == 0 ? cpu_count() : 3;
        Report report;
        Forked supervisor([&] {
            OneAnswer server;
            server.bind(0, "127.0.0.1");
            report.say(std::to_string(server.addresses().at(0).port()));
            server.start(processes);
            IOLoop::current().start();
            return 0;
        });
        auto const answers = ask_all(port_of(report.line()), workers);
        BOOST_TEST(answers == numbers(workers), boost::test_tools::per_element());
        BOOST_TEST(report.line() == "end");
        BOOST_TEST(supervisor.wait() == 0);
    }
}

BOOST_AUTO_TEST_CASE(T155_a_worker_that_fails_is_replaced_and_serves) {
    Report report;
    Forked supervisor([&] {
        TCPServer server([](IOStreamPtr const& stream, Address const&) {
            stream->read_until("\n", [stream](error_code, std::string const& line) {
                std::_Exit(std::stoi(line));
            });
        });
        server.bind(0, "127.0.0.1");
        report.say(std::to_string(server.addresses().at(0).port()));
        server.start(2);
        IOLoop::current().start();
        return 0;
    });
    asio::io_context context;
    auto const server = Address("127.0.0.1", port_of(report.line())).tcp_endpoint();
    for (auto const* const line : {"1\n", "2\n", "3\n", "0\n", "0\n"}) {
        asio::ip::tcp::socket client(context);
        client.connect(server);
        client.send(asio::buffer(line, 2));
        error_code ec;
        char byte;
        client.read_some(asio::buffer(&byte, 1), ec);
        BOOST_TEST(ec == asio::error::eof);
    }
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == 0);
}

BOOST_AUTO_TEST_CASE(T155_start_on_a_loop_that_exists_is_an_error_with_the_remedy) {
    Host host(false);
    TCPServer server(host.loop(),
                     [](IOStreamPtr const& stream, Address const&) { stream->write("here\n"); });
    server.bind(0, "127.0.0.1");
    BOOST_CHECK_EXCEPTION(server.start(2), std::logic_error, [](std::logic_error const& e) {
        return std::string(e.what()).find("fork first") != std::string::npos;
    });
    server.start(); // it is as it was
    host.run([&]() -> asio::awaitable<void> {
        Client client(host, server.addresses().at(0));
        BOOST_TEST(co_await client.line() == "here\n");
    });
}

BOOST_AUTO_TEST_CASE(T156_sockets_that_are_bound_before_the_fork_serve_in_every_child) {
    Report report;
    Forked supervisor([&] {
        auto sockets = bind_sockets(0, "127.0.0.1");
        report.say(std::to_string(sockets.at(0).local_address().port()));
        fork_processes(3);
        OneAnswer server;
        server.add_sockets(std::move(sockets));
        IOLoop::current().start();
        return 0;
    });
    auto const answers = ask_all(port_of(report.line()), 3);
    BOOST_TEST(answers == numbers(3), boost::test_tools::per_element());
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == 0);
}

BOOST_AUTO_TEST_CASE(T157_processes_share_a_port_by_reuse_port) {
    // Keeps a port for them, and does not listen.
    asio::io_context context;
    asio::ip::tcp::socket kept(context, asio::ip::tcp::v4());
    int const on = 1;
    BOOST_TEST(::setsockopt(kept.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
    kept.bind(Address("127.0.0.1", 0).tcp_endpoint());
    auto const port = kept.local_endpoint().port();

    Report report;
    Forked supervisor([&] {
        fork_processes(3);
        OneAnswer server;
        server.listen(port, "127.0.0.1", {.reuse_port = true});
        report.say("ready");
        IOLoop::current().start();
        return 0;
    });
    for (int i = 0; i < 3; ++i)
        BOOST_TEST(report.line() == "ready");
    auto const answers = ask_all(port, 3);
    BOOST_TEST(answers == numbers(3), boost::test_tools::per_element());
    BOOST_TEST(report.line() == "end");
    BOOST_TEST(supervisor.wait() == 0);
}

// ---- Before there is a loop

BOOST_AUTO_TEST_CASE(a_server_takes_its_loop_when_it_first_needs_one) {
    Forked process([] {
        OneAnswer server;
        server.bind(0, "127.0.0.1");
        int wrong = server.addresses().size() != 1 || server.stats().accepted != 0;
        wrong += IOLoop::current_if_any() != nullptr;
        server.start();
        wrong += IOLoop::current_if_any() == nullptr;
        wrong += server.get_executor() != asio::any_io_executor(IOLoop::current().get_executor());
        wrong += server.addresses().size() != 1;
        return wrong;
    });
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_CASE(a_server_that_never_had_a_loop_stops_and_ends) {
    Forked process([] {
        OneAnswer server;
        server.bind(0, "127.0.0.1");
        server.stop();
        return server.addresses().empty() && !IOLoop::current_if_any() ? 0 : 1;
    });
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
