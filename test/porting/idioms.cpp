// SPDX-License-Identifier: BSL-1.0
// The C++ side of doc/porting.md: each of its pieces stands there letter by letter, and each test
// has its counterpart of the same name in idioms.py.
#include "tornado.hpp"
#include "tornado/testing.hpp"

#include "support/processes.hpp"
#include "support/tls.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/endian/conversion.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

using namespace tornado;
using namespace std::literals;

namespace {

std::uint32_t load_size(std::string_view head) {
    return boost::endian::load_big_u32(reinterpret_cast<unsigned char const*>(head.data()));
}

// ---- The pieces

class EchoServer : public TCPServer {
    asio::awaitable<void> handle_stream(IOStreamPtr stream, Address) override {
        for (;;)
            co_await stream->write(co_await stream->read_until("\n"));
    }
};

class EchoConnection;
std::set<std::shared_ptr<EchoConnection>> connections;

class EchoConnection : public std::enable_shared_from_this<EchoConnection> {
public:
    explicit EchoConnection(IOStreamPtr stream) : stream_(std::move(stream)) {}

    void start() {
        connections.insert(shared_from_this());
        stream_->set_close_callback([this] { on_close(); });
        read();
    }

private:
    void read() {
        stream_->read_until("\n", [this](error_code ec, std::string const& line) {
            if (!ec)
                on_line(line);
        });
    }
    void on_line(std::string const& line) {
        stream_->write(line, [this](error_code ec) {
            if (!ec)
                read();
        });
    }
    void on_close() { connections.erase(shared_from_this()); } // after it nobody is called

