// SPDX-License-Identifier: BSL-1.0
// Streams that outlive their context, in every state, destroyed and used after it.
#include "tornado/gen.hpp"
#include "tornado/iostream.hpp"

#include "support/descriptors.hpp"
#include "support/events.hpp"
#include "support/stream_pairs.hpp"
#include "support/tls.hpp"
#include "support/uncalled.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace {

using namespace tornado;
using namespace tornado::test;

// Everything that can be asked of a stream.
void use(BaseIOStream& stream) {
    Uncalled uncalled;
    auto const handler = [&] { return uncalled.handler(); };
    char room[8];
    auto const buffer = asio::buffer(room);

    BOOST_TEST(stream.closed());
    BOOST_TEST(!stream.reading());
    BOOST_TEST(!stream.writing());
    BOOST_TEST(stream.loop() == nullptr);
    auto const error = stream.error();

    asio::cancellation_signal signal;
    stream.read_until("\n", asio::bind_cancellation_slot(signal.slot(), handler()));
    signal.emit(asio::cancellation_type::all);
    stream.read_until("\n", handler());
    stream.read_until("\n", cancel_after(std::chrono::hours(1), handler()));
    stream.read_until_regex("a+", handler());
    stream.read_bytes(1, handler());
    stream.read_into(buffer, handler());
    stream.read_until_close(handler());
    stream.async_read_some(buffer, handler());
    asio::async_read(stream, buffer, handler());
    stream.write("dropped");
    stream.write("told", handler());
    stream.write("told later")(asio::bind_cancellation_slot(signal.slot(), handler()));
    signal.emit(asio::cancellation_type::all);
    stream.async_write_some(buffer, handler());
    stream.set_write_watermarks(1, 2, handler());
    stream.set_close_callback(handler());
    BOOST_TEST(uncalled.left() == 0);

    if (auto* const socket = dynamic_cast<IOStream*>(&stream)) {
        BOOST_TEST(socket->native_handle() == -1);
        BOOST_TEST(socket->local_address().to_string() == Address().to_string());
        BOOST_TEST(socket->remote_address().to_string() == Address().to_string());
        socket->set_nodelay(false);
        socket->connect(Address("127.0.0.1", 1), handler());
        socket->start_tls(false, client_context(), "localhost", handler());
        BOOST_CHECK_THROW(socket->release(), system_error);
    }
    if (auto* const tls = dynamic_cast<SSLIOStream*>(&stream)) {
        tls->wait_for_handshake(handler());
        BOOST_TEST(tls->native_handle() != nullptr);
    }
    BOOST_TEST(uncalled.left() == 0);

    stream.shutdown_write();
    stream.close_after_flush();
    stream.close(asio::error::timed_out);
    BOOST_TEST((stream.error() == error));
}

error_code const aborted = asio::error::operation_aborted;

/// Whether it is closed, with `error`, and nobody else's.
template <class Stream>
void check_closed(std::shared_ptr<Stream> const& stream, error_code error) {
    BOOST_TEST(stream->closed());
    BOOST_TEST((stream->error() == error), "error() is " << stream->error().message());
    BOOST_TEST(stream.use_count() == 1);
}

/// `prepare` brings the streams into a state; then the context ends. `far` is what is left of the
/// far stream's own close.
template <class Kind, class Prepare>
void outlive(Prepare prepare, error_code near_error = aborted, error_code far_error = aborted) {
    auto const descriptors = open_descriptors();
    for (bool const used : {false, true}) {
        auto pair = std::make_unique<StreamPair<Kind>>();
        auto const near = pair->near;
        auto const far = pair->far;
        Uncalled const uncalled;
        prepare(*pair, uncalled);
        pair.reset();
        BOOST_TEST(open_descriptors() == descriptors);
        BOOST_TEST(uncalled.left() == 0);
        check_closed(near, near_error);
        check_closed(far, far_error);
        if (used) {
            use(*near);
            use(*far);
        }
    }
}

std::string const much(8 << 20, 'm');

} // namespace

BOOST_AUTO_TEST_SUITE(stream_lifetime)

