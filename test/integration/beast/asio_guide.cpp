// SPDX-License-Identifier: BSL-1.0
// The pieces of code that doc/asio.md shows, each of them run. They stand there letter by letter.
#include "tornado.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>

using namespace std::literals;

BOOST_AUTO_TEST_SUITE(asio_guide)

namespace {

namespace asio = boost::asio;

asio::awaitable<void> echo(tornado::IOStreamPtr stream, tornado::Address) {
    for (;;)
        co_await stream->write(co_await stream->read_until("\n"));
}

asio::ip::tcp::endpoint endpoint(tornado::TCPServer const& server) {
    return {asio::ip::address_v4::loopback(), server.addresses().front().port()};
}

// What a server answers to one line, up to `end`.
std::string ask(tornado::TCPServer const& server, std::string_view line,
                std::string_view end = "\n") {
    asio::io_context context;
    asio::ip::tcp::socket socket(context);
    socket.connect(endpoint(server));
    asio::write(socket, asio::buffer(line));
    std::string answer;
    answer.resize(asio::read_until(socket, asio::dynamic_buffer(answer), end));
    return answer;
}

// Asks a server from a thread of its own while `loop` runs.
std::string ask(tornado::IOLoop& loop, tornado::TCPServer const& server, std::string_view line,
                std::string_view end = "\n") {
    std::string answer;
    std::thread client([&] {
        answer = ask(server, line, end);
        loop.add_callback([&] { loop.stop(); });
    });
    loop.start();
    client.join();
    return answer;
}

} // namespace

BOOST_AUTO_TEST_CASE(a_foreign_context) {
    asio::io_context context; // yours, with whatever runs on it
    tornado::IOLoop loop(context);
    tornado::TCPServer server(loop, echo);
    server.listen(0, "127.0.0.1");
    std::thread client([&] {
        BOOST_TEST(ask(server, "one\n") == "one\n");
        asio::post(context, [&] { context.stop(); });
    });
    context.run();
    client.join();
}

BOOST_AUTO_TEST_CASE(a_foreign_socket_and_back) {
    asio::io_context context;
    asio::ip::tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    asio::ip::tcp::socket peer(context);
    peer.connect(acceptor.local_endpoint());
    auto socket = acceptor.accept();
    asio::write(peer, asio::buffer("PROTOCOL 2\nrest"s));

    auto negotiate = [&]() -> asio::awaitable<void> {
        auto stream = std::make_shared<tornado::IOStream>(std::move(socket));
        auto const line = co_await stream->read_until("\n");
        std::string unread; // what came behind the line and nobody has read
        socket = stream->release<asio::ip::tcp>(&unread);
        BOOST_TEST(line == "PROTOCOL 2\n");
        while (unread.size() < 4) {
            char next;
            co_await asio::async_read(socket, asio::buffer(&next, 1), asio::deferred);
            unread += next;
        }
        BOOST_TEST(unread == "rest");
    };
    auto done = asio::co_spawn(context, negotiate, asio::use_future);
    context.run();
    done.get();
}

BOOST_AUTO_TEST_CASE(from_another_thread) {
    tornado::IOLoop loop;
    tornado::TCPServer server(loop, echo);
    server.listen(0, "127.0.0.1");
    auto const length = [&]() -> asio::awaitable<std::size_t> {
        tornado::TCPClient client(nullptr);
        auto stream = co_await client.connect("127.0.0.1", endpoint(server).port());
        co_await stream->write("four\n");
        co_return (co_await stream->read_until("\n")).size();
    };
    std::thread other([&] {
        auto answer = asio::co_spawn(loop.get_executor(), length, asio::use_future);
        BOOST_TEST(answer.get() == 5u); // waits on this thread; the loop's works
        loop.add_callback([&] { loop.stop(); });
    });
    loop.start();
    other.join();
}

BOOST_AUTO_TEST_CASE(work_that_blocks) {
    tornado::IOLoop loop;
    asio::thread_pool pool(2);
    auto slow = [](std::string text) { return text + "!"; };
    auto handler = [&](tornado::IOStreamPtr stream, tornado::Address) -> asio::awaitable<void> {
        auto line = co_await stream->read_until("\n");
        line.pop_back();
        auto answer = co_await loop.run_in_executor(&pool, [&] { return slow(line); });
        co_await stream->write(answer + "\n");
    };
    tornado::TCPServer server(loop, handler);
    server.listen(0, "127.0.0.1");
    BOOST_TEST(ask(loop, server, "hello\n") == "hello!\n");
}