    IOStreamPtr stream_;
};

class Greeter : public TCPServer {
    asio::awaitable<void> handle_stream(IOStreamPtr stream, Address address) override {
        auto greeting = "hello " + address.ip() + ", port " + std::to_string(address.port()) + "\n";
        co_await stream->write(std::move(greeting));
    }
};

asio::awaitable<std::string> read_head(IOStreamPtr stream) {
    co_return co_await stream->read_until_regex("\r?\n\r?\n", 16384);
}

using OnChunk = std::function<void(std::string_view)>;

asio::awaitable<void> receive(IOStreamPtr stream, std::size_t size, OnChunk on_chunk) {
    while (size > 0) {
        auto const chunk = co_await stream->read_bytes(std::min<std::size_t>(size, 65536), true);
        on_chunk(chunk);
        size -= chunk.size();
    }
}

asio::awaitable<void> receive_views(IOStreamPtr stream, std::size_t size, OnChunk on_chunk) {
    while (size > 0) {
        co_await stream->fill(1);
        auto const chunk = stream->buffered().substr(0, size);
        on_chunk(chunk);
        size -= chunk.size();
        stream->consume(chunk.size());
    }
}

asio::awaitable<std::string> read_line(IOStreamPtr stream, IOLoop::clock::duration limit) {
    co_return co_await stream->read_until("\n", with_timeout(limit)); // throws error::timeout
}

asio::awaitable<std::string> read_message(IOStreamPtr stream) {
    co_await stream->fill(4); // waits for them, and takes nothing
    std::size_t const size = load_size(stream->buffered());
    co_await stream->fill(4 + size);
    std::string message(stream->buffered().substr(4, size));
    stream->consume(4 + size);
    co_return message;
}

asio::awaitable<std::string> ask(std::string host, std::uint16_t port, std::string question) {
    TCPClient client;
    ConnectOptions options;
    options.timeout = 5s;
    auto const stream = co_await client.connect(host, port, options);
    co_await stream->write(question + "\n");
    co_return co_await stream->read_until("\n"); // nobody holds it then, and it closes
}

asio::awaitable<IOStreamPtr> connect_by_hand(std::string ip, std::uint16_t port) {
    asio::ip::tcp::socket socket(co_await asio::this_coro::executor, asio::ip::tcp::v4());
    auto const stream = std::make_shared<IOStream>(std::move(socket));
    co_return co_await stream->connect(Address(ip, port));
}

using TlsContext = std::shared_ptr<asio::ssl::context>;

class StartTlsServer : public TCPServer {
public:
    TlsContext context;

private:
    asio::awaitable<void> handle_stream(IOStreamPtr stream, Address) override {
        co_await stream->read_until("STARTTLS\n");
        stream->write("go ahead\n"); // leaves first, in clear text
        stream = co_await stream->start_tls(true, context);
        co_await stream->write("this is secret\n");
    }
};

asio::awaitable<std::string> ask_for_secret(IOStreamPtr stream, TlsContext context,
                                            std::string name) {
    stream->write("STARTTLS\n");
    co_await stream->read_until("\n");
    stream = co_await stream->start_tls(false, context, name);
    co_return co_await stream->read_until("\n");
}

class WorkerServer : public TCPServer {
    asio::awaitable<void> handle_stream(IOStreamPtr stream, Address) override {
        stop();
        co_await stream->write("worker " + std::to_string(*task_id()) + "\n");
        IOLoop::current().stop();
    }
};

void serve_in_processes(std::uint16_t port) {
    WorkerServer server;
    server.bind(port, "127.0.0.1");
    server.start(2); // returns in the two children
    IOLoop::current().start();
}

asio::awaitable<std::string> upper(std::string text) {
    SubprocessOptions options;
    options.stdin_ = options.stdout_ = Stdio::STREAM;
    Subprocess tr({"tr", "a-z", "A-Z"}, options);
    co_await tr.stdin_stream()->write(std::move(text));
    tr.stdin_stream()->close();
    auto answer = co_await tr.stdout_stream()->read_until_close();
    co_await tr.wait_for_exit();
    co_return answer;
}

int slow_hash(std::string const& password) {
    return std::accumulate(password.begin(), password.end(), 0);
}

asio::awaitable<int> check(std::string password) {
    auto const hash = [password] { return slow_hash(password); }; // on another thread
    co_return co_await IOLoop::current().run_in_executor(nullptr, hash);
}

asio::awaitable<std::string> both(std::string host, std::uint16_t port) {
    auto const [one, two] = co_await multi(ask(host, port, "one"), ask(host, port, "two"));
    co_return one + two;
}

asio::awaitable<std::vector<int>> squares(std::vector<int> numbers) {
    Queue<int> jobs(2);
    Lock lock;
    std::vector<int> results;

    auto const worker = [&]() -> asio::awaitable<void> {
        for (;;) {
            auto const [ec, job] = co_await jobs.get(asio::as_tuple(asio::deferred));
            if (ec)
                co_return; // the queue has gone
            auto const held = co_await lock.acquire_scoped();
            results.push_back(job * job);
            jobs.task_done();
        }
    };
    for (int i = 0; i < 3; ++i)
        IOLoop::current().spawn_callback(worker);
    for (auto const number : numbers)
        co_await jobs.put(number);
    co_await jobs.join();
    co_return results;
}

std::set<IOStreamPtr> members;

void enter(IOStreamPtr stream) {
    members.insert(stream);
    stream->set_close_callback([weak = std::weak_ptr(stream)] { members.erase(weak.lock()); });
}

// ---- The tests

struct Porting : LoopFixture {
    Porting() : LoopFixture(30s) {}
};

/// A connection that tells when it has gone.
struct Observed : EchoConnection {
    Observed(IOStreamPtr stream, Event& end) : EchoConnection(std::move(stream)), gone(end) {}
    ~Observed() { gone.set(); }

