// SPDX-License-Identifier: BSL-1.0
// Programs that end with everything in static objects: one for each argument.
#include "tornado.hpp"

#include "support/certificates.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace tornado;
using namespace std::chrono_literals;

namespace {

/// The first static object, and so the last to go: sees whether the others have closed what they
/// had.
struct Judge {
    ~Judge() {
        for (int const peer : peers) {
            char bytes[4096];
            auto n = ::recv(peer, bytes, sizeof bytes, MSG_DONTWAIT);
            while (n > 0)
                n = ::recv(peer, bytes, sizeof bytes, MSG_DONTWAIT);
            if (n != 0 && errno != ECONNRESET)
                fail("a socket was left open");
        }
        if (!finished)
            fail("main() did not get to its end");
    }
    [[noreturn]] static void fail(char const* what) {
        std::fprintf(stderr, "%s\n", what);
        ::_exit(1);
    }

    std::vector<int> peers;
    bool finished = false;
};
Judge judge;

// Made before any loop.
std::map<int, IOStreamPtr> sessions;

asio::local::stream_protocol::socket make_socket() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        Judge::fail("socketpair");
    judge.peers.push_back(ends[1]);
    return {IOLoop::current().context(), asio::local::stream_protocol(), ends[0]};
}

IOStreamPtr add_session() {
    auto stream = std::make_shared<IOStream>(make_socket());
    return sessions[stream->native_handle()] = std::move(stream);
}

void run_a_while() {
    auto& loop = IOLoop::current();
    loop.call_later(10ms, [&loop] { loop.stop(); });
    loop.start();
}

// Never used, with unread bytes, and with a read.
void fill_sessions() {
    add_session();

    auto const unread = add_session();
    ::send(judge.peers.back(), "line\nrest", 9, 0);
    unread->read_until("\n", [unread](error_code, std::string const&) {});

    auto const reading = add_session();
    reading->set_close_callback([] {});
    reading->read_until("\n", [](error_code, std::string const&) {});

    run_a_while();
}

// The loop outlives them all; the last is held by its own read, and closed by the system.
void streams() {
    fill_sessions();
    ::close(judge.peers.back());
    judge.peers.pop_back();
}

// A static loop that goes before the streams.
void own_loop() {
    static IOLoop loop;
    fill_sessions();
}

void server() {
    static TCPServer server([](IOStreamPtr stream, Address) -> asio::awaitable<void> {
        for (;;)
            co_await stream->write(co_await stream->read_until("\n"));
    });
    server.listen(0, "127.0.0.1");
    static asio::generic::stream_protocol::socket client(IOLoop::current().context());
    client.connect(server.addresses().at(0).endpoint());
    run_a_while();
}

void tls() {
    auto const& known = test::certificates();
    auto const near = ssl_options_to_context({.ca_certs = known.ca}, false);
    auto const far = ssl_options_to_context(
        {.certfile = known.localhost.certfile, .keyfile = known.localhost.keyfile}, true);
    auto& context = IOLoop::current().context();
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        Judge::fail("socketpair");
    asio::local::stream_protocol const protocol;
    using Socket = asio::local::stream_protocol::socket;
    auto const client =
        std::make_shared<SSLIOStream>(Socket(context, protocol, ends[0]), near, false, "localhost");
    auto const server =
        std::make_shared<SSLIOStream>(Socket(context, protocol, ends[1]), far, true);
    sessions[0] = client;
    sessions[1] = server;
    IOLoop::current().run_sync([&]() -> asio::awaitable<void> {
        server->write("line\nrest");
        co_await client->read_until("\n");
    });
}

void clients() {
    static Resolver resolver;
    static OverrideResolver overriding(resolver, {{"x", "localhost"}});
    static TCPClient client(&overriding);
    static TCPClient with_its_own;
    static auto const listener = std::move(bind_sockets(0, "127.0.0.1").at(0));
    auto const port = listener.local_address().port();
    for (auto* const each : {&client, &with_its_own})
        IOLoop::current().run_sync([&]() -> asio::awaitable<void> {
            static auto const stream = co_await each->connect("127.0.0.1", port);
        });
    client.connect("x", port, [](error_code, IOStreamPtr const&) {});
    with_its_own.connect("localhost", port, [](error_code, IOStreamPtr const&) {});
    resolver.resolve("localhost", port, [](error_code, std::vector<Address> const&) {});
}

void callbacks() {
    static PeriodicCallback periodic([] {}, 1ms);
    static auto const timeout = IOLoop::current().call_later(1h, [] {});
    static auto const remove =
        add_accept_handler(std::move(bind_sockets(0, "127.0.0.1").at(0)), [](auto, auto) {});
    struct Last {
        ~Last() {
            IOLoop::current().remove_timeout(timeout);
            IOLoop::current().add_callback([] {});
            remove();
        }
    };
    static Last const last;
    periodic.start();
    run_a_while();
}

// A program that ends after this one.
void subprocess() {
    static Subprocess program({"cat"},
                              {.stdin_ = Subprocess::STREAM, .stdout_ = Subprocess::STREAM});
    static auto const output = program.stdout_stream();
    program.set_exit_callback([](int) {});
    program.wait_for_exit([](error_code, int) {});
    output->read_until("\n", [](error_code, std::string const&) {});
    run_a_while();
}

// A loop of another thread goes before what was made on that thread earlier.
void thread() {
    std::thread([] {
        thread_local std::map<int, IOStreamPtr> own_sessions;
        thread_local auto const periodic = std::make_unique<PeriodicCallback>([] {}, 1ms);
        own_sessions.clear();
        fill_sessions();
        periodic->start();
        own_sessions.swap(sessions);
    }).join();
}

// What the default executor is running may use static objects.
void executor() {
    static std::atomic<bool> gone = false;
    struct Used {
        ~Used() { gone = true; }
    };
    static Used const used;
    std::promise<void> begun;
    IOLoop::current().run_in_executor(
        nullptr,
        [&] {
            begun.set_value();
            std::this_thread::sleep_for(50ms);
            if (gone)
                Judge::fail("a function ran beside the destructors of static objects");
        },
        [](std::exception_ptr) {});
    begun.get_future().wait();
}

std::map<std::string_view, void (*)()> const programs{
    {"callbacks", callbacks},   {"clients", clients}, {"executor", executor},
    {"own_loop", own_loop},     {"server", server},   {"streams", streams},
    {"subprocess", subprocess}, {"thread", thread},   {"tls", tls}};

} // namespace

int main(int argc, char** argv) {
    if (argc == 2)
        programs.at(argv[1])();
    judge.finished = argc == 2;
}