BOOST_AUTO_TEST_CASE(http) {
    namespace http = boost::beast::http;
    tornado::IOLoop loop;
    auto handler = [](tornado::IOStreamPtr stream, tornado::Address) -> asio::awaitable<void> {
        boost::beast::flat_buffer buffer;
        http::request<http::string_body> request;
        co_await http::async_read(*stream, buffer, request, asio::deferred);
        http::response<http::string_body> response(http::status::ok, request.version());
        response.body() = "you asked for " + std::string(request.target()) + "\n";
        response.prepare_payload();
        co_await http::async_write(*stream, response, asio::deferred);
    };
    tornado::TCPServer server(loop, handler);
    server.listen(0, "127.0.0.1");
    auto const answer = ask(loop, server, "GET /page HTTP/1.1\r\nHost: here\r\n\r\n", "page\n");
    BOOST_TEST(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    BOOST_TEST(answer.ends_with("you asked for /page\n"));
}

BOOST_AUTO_TEST_CASE(deadlines) {
    tornado::IOLoop loop;
    auto handler = [](tornado::IOStreamPtr stream, tornado::Address) -> asio::awaitable<void> {
        using namespace boost::asio::experimental::awaitable_operators;
        auto const [ec, line] = co_await stream->read_until(
            "\n", tornado::cancel_after(50ms, asio::as_tuple(asio::deferred)));
        BOOST_TEST(ec == asio::error::operation_aborted); // nothing is lost: what came stays

        asio::steady_timer timer(stream->get_executor(), 10s);
        auto const first = co_await (stream->read_until("\n", asio::use_awaitable) ||
                                     timer.async_wait(asio::use_awaitable));
        if (auto* const read = std::get_if<std::string>(&first))
            co_await stream->write(*read);
    };
    tornado::TCPServer server(loop, handler);
    server.listen(0, "127.0.0.1");
    std::string answer;
    auto ask_slowly = [&]() -> asio::awaitable<void> {
        tornado::TCPClient client(nullptr);
        auto stream = co_await client.connect("127.0.0.1", endpoint(server).port());
        stream->write("half ");
        asio::steady_timer later(loop.get_executor(), 200ms);
        co_await later.async_wait(asio::use_awaitable);
        stream->write("and half\n");
        answer = co_await stream->read_until("\n");
    };
    loop.run_sync(ask_slowly, 20s);
    BOOST_TEST(answer == "half and half\n");
}

BOOST_AUTO_TEST_CASE(memory) {
    tornado::IOLoop loop;
    std::string line;
    auto read = [&](tornado::IOStreamPtr stream) {
        auto& s = *stream;
        asio::recycling_allocator<void> const allocator;
        auto on_line = [&, stream](tornado::error_code, std::string text) {
            line = std::move(text);
            stream->write(line);
        };
        s.read_until("\n", asio::bind_allocator(allocator, std::move(on_line)));
    };
    tornado::TCPServer server(
        loop, [&](tornado::IOStreamPtr stream, tornado::Address) { read(std::move(stream)); });
    server.listen(0, "127.0.0.1");
    BOOST_TEST(ask(loop, server, "text\n") == "text\n");
    BOOST_TEST(line == "text\n");
}

BOOST_AUTO_TEST_CASE(signals) {
    tornado::IOLoop loop;
    tornado::TCPServer server(loop, echo);
    server.listen(0, "127.0.0.1");
    loop.add_signal_handler(SIGUSR2, [&] {
        server.shutdown(10s, [&](tornado::error_code, std::size_t) { loop.stop(); });
    });
    loop.add_callback([] { std::raise(SIGUSR2); });
    loop.start();
    BOOST_TEST(server.addresses().empty());
    loop.remove_signal_handler(SIGUSR2);
}

BOOST_AUTO_TEST_CASE(without_suspending) {
    tornado::IOLoop loop;
    auto handler = [](tornado::IOStreamPtr stream, tornado::Address) -> asio::awaitable<void> {
        for (;;) {
            co_await stream->fill(); // only when what came holds no whole line
            auto const bytes = stream->buffered();
            std::size_t done = 0;
            for (std::size_t end; (end = bytes.find('\n', done)) != bytes.npos; done = end + 1)
                stream->write(bytes.substr(done, end + 1 - done));
            stream->consume(done);
            co_await stream->write(""); // a peer who does not read is not read from either
        }
    };
    tornado::TCPServer server(loop, handler);
    server.listen(0, "127.0.0.1");
    BOOST_TEST(ask(loop, server, "one\ntwo") == "one\n");
}

BOOST_AUTO_TEST_SUITE_END()