    Event& gone;
};

struct NoLoop {}; // forks

/// A client's stream and the server's.
struct Pair {
    Pair() { std::tie(near, far) = stream_pair(); }
    IOStreamPtr near, far;
};

std::uint16_t listen(TCPServer& server) {
    auto [socket, port] = bind_unused_port();
    server.add_socket(std::move(socket));
    return port;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(porting, Porting)

BOOST_AUTO_TEST_CASE(echo) {
    EchoServer server;
    run([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await ask("127.0.0.1", listen(server), "one") == "one\n");
    });
}

BOOST_AUTO_TEST_CASE(callback_class) {
    Event gone;
    auto const handler = [&](IOStreamPtr stream, Address const&) {
        std::make_shared<Observed>(std::move(stream), gone)->start();
    };
    TCPServer server(handler);
    run([&]() -> asio::awaitable<void> {
        TCPClient client;
        auto const stream = co_await client.connect("127.0.0.1", listen(server));
        for (auto const* const line : {"one\n", "two\n"}) {
            stream->write(line);
            BOOST_TEST(co_await stream->read_until("\n") == line);
        }
        BOOST_TEST(connections.size() == 1u);
        stream->close();
        co_await gone.wait();
        BOOST_TEST(connections.empty());
    });
}

BOOST_AUTO_TEST_CASE(address) {
    Greeter server;
    run([&]() -> asio::awaitable<void> {
        TCPClient client;
        auto const stream = co_await client.connect("127.0.0.1", listen(server));
        auto const own = std::to_string(stream->local_address().port());
        BOOST_TEST(co_await stream->read_until("\n") == "hello 127.0.0.1, port " + own + "\n");
    });
}

BOOST_AUTO_TEST_CASE(read_until_regex) {
    Pair pair;
    run([&]() -> asio::awaitable<void> {
        pair.near->write("one: 1\r\n\r\nbody");
        BOOST_TEST(co_await read_head(pair.far) == "one: 1\r\n\r\n");
        pair.near->write(std::string(16384, 'x'));
        error_code ended;
        try {
            co_await read_head(pair.far);
        } catch (system_error const& e) {
            ended = e.code();
        }
        BOOST_TEST((ended == error::unsatisfiable_read));
        BOOST_TEST((ended == errc::stream_closed));
    });
}

BOOST_AUTO_TEST_CASE(streaming) {
    Pair pair;
    run([&]() -> asio::awaitable<void> {
        pair.near->write(std::string(200'000, 'x') + std::string(200'000, 'y') + "z");
        std::string all;
        auto const add = [&](std::string_view chunk) { all += chunk; };
        co_await receive(pair.far, 200'000, add);
        BOOST_TEST((all == std::string(200'000, 'x')));
        all.clear();
        co_await receive_views(pair.far, 200'000, add);
        BOOST_TEST((all == std::string(200'000, 'y')));
        co_await receive_views(pair.far, 1, add); // which has been seen by now
        BOOST_TEST(all.back() == 'z');
    });
}

BOOST_AUTO_TEST_CASE(read_timeout) {
    Pair pair;
    run([&]() -> asio::awaitable<void> {
        pair.near->write("one\nhalf ");
        BOOST_TEST(co_await read_line(pair.far, 20s) == "one\n");
        error_code ended;
        try {
            co_await read_line(pair.far, 20ms);
        } catch (system_error const& e) {
            ended = e.code();
        }
        BOOST_TEST((ended == error::timeout));
        pair.near->write("and half\n"); // here it is still open, and has lost nothing
        BOOST_TEST(co_await read_line(pair.far, 20s) == "half and half\n");
    });
}

BOOST_AUTO_TEST_CASE(message_timeout) {
    Pair pair;
    run([&]() -> asio::awaitable<void> {
        pair.near->write("\0\0\0\7one"sv);
        error_code ended;
        try {
            co_await with_timeout(20ms, read_message(pair.far));
        } catch (system_error const& e) {
            ended = e.code();
        }
        BOOST_TEST((ended == error::timeout));
        pair.near->write(" two");
        BOOST_TEST(co_await read_message(pair.far) == "one two"); // the message is whole
    });
}

BOOST_AUTO_TEST_CASE(periodic) {
    Queue<std::string> beats;
    auto const heartbeat = [&] { beats.put_nowait("beat"); };
    run([&]() -> asio::awaitable<void> {
        PeriodicCallback beat(heartbeat, 20ms, 0.1);
        beat.start();

        for (int i = 0; i < 2; ++i)
            BOOST_TEST(co_await beats.get() == "beat");
    });
}

BOOST_AUTO_TEST_CASE(client) {
    EchoServer server;
    run([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await ask("localhost", listen(server), "one") == "one\n");
    });
}

BOOST_AUTO_TEST_CASE(client_by_hand) {
    EchoServer server;
    run([&]() -> asio::awaitable<void> {
        auto const stream = co_await connect_by_hand("127.0.0.1", listen(server));
        stream->write("one\n");
        BOOST_TEST(co_await stream->read_until("\n") == "one\n");
    });
}

BOOST_AUTO_TEST_CASE(start_tls) {
    StartTlsServer server;
    server.context = test::server_context();
    auto const context = test::client_context();
    run([&]() -> asio::awaitable<void> {
        TCPClient client;
        auto const stream = co_await client.connect("127.0.0.1", listen(server));
        auto const secret = co_await ask_for_secret(stream, context, "localhost");
        BOOST_TEST(secret == "this is secret\n");
    });
}

BOOST_FIXTURE_TEST_CASE(processes, NoLoop) {
    auto const port = bind_unused_port().second;
    test::Forked parent([&] {
        serve_in_processes(port);
        return 0;
    });
    std::set<std::string> answers;
    asio::io_context context;
    auto const deadline = IOLoop::clock::now() + 30s;
    while (answers.size() < 2 && IOLoop::clock::now() < deadline) {
        asio::ip::tcp::socket socket(context);
        error_code ec;
        socket.connect(Address("127.0.0.1", port).tcp_endpoint(), ec);
        std::string answer;
        if (!ec)
            asio::read_until(socket, asio::dynamic_buffer(answer), '\n', ec);
        if (ec)
            std::this_thread::sleep_for(10ms); // it has not begun
        else
            answers.insert(answer);
    }
    BOOST_TEST((answers == std::set{"worker 0\n"s, "worker 1\n"s}));
    if (answers.size() == 2)
        BOOST_TEST(parent.wait() == 0);
}

BOOST_AUTO_TEST_CASE(subprocess) {
    run([&]() -> asio::awaitable<void> { BOOST_TEST(co_await upper("one two\n") == "ONE TWO\n"); });
}

BOOST_AUTO_TEST_CASE(run_in_executor) {
    run([&]() -> asio::awaitable<void> { BOOST_TEST(co_await check("abc") == 294); });
}

BOOST_AUTO_TEST_CASE(gather) {
    EchoServer server;
    run([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await both("localhost", listen(server)) == "one\ntwo\n");
    });
}

BOOST_AUTO_TEST_CASE(locks_and_queues) {
    std::vector const numbers{1, 2, 3, 4, 5};
    run([&]() -> asio::awaitable<void> {
        auto results = co_await squares(numbers);
        std::sort(results.begin(), results.end());
        BOOST_TEST((results == std::vector{1, 4, 9, 16, 25}));
    });
}

BOOST_AUTO_TEST_CASE(close_callback) {
    Pair pair;
    enter(pair.far);
    BOOST_TEST((members == std::set{pair.far}));
    pair.near->close();
    run([&]() -> asio::awaitable<void> {
        auto const [ec, line] = co_await pair.far->read_until("\n", asio::as_tuple(asio::deferred));
        BOOST_TEST((ec == errc::stream_closed));
        co_await sleep(0s); // the close callback comes behind what it has ended
    });
    BOOST_TEST(members.empty());
}

BOOST_AUTO_TEST_CASE(exception_in_handle_stream) {
    IOStreamPtr held;
    auto const failing = [&](IOStreamPtr stream, Address) -> asio::awaitable<void> {
        held = stream;
        throw std::runtime_error("a mistake");
        co_return;
    };
    TCPServer server(failing);
    ExpectLog const expected(Logger::application, "Error in connection callback");
    run([&]() -> asio::awaitable<void> {
        TCPClient client;
        auto const stream = co_await client.connect("127.0.0.1", listen(server));
        BOOST_TEST(co_await stream->read_until_close() == ""); // the connection is closed
        BOOST_TEST(held->closed());
    });
}

BOOST_AUTO_TEST_SUITE_END()
