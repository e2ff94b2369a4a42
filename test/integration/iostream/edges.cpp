// SPDX-License-Identifier: BSL-1.0
// What a stream is given in an unusual state or by an unusual caller.
#include "tornado/iostream.hpp"
#include "tornado/tcpserver.hpp"
#include "tornado/testing.hpp"

#include "support/descriptors.hpp"
#include "support/events.hpp"
#include "support/host.hpp"
#include "support/io.hpp"
#include "support/stream_pairs.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

// An allocator too large to be kept beside a handler.
template <class T>
struct Bulky {
    using value_type = T;
    std::shared_ptr<int> uses;
    std::array<char, 64> ballast{};

    explicit Bulky(std::shared_ptr<int> count) : uses(std::move(count)) {}
    template <class U>
    Bulky(Bulky<U> const& other) : uses(other.uses) {}
    T* allocate(std::size_t n) {
        ++*uses;
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* p, std::size_t n) {
        --*uses;
        std::allocator<T>().deallocate(p, n);
    }
    template <class U>
    bool operator==(Bulky<U> const& other) const {
        return uses == other.uses;
    }
};

bool has_nodelay(IOStream const& stream) {
    int value = 0;
    socklen_t size = sizeof value;
    ::getsockopt(stream.native_handle(), IPPROTO_TCP, TCP_NODELAY, &value, &size);
    return value != 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(iostream_edges)

BOOST_AUTO_TEST_CASE(T111_a_socket_that_was_reset_before_it_became_a_stream) {
    Io io;
    asio::ip::tcp::acceptor acceptor(io.context, {asio::ip::address_v4::loopback(), 0});
    asio::ip::tcp::socket peer(io.context);
    peer.connect(acceptor.local_endpoint());
    auto socket = acceptor.accept();
    peer.set_option(asio::socket_base::linger(true, 0));
    peer.close();
    Events events;
    auto const stream = std::make_shared<IOStream>(std::move(socket));
    stream->read_until("\n", events.on("read"));
    io.run();
    BOOST_TEST(events.take() == "read!reset");
    BOOST_TEST(stream->closed());
}

BOOST_AUTO_TEST_CASE(a_refused_argument_is_caught_where_it_was_given) {
    StreamAndSocket<TcpKind> io;
    int caught = 0;
    io.run_test([&]() -> asio::awaitable<void> {
        try {
            co_await io.stream->read_until("");
        } catch (std::invalid_argument const&) {
            ++caught;
        }
        try {
            co_await io.stream->read_until_regex("(");
        } catch (std::invalid_argument const&) {
            ++caught;
        }
        // Linux takes a name that fills all its room; Asio has none for it.
        sockaddr_un whole{AF_UNIX, {}};
        std::ranges::fill(whole.sun_path, 'x');
        Address const address(asio::generic::stream_protocol::endpoint(&whole, sizeof whole));
        auto const stream =
            std::make_shared<IOStream>(asio::local::stream_protocol::socket(io.context));
        try {
            co_await stream->connect(address);
        } catch (system_error const& e) {
            caught += e.code() == asio::error::name_too_long;
        }
    });
    BOOST_TEST(caught == 3);
}

BOOST_AUTO_TEST_CASE(an_empty_address_is_nobodys) {
    StreamAndSocket<TcpKind> io;
    for (bool const open : {false, true}) { // to connect(2) it would mean to disconnect
        asio::ip::tcp::socket socket(io.context);
        if (open)
            socket.open(asio::ip::tcp::v4());
        Events events;
        auto const stream = std::make_shared<IOStream>(std::move(socket));
        stream->connect(Address(), events.on("connect"));
        io.run_until([&] { return stream->closed(); });
        io.poll();
        BOOST_TEST(events.take() == "connect!" + word(asio::error::address_family_not_supported));
    }
}

BOOST_AUTO_TEST_CASE(a_watermark_callback_that_holds_its_stream_is_released_with_the_close) {
    StreamAndSocket<TcpKind> io;
    std::weak_ptr<IOStream> const weak = io.stream;
    io.stream->set_write_watermarks(10, 20, [stream = io.stream](bool) {});
    io.stream->close();
    io.stream.reset();
    io.run();
    BOOST_TEST(weak.expired());
}

BOOST_AUTO_TEST_CASE(a_handler_that_is_erased_already) {
    StreamAndSocket<TcpKind> io;
    Events events;
    asio::any_completion_handler<void(error_code, std::string)> handler(events.on("read"));
    io.stream->read_until("\n", std::move(handler));
    asio::write(io.peer, asio::buffer("x\n", 2));
    io.run_until([&] { return !io.stream->reading(); });
    io.stream->close();
    io.run();
    BOOST_TEST(events.take() == "read:x\n");
}

BOOST_AUTO_TEST_CASE(a_handler_whose_allocator_is_large) {
    auto const uses = std::make_shared<int>(0);
    {
        StreamAndSocket<TcpKind> io;
        Events events;
        auto const ballast = std::string(100, 'x');
        auto handler = [done = events.on("read"), ballast](
                           error_code ec, std::string text) mutable { done(ec, std::move(text)); };
        io.stream->read_until("\n", asio::bind_allocator(Bulky<void>(uses), std::move(handler)));
        BOOST_TEST(*uses == 1);
        asio::write(io.peer, asio::buffer("x\n", 2));
        io.run_until([&] { return !io.stream->reading(); });
        BOOST_TEST(events.take() == "read:x\n");
        io.stream->close();
        io.run();
    }
    BOOST_TEST(*uses == 0);
}

BOOST_AUTO_TEST_CASE(T100_a_write_to_a_stream_that_a_full_buffer_closed_throws_nothing) {
    CapturedLog const log;
    StreamAndSocket<TcpKind> io(StreamOptions{.max_buffer_size = 10});
    Events events;
    io.stream->read_until("\n", events.on("read"));
    asio::write(io.peer, asio::buffer(std::string(100, 'x')));
    io.run_until([&] { return io.stream->closed(); });
    BOOST_CHECK_NO_THROW(io.stream->write("bye"));
    io.run();
}

BOOST_AUTO_TEST_CASE(T095_an_earlier_write_does_not_wait_for_long_data_behind_it) {
    StreamAndSocket<TcpKind> io;
    std::string const first(200'000, 'a'), second(40'000'000, 'b');
    auto write = io.stream->write(first);
    io.stream->async_write_some(asio::buffer(second), [](error_code, std::size_t) {});
    bool done = false;
    write([&](error_code ec) { done = !ec; });
    // The peer reads what comes first, and nothing of the rest.
    std::string received(first.size(), '\0');
    io.peer.non_blocking(true);
    std::size_t size = 0;
    io.run_until([&] {
        error_code ec;
        if (size != received.size())
            size += io.peer.read_some(asio::buffer(received) + size, ec);
        return done;
    });
    io.stream->close();
    io.run();
}

BOOST_AUTO_TEST_CASE(nagles_delay_stays_as_it_was_set_before_connect) {
    Io io;
    asio::ip::tcp::acceptor acceptor(io.context, {asio::ip::address_v4::loopback(), 0});
    auto const stream =
        std::make_shared<IOStream>(asio::ip::tcp::socket(io.context, asio::ip::tcp::v4()));
    BOOST_TEST(has_nodelay(*stream));
    stream->set_nodelay(false);
    io.run_test([&]() -> asio::awaitable<void> {
        co_await stream->connect(Address(acceptor.local_endpoint()));
    });
    BOOST_TEST(!has_nodelay(*stream));
    auto const fresh = std::make_shared<IOStream>(asio::ip::tcp::socket(io.context));
    io.run_test([&]() -> asio::awaitable<void> {
        co_await fresh->connect(Address(acceptor.local_endpoint()));
    });
    BOOST_TEST(has_nodelay(*fresh));
}

BOOST_AUTO_TEST_CASE(the_socket_that_connect_makes_is_fit_for_a_loop) {
    Io io;
    asio::ip::tcp::acceptor acceptor(io.context, {asio::ip::address_v4::loopback(), 0});
    auto const stream = std::make_shared<IOStream>(asio::ip::tcp::socket(io.context));
    stream->connect(Address(acceptor.local_endpoint()), [](error_code, IOStreamPtr) {});
    BOOST_TEST((::fcntl(stream->native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
    BOOST_TEST((::fcntl(stream->native_handle(), F_GETFL) & O_NONBLOCK) != 0);
    stream->close();
    io.run();
}

BOOST_AUTO_TEST_CASE(an_accepted_descriptor_that_asio_refuses_is_closed) {
    asio::io_context context;
    asio::ip::tcp::socket const other(context); // the context has its own descriptors from here on
    for (asio::any_io_executor const& executor :
         {asio::any_io_executor(context.get_executor()),
          asio::any_io_executor(asio::make_strand(context))}) {
        auto const before = open_descriptors();
        int const path = ::open("/", O_PATH | O_CLOEXEC); // epoll takes none of these
        BOOST_CHECK_THROW(IOStream(executor, AcceptedSocket(path, AF_INET)), system_error);
        BOOST_TEST(open_descriptors() == before);
    }
}

BOOST_AUTO_TEST_CASE(a_servers_handler_that_fails_on_an_open_stream_is_logged) {
    CapturedLog const log;
    TCPServerOptions options;
    options.max_write_buffer_size = 10;
    Host host(false);
    TCPServer server(
        host.loop(),
        [](IOStreamPtr stream, Address) -> asio::awaitable<void> {
            co_await stream->write("more than ten bytes");
        },
        options);
    server.listen(0, "127.0.0.1");
    Client client(host, server.addresses()[0]);
    host.run([&]() -> asio::awaitable<void> { BOOST_TEST((co_await client.rest()).empty()); });
    BOOST_TEST(log.count("Error in connection callback") == 1);
}

BOOST_AUTO_TEST_SUITE_END()
