// SPDX-License-Identifier: BSL-1.0
// Writing, closing and connecting over each kind of stream.
#include "tornado/iostream.hpp"
#include "tornado/testing.hpp"

#include "support/events.hpp"
#include "support/stream_pairs.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <cstdlib>
#include <netinet/tcp.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

BOOST_AUTO_TEST_SUITE(iostream_writes)

BOOST_AUTO_TEST_CASE_TEMPLATE(T066_T077_what_write_takes, Kind, PairKinds) {
    StreamPair<Kind> io;
    std::vector<std::uint32_t> const words{0x61616161, 0x62626262};
    std::string const text = "text";
    io.run_test([&]() -> asio::awaitable<void> {
        co_await io.far->write("");
        co_await io.far->write("chars ");
        co_await io.far->write(std::string_view("view "));
        co_await io.far->write(text);
        co_await io.far->write(std::string(" string "));
        co_await io.far->write(asio::buffer(words));
        co_await io.far->write("", asio::deferred);
        co_await io.far->write(asio::buffer(words), asio::deferred);
        co_await io.far->write(std::string("!"), asio::deferred);
        BOOST_TEST(co_await io.near->read_until("!") == "chars view text string aaaabbbbaaaabbbb!");
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T096_many_writers_lose_no_completion, Kind, PairKinds) {
    constexpr int writers = 10;
    constexpr int writes = 1000;
    StreamPair<Kind> io;
    std::string const data(5000, 'x');
    int done = 0;
    std::size_t got = 0;
    for (int i = 0; i < writers; ++i)
        asio::co_spawn(
            io.context,
            [&]() -> asio::awaitable<void> {
                for (int j = 0; j < writes; ++j) {
                    co_await io.far->write(data);
                    ++done;
                }
            },
            asio::detached);
    io.run_test([&]() -> asio::awaitable<void> {
        while (got < data.size() * writers * writes) {
            auto const part = co_await io.near->read_bytes(100000, true);
            got += part.size();
        }
    });
    BOOST_TEST(done == writers * writes);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T101_what_a_completed_write_took_arrives_after_close, Kind,
                              PairKinds) {
    StreamPair<Kind> io;
    std::string const big(64 * 1024, 'b');
    std::size_t completed = 0;
    io.run_test([&]() -> asio::awaitable<void> {
        // More than the kernel takes; only the last writes stay in the queue.
        for (int i = 0; i < 200; ++i)
            io.far->write(std::string(big), [&](error_code ec) { completed += ec ? 0 : 1; });
        for (int turn = 0; turn < 10; ++turn)
            co_await asio::post(io.context, asio::use_awaitable);
        io.far->close();
        BOOST_TEST(io.far->closed());
        io.far.reset();
        auto const got = co_await io.near->read_until_close();
        BOOST_TEST(completed > 0u);
        BOOST_TEST(completed < 200u);
        BOOST_TEST(got.size() >= completed * big.size());
    });
    io.run();
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T101_the_last_reference_dropped_with_a_write_in_flight, Kind,
                              PairKinds) {
    StreamPair<Kind> io;
    std::string const big(5000000, 'b');
    io.far->write(big);
    io.far.reset();
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST((co_await io.near->read_until_close() == big));
    });
    io.run();
}

BOOST_AUTO_TEST_CASE_TEMPLATE(close_after_flush_sends_all, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    std::string const big(5000000, 'b');
    io.far->set_close_callback(events.at("close"));
    io.far->write(big, events.on("write"));
    io.far->close_after_flush();
    io.near->write("last words that nobody reads");
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST((co_await io.near->read_until_close() == big));
    });
    io.run();
    BOOST_TEST(events.take() == "write, close");
    BOOST_TEST(word(io.far->error()) == "ok");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(shutdown_write_and_half_close_give_a_request_and_its_answer, Kind,
                              TwoWayKinds) {
    StreamPair<Kind> io(StreamOptions{}, StreamOptions{.half_close = true});
    io.run_test([&]() -> asio::awaitable<void> {
        io.near->write("request");
        io.near->shutdown_write();
        BOOST_TEST(co_await io.far->read_until_close() == "request");
        BOOST_TEST(!io.far->closed());
        co_await io.far->write("answer");
        io.far->close();
        BOOST_TEST(co_await io.near->read_until_close() == "answer");
    });
    io.run();
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T074_T110_the_peers_close_ends_an_idle_stream, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    io.near->set_close_callback(events.at("close"));
    io.far->close();
    io.run();
    BOOST_TEST(events.take() == "close");
    BOOST_TEST(io.near->closed());
    BOOST_TEST(word(io.near->error()) == "eof");
    BOOST_TEST((io.near->error() == errc::stream_closed));
    BOOST_TEST(io.near->native_handle() == -1);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_write_inside_the_close_callback_is_dropped, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    io.near->set_close_callback([&] {
        events.add("close");
        io.near->write("x");
        io.near->write("x", events.on("write"));
    });
    io.near->close();
    io.run();
    BOOST_TEST(events.take() == "close, write!closed");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_idle_stream_closes_with_its_last_reference, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    io.near->set_close_callback(events.at("close"));
    io.far->set_close_callback(events.at("not called"));
    io.poll();
    io.far.reset();
    io.run();
    BOOST_TEST(events.take() == "close");
}

// ---- Connecting