BOOST_AUTO_TEST_CASE_TEMPLATE(one_never_used, Kind, PairKinds) {
    outlive<Kind>([](auto&, auto const&) {});
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_that_was_used_and_is_idle, Kind, TwoWayKinds) {
    outlive<Kind>([](auto& pair, auto const&) {
        pair.run_test([&]() -> asio::awaitable<void> {
            co_await pair.far->write("line\n");
            co_await pair.near->read_until("\n");
            co_await pair.near->write("answer\n");
            co_await pair.far->read_until("\n");
        });
        pair.poll();
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_with_unread_bytes_and_no_read, Kind, PairKinds) {
    outlive<Kind>([](auto& pair, auto const&) {
        pair.run_test([&]() -> asio::awaitable<void> {
            co_await pair.far->write("line\nrest");
            co_await pair.near->read_until("\n");
        });
        pair.poll();
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_with_a_read_pending, Kind, PairKinds) {
    outlive<Kind>([](auto& pair, auto const& uncalled) {
        for (auto const& each : {pair.near, pair.far})
            each->set_close_callback([held = each, f = uncalled.handler()] { f(); });
        pair.near->read_until("\n", [held = pair.near, f = uncalled.handler()](auto...) { f(); });
        pair.far->write("no line");
        pair.poll();
        BOOST_TEST(pair.near->reading());
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_with_a_write_pending, Kind, PairKinds) {
    outlive<Kind>([](auto& pair, auto const& uncalled) {
        pair.far->set_write_watermarks(1, 2 * much.size(),
                                       [held = pair.far, f = uncalled.handler()](bool) { f(); });
        pair.far->write(much, [held = pair.far, f = uncalled.handler()](error_code) { f(); });
        pair.poll();
        BOOST_TEST(pair.far->writing());
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_whose_turn_is_posted, Kind, PairKinds) {
    outlive<Kind>([](auto& pair, auto const& uncalled) {
        pair.far->write("never sent", uncalled.handler());
        pair.near->read_bytes(1, uncalled.handler());
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_that_lingers_after_its_close, Kind, PairKinds) {
    outlive<Kind>(
        [](auto& pair, auto const&) {
            pair.far->set_write_watermarks(2 * much.size(), 2 * much.size(), {});
            pair.far->write(much);
            pair.far->close(asio::error::no_data);
            pair.context.poll_one();
            BOOST_TEST(pair.far->writing());
        },
        aborted, asio::error::no_data);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_that_flushes, Kind, PairKinds) {
    outlive<Kind>([](auto& pair, auto const& uncalled) {
        pair.far->write(much);
        pair.far->close_after_flush();
        pair.far->set_close_callback(uncalled.handler());
        pair.context.poll_one();
        BOOST_TEST(pair.far->writing());
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_that_has_ended_before, Kind, PairKinds) {
    outlive<Kind>(
        [](auto& pair, auto const&) {
            bool ended = false;
            pair.near->set_close_callback([&] { ended = true; });
            pair.far->close();
            pair.run_until([&] { return ended; });
        },
        asio::error::eof, error_code());
}

// What a write returns is a small value; it may be asked after the end.
BOOST_AUTO_TEST_CASE_TEMPLATE(the_result_of_a_write, Kind, PairKinds) {
    auto pair = std::make_unique<StreamPair<Kind>>();
    auto const near = pair->near;
    auto const far = pair->far;
    auto const queued = far->write(much);
    auto const complete = far->write("");
    auto read = near->read_until("\n"); // deferred: begins when it is called
    pair.reset();
    Uncalled const uncalled;
    queued(uncalled.handler());
    complete(uncalled.handler());
    std::move(read)(uncalled.handler());
    BOOST_TEST(uncalled.left() == 0);
}

BOOST_AUTO_TEST_CASE(one_that_waits_for_its_connection) {
    for (bool const tls : {false, true}) {
        auto io = std::make_unique<Io>();
        Socket socket(io->context);
        IOStreamPtr stream;
        if (tls)
            stream = std::make_shared<SSLIOStream>(std::move(socket), client_context(), false,
                                                   "localhost");
        else
            stream = std::make_shared<IOStream>(std::move(socket));
        asio::ip::tcp::acceptor acceptor(io->context, {asio::ip::address_v4::loopback(), 0});
        Uncalled const uncalled;
        stream->connect(Address(acceptor.local_endpoint()), uncalled.handler());
        stream->read_until("\n", uncalled.handler());
        acceptor.close();
        io.reset();
        BOOST_TEST(uncalled.left() == 0);
        use(*stream);
    }
}

BOOST_AUTO_TEST_CASE(one_in_the_midst_of_its_handshake) {
    auto io = std::make_unique<Io>();
    auto [a, b] = tcp_sockets(*io);
    auto const plain = std::make_shared<IOStream>(std::move(a));
    Uncalled const uncalled;
    plain->start_tls(false, client_context(), "localhost", uncalled.handler());
    auto const server = std::make_shared<SSLIOStream>(std::move(b), server_context(), true);
    server->wait_for_handshake(uncalled.handler());
    io->context.poll_one();
    io.reset();
    BOOST_TEST(uncalled.left() == 0);
    use(*plain);
    use(*server);
}

// A strand's destructor needs its context; several threads run one context with strands.
BOOST_AUTO_TEST_CASE(one_on_a_strand_of_a_pool) {
    auto pool = std::make_unique<asio::thread_pool>(2);
    IOStreamPtr near;
    IOStreamPtr far;
    {
        asio::local::stream_protocol::socket a(asio::make_strand(*pool));
        asio::local::stream_protocol::socket b(asio::make_strand(*pool));
        asio::local::connect_pair(a, b);
        near = std::make_shared<IOStream>(std::move(a));
        far = std::make_shared<IOStream>(std::move(b));
    }
    std::promise<void> read;
    asio::post(near->get_executor(), [&] {
        near->read_until("\n", [&](error_code ec, std::string const& line) {
            BOOST_TEST(!ec);
            BOOST_TEST(line == "line\n");
            read.set_value();
        });
    });
    asio::post(far->get_executor(), [&] { far->write("line\nrest"); });
    read.get_future().wait();
    pool.reset();
    use(*near);
    use(*far);
}

// Who waits on another context for a stream whose own has gone is destroyed there.
BOOST_AUTO_TEST_CASE(a_coroutine_of_another_context) {
    auto const stream = [] {
        StreamPair<TcpKind> pair;
        return pair.near;
    }();
    Io io;
    auto const frame = std::make_shared<int>();
    asio::co_spawn(
        io.context,
        [stream, frame]() -> asio::awaitable<void> {
            co_await stream->read_until("\n");
            BOOST_ERROR("the coroutine went on");
        },
        asio::detached);
    io.run();
    BOOST_TEST(frame.use_count() == 1);
}

// The handlers hold all that there is of the streams, and each other's.
BOOST_AUTO_TEST_CASE(streams_that_only_their_handlers_hold) {
    std::weak_ptr<IOStream> near;
    std::weak_ptr<IOStream> far;
    {
        StreamPair<TcpKind> pair;
        near = pair.near;
        far = pair.far;
        pair.near->read_until("\n", [other = pair.far](error_code, std::string const&) {});
        pair.far->set_close_callback([other = pair.near] {});
        pair.poll();
    }
    BOOST_TEST(near.expired());
    BOOST_TEST(far.expired());
}

BOOST_AUTO_TEST_SUITE_END()
