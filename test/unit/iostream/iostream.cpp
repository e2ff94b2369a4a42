// SPDX-License-Identifier: BSL-1.0
// The public face: what is checked before anything starts, and what costs nothing while idle.
#include "tornado/iostream.hpp"

#include "tornado/netutil.hpp"

#include "bytes/block_cache.hpp"
#include "support/allocations.hpp"
#include "support/events.hpp"
#include "support/stream_pairs.hpp"

#include <boost/test/unit_test.hpp>

#include <concepts>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace tornado;
using namespace tornado::test;

BOOST_AUTO_TEST_SUITE(iostream)

BOOST_AUTO_TEST_CASE(a_stream_is_neither_copied_nor_moved) {
    static_assert(!std::is_copy_constructible_v<IOStream>);
    static_assert(!std::is_move_constructible_v<IOStream>);
    static_assert(std::derived_from<IOStream, BaseIOStream>);
    static_assert(std::has_virtual_destructor_v<BaseIOStream>);
}

BOOST_AUTO_TEST_CASE(bad_arguments_throw_and_change_nothing) {
    StreamPair<UnixKind> io;
    Events events;
    BOOST_CHECK_THROW(io.near->read_until("", events.on("1")), std::invalid_argument);
    BOOST_CHECK_THROW(io.near->read_until_regex("a(", events.on("2")), std::invalid_argument);
    BOOST_CHECK_THROW(io.near->set_write_watermarks(2, 1, {}), std::invalid_argument);
    BOOST_TEST(!io.near->reading());
    std::weak_ptr const alive = io.near;
    io.near.reset();
    BOOST_TEST(alive.expired());
    io.run();
    BOOST_TEST(events.take() == "");
}

BOOST_AUTO_TEST_CASE(a_connect_to_nowhere_keeps_nothing) {
    Io io;
    auto stream = std::make_shared<IOStream>(asio::local::stream_protocol::socket(io.context));
    std::weak_ptr const alive = stream;
    Events events;
    try {
        stream->connect(Address(), events.on("connect"));
    } catch (std::exception const&) {
    }
    stream.reset();
    io.run();
    BOOST_TEST(alive.expired());
}

BOOST_AUTO_TEST_CASE(T127_a_connected_socket_is_wrapped) {
    StreamPair<TcpKind> io;
    BOOST_TEST((::fcntl(io.near->native_handle(), F_GETFL) & O_NONBLOCK) != 0);
    BOOST_TEST(io.near->local_address() == io.far->remote_address());
    BOOST_TEST((io.near->get_executor() == asio::any_io_executor(io.executor())));
    BOOST_TEST(io.near->loop() == nullptr);
    io.near->close();
    BOOST_TEST(io.near->native_handle() == -1);
    BOOST_TEST(io.near->local_address() == Address());
    BOOST_TEST(io.near->remote_address() == Address());
}

BOOST_AUTO_TEST_CASE(an_accepted_connection_is_taken) {
    Io io;
    auto [a, b] = UnixKind::sockets(io);
    AcceptedSocket connection(a.release(), AF_UNIX);
    auto const stream = std::make_shared<IOStream>(io.executor(), std::move(connection));
    Events events;
    stream->read_bytes(2, events.on("read"));
    b.send(asio::buffer("hi", 2));
    io.run_until([&] { return !stream->reading(); });
    BOOST_TEST(events.take() == "read:hi");
}

// A thread's cache lends a few blocks only: many streams that wait cannot hold one each.
BOOST_AUTO_TEST_CASE(an_idle_stream_holds_no_receive_buffer) {
    Io io;
    std::vector<IOStreamPtr> streams;
    std::vector<Socket> peers;
    for (int i = 0; i < 20; ++i) {
        auto [a, b] = UnixKind::sockets(io);
        auto& stream = streams.emplace_back(std::make_shared<IOStream>(std::move(a)));
        peers.push_back(std::move(b));
        stream->read_until("\n", [](error_code, std::string const&) {});
        io.poll();
    }
    auto const before = tornado::test::allocations();
    detail::give_block(detail::take_block()); // is in the cache, not with a stream
    BOOST_TEST(tornado::test::allocations() == before);
    for (auto& peer : peers)
        peer.send(asio::buffer("line\n", 5));
    io.run_until([&] { return !streams.back()->reading(); });
}

BOOST_AUTO_TEST_SUITE_END()