BOOST_AUTO_TEST_CASE(T062_T063_T127_write_while_connecting) {
    Io io;
    Events events;
    asio::ip::tcp::acceptor acceptor(io.context, {asio::ip::address_v4::loopback(), 0});
    auto stream = std::make_shared<IOStream>(asio::ip::tcp::socket(io.context));
    stream->write("hello", events.on("write"));
    stream->connect(Address(acceptor.local_endpoint()),
                    [&](error_code ec, IOStreamPtr const& connected) {
                        BOOST_TEST(connected == stream);
                        events.add("connect " + word(ec));
                    });
    BOOST_TEST(events.take() == "");
    io.run_test([&]() -> asio::awaitable<void> {
        IOStream far(co_await acceptor.async_accept(asio::use_awaitable));
        BOOST_TEST(co_await far.read_bytes(5) == "hello");
        BOOST_TEST(far.remote_address() == stream->local_address());
        BOOST_TEST(stream->remote_address() == Address(acceptor.local_endpoint()));
    });
    BOOST_TEST(events.take() == "connect ok, write");
}

BOOST_AUTO_TEST_CASE(T125_a_refused_connect) {
    Io io;
    Events events;
    CapturedLog const log;
    asio::ip::tcp::endpoint nobody;
    {
        asio::ip::tcp::acceptor acceptor(io.context, {asio::ip::address_v4::loopback(), 0});
        nobody = acceptor.local_endpoint();
    }
    auto const stream = std::make_shared<IOStream>(asio::ip::tcp::socket(io.context));
    stream->set_close_callback(events.at("close"));
    stream->write("x", events.on("write"));
    stream->connect(Address(nobody), events.on("connect"));
    io.run();
    BOOST_TEST(events.take() == "connect!refused, write!refused, close");
    BOOST_TEST(word(stream->error()) == "refused");
    BOOST_TEST(log.lines().empty());
    stream->connect(Address(nobody), events.on("again"));
    io.run();
    BOOST_TEST(events.take() == "again!refused");
}

BOOST_AUTO_TEST_CASE(T127_connect_to_a_unix_path) {
    Io io;
    std::string folder = "/tmp/iostream-XXXXXX";
    BOOST_TEST_REQUIRE(::mkdtemp(folder.data()) != nullptr);
    auto const path = folder + "/socket";
    asio::local::stream_protocol::acceptor acceptor(io.context, path);
    auto const stream =
        std::make_shared<IOStream>(asio::local::stream_protocol::socket(io.context));
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await stream->connect(Address(acceptor.local_endpoint())) == stream);
        IOStream far(co_await acceptor.async_accept(asio::use_awaitable));
        far.write("hello");
        BOOST_TEST(co_await stream->read_bytes(5) == "hello");
        BOOST_TEST(stream->remote_address().path() == path);
    });
    ::unlink(path.c_str());
    Events events;
    auto const late = std::make_shared<IOStream>(asio::local::stream_protocol::socket(io.context));
    late->connect(Address(acceptor.local_endpoint()), events.on("connect"));
    BOOST_TEST(events.take() == "");
    io.poll();
    BOOST_TEST(events.take() == "connect!No such file or directory");
    ::rmdir(folder.c_str());
}

BOOST_AUTO_TEST_CASE(connect_is_cancelled) {
    using namespace asio::experimental::awaitable_operators;
    Io io;
    // A listener whose queue is full answers nobody.
    asio::ip::tcp::acceptor acceptor(io.context);
    acceptor.open(asio::ip::tcp::v4());
    acceptor.bind({asio::ip::address_v4::loopback(), 0});
    acceptor.listen(0);
    std::vector<asio::ip::tcp::socket> crowd;
    crowd.reserve(4);
    for (int i = 0; i < 4; ++i)
        crowd.emplace_back(io.context).async_connect(acceptor.local_endpoint(), [](error_code) {});
    io.poll();
    auto const stream = std::make_shared<IOStream>(asio::ip::tcp::socket(io.context));
    asio::steady_timer timer(io.context, 20ms);
    io.run_test([&]() -> asio::awaitable<void> {
        auto const first =
            co_await (stream->connect(Address(acceptor.local_endpoint()), asio::use_awaitable) ||
                      timer.async_wait(asio::use_awaitable));
        BOOST_TEST(first.index() == 1u);
        BOOST_TEST(stream->closed());
    });
}

BOOST_AUTO_TEST_CASE(T123_nodelay_is_for_ip_only) {
    StreamPair<TcpKind> tcp;
    asio::ip::tcp::no_delay option;
    auto const nodelay = [&](IOStream& stream) {
        int value = -1;
        socklen_t size = sizeof value;
        ::getsockopt(stream.native_handle(), IPPROTO_TCP, TCP_NODELAY, &value, &size);
        return value;
    };
    BOOST_TEST(nodelay(*tcp.near) != 0);
    tcp.near->set_nodelay(false);
    BOOST_TEST(nodelay(*tcp.near) == 0);
    tcp.near->close();
    tcp.near->set_nodelay(true);
    StreamPair<UnixKind> local;
    local.near->set_nodelay(true);
    local.near->set_nodelay(false);
    BOOST_TEST(!local.near->closed());
    BOOST_TEST(local.near->remote_address().is_unix());
}

BOOST_AUTO_TEST_SUITE_END()
