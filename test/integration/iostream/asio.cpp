// SPDX-License-Identifier: BSL-1.0
// Streams among Asio's own: tokens, executors, cancellation, algorithms, memory, and the way back.
#include "tornado/iostream.hpp"

#include "support/allocations.hpp"
#include "support/events.hpp"
#include "support/stream_pairs.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <cstddef>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

// Counts what a handler's operation takes from the handler's own allocator.
template <class T>
struct CountingAllocator {
    using value_type = T;

    std::size_t* taken;

    explicit CountingAllocator(std::size_t* count) : taken(count) {}
    template <class U>
    CountingAllocator(CountingAllocator<U> const& other) : taken(other.taken) {}

    T* allocate(std::size_t n) {
        ++*taken;
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* memory, std::size_t n) { std::allocator<T>().deallocate(memory, n); }
    friend bool operator==(CountingAllocator const&, CountingAllocator const&) = default;
};

// Each line that comes, back again.
template <class Stream>
struct CallbackEcho {
    std::shared_ptr<Stream> stream;

    void operator()(error_code ec, std::string line) {
        if (ec)
            return;
        auto& to = *stream;
        to.write(std::move(line));
        to.read_until("\n", std::move(*this));
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(iostream_asio)

// ---- Tokens

BOOST_AUTO_TEST_CASE_TEMPLATE(every_token_works, Kind, PairKinds) {
    StreamPair<Kind> io;
    auto line = io.near->read_until("\n", asio::use_future);
    auto sent = io.far->write("1\n", asio::use_future);
    io.run_until([&] { return line.wait_for(0s) == std::future_status::ready; });
    BOOST_TEST(line.get() == "1\n");
    sent.get();
    io.run_test([&]() -> asio::awaitable<void> {
        auto deferred = io.near->read_until("\n"); // nothing happens until it is awaited
        BOOST_TEST(!io.near->reading());
        io.far->write("2\n3\n4\n");
        BOOST_TEST(co_await std::move(deferred) == "2\n");
        auto const [ec, data] = co_await io.near->read_until("\n", asio::as_tuple(asio::deferred));
        BOOST_TEST(!ec);
        BOOST_TEST(data == "3\n");
        BOOST_TEST(co_await io.near->read_until("\n", asio::use_awaitable) == "4\n");
        io.far->write("5\n", asio::detached);
        co_await io.far->write("6\n", asio::use_awaitable);
        auto operation = io.far->write("7\n");
        co_await operation(asio::deferred);
        co_await operation(asio::use_awaitable);
        BOOST_TEST(co_await io.near->read_bytes(6) == "5\n6\n7\n");
        io.near->close();
        auto const [failed] = co_await io.near->write("x", asio::as_tuple(asio::deferred));
        BOOST_TEST(word(failed) == "closed");
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(no_operation_completes_inside_its_call, Kind, ConnectionKinds) {
    StreamPair<Kind> io;
    io.far->write("abcdefgh");
    io.near->read_bytes(1, [](error_code, std::string const&) {});
    io.run_until([&] { return !io.near->reading(); });
    bool inside = true;
    int calls = 0;
    auto const check = [&](auto const&...) {
        BOOST_TEST(!inside);
        ++calls;
    };
    std::array<char, 2> buffer;
    auto const attempt = [&](auto initiate) {
        inside = true;
        initiate();
        inside = false;
        io.poll();
    };
    for (int pass = 0; pass < 2; ++pass) {
        attempt([&] { io.near->read_bytes(1, check); });
        attempt([&] { io.near->read_until("c", check); });
        attempt([&] { io.near->read_into(asio::buffer(buffer), check); });
        attempt([&] { io.near->write("x", check); });
        attempt([&] { io.near->async_write_some(asio::buffer("x", 1), check); });
        attempt([&] { io.near->connect(Address(), check); });
        attempt([&] { io.near->close(); });
        attempt([&] { io.near->set_close_callback(check); });
    }
    BOOST_TEST(calls == 14);
}

// ---- Executors

BOOST_AUTO_TEST_CASE_TEMPLATE(a_handler_runs_on_its_own_executor, Kind, PairKinds) {
    StreamPair<Kind> io;
    asio::io_context other;
    std::thread::id const here = std::this_thread::get_id();
    std::thread::id read_by;
    std::thread::id written_by;
    std::string line;
    io.near->read_until("\n",
                        asio::bind_executor(other, [&](error_code ec, std::string const& data) {
                            line = ec ? ec.message() : data;
                            read_by = std::this_thread::get_id();
                        }));
    io.far->write("line\n", asio::bind_executor(other, [&](error_code) {
                      written_by = std::this_thread::get_id();
                  }));
    std::thread thread([&] { other.run(); }); // the operations in flight are work there
    io.run_until([&] { return !io.near->reading(); });
    thread.join();
    BOOST_TEST(line == "line\n");
    BOOST_TEST((read_by != std::thread::id() && read_by != here));
    BOOST_TEST((written_by == read_by));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_handler_runs_in_its_strand, Kind, PairKinds) {
    StreamPair<Kind> io;
    auto const strand = asio::make_strand(io.context);
    bool done = false;
    io.near->read_until("\n", asio::bind_executor(strand, [&](error_code, std::string const&) {
                            BOOST_TEST(strand.running_in_this_thread());
                            io.near->write("x", asio::bind_executor(strand, [&](error_code) {
                                               BOOST_TEST(strand.running_in_this_thread());
                                               done = true;
                                           }));
                        }));
    io.far->write("line\n");
    io.run_until([&] { return done; });
}

BOOST_AUTO_TEST_CASE(a_stream_may_live_on_a_strand) {
    Io io;
    auto const strand = asio::make_strand(io.context);
    asio::local::stream_protocol::socket a(strand);
    asio::local::stream_protocol::socket b(strand);
    asio::local::connect_pair(a, b);
    auto const near = std::make_shared<IOStream>(std::move(a));
    auto const far = std::make_shared<IOStream>(std::move(b));
    bool done = false;
    near->read_until("\n", [&](error_code ec, std::string const& data) {
        BOOST_TEST(!ec);
        BOOST_TEST(data == "line\n");
        BOOST_TEST(strand.running_in_this_thread());
        done = true;
    });
    far->write("line\n");
    io.run_until([&] { return done; });
    auto socket = near->template release<asio::local::stream_protocol>();
    BOOST_TEST((socket.get_executor() == asio::any_io_executor(strand)));
}

// ---- Cancellation

BOOST_AUTO_TEST_CASE_TEMPLATE(T124_a_read_beside_a_timer_loses_no_byte, Kind, PairKinds) {
    using namespace asio::experimental::awaitable_operators;
    StreamPair<Kind> io;
    io.run_test([&]() -> asio::awaitable<void> {
        std::array<char, 5> buffer;
        for (int kind = 0; kind < 2; ++kind) {
            io.far->write("abc");
            while (io.near->bytes_read() % 5 != 3) { // it has taken a part
                asio::steady_timer timer(io.context, 2ms);
                if (kind == 0) {
                    auto const first = co_await (io.near->read_bytes(5, asio::use_awaitable) ||
                                                 timer.async_wait(asio::use_awaitable));
                    BOOST_TEST(first.index() == 1u);
                } else {
                    auto const first =
                        co_await (io.near->read_into(asio::buffer(buffer), asio::use_awaitable) ||
                                  timer.async_wait(asio::use_awaitable));
                    BOOST_TEST(first.index() == 1u);
                }
            }
            io.far->write("de");
            BOOST_TEST(co_await io.near->read_bytes(5) == "abcde");
        }
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_write_beside_a_timer_stays_queued, Kind, PairKinds) {
    using namespace asio::experimental::awaitable_operators;
    StreamPair<Kind> io;
    constexpr std::size_t size = 20000000;
    io.run_test([&]() -> asio::awaitable<void> {
        asio::steady_timer timer(io.context, 2ms);
        auto const first = co_await (io.far->write(std::string(size, 'x'), asio::use_awaitable) ||
                                     timer.async_wait(asio::use_awaitable));
        BOOST_TEST(first.index() == 1u);
        io.far->write("end");
        {
            auto const got = co_await io.near->read_until("end");
            BOOST_TEST(got.size() == size + 3);
        }
    });
}

// ---- Algorithms

BOOST_AUTO_TEST_CASE_TEMPLATE(asios_algorithms_run_on_a_stream, Kind, PairKinds) {
    StreamPair<Kind> io;
    std::string const big(3000000, 'b');
    io.run_test([&]() -> asio::awaitable<void> {
        // The buffers are longer than what one gathering takes.
        std::vector<asio::const_buffer> parts;
        for (std::size_t i = 0; i < 40; ++i)
            parts.push_back(asio::buffer(big) + i * 75000);
        for (auto& part : parts)
            part = asio::buffer(part, 75000);
        asio::co_spawn(
            io.context,
            [&]() -> asio::awaitable<void> {
                BOOST_TEST(co_await asio::async_write(*io.far, parts, asio::use_awaitable) ==
                           big.size());
                co_await asio::async_write(*io.far, asio::buffer("line\nrest", 9),
                                           asio::use_awaitable);
            },
            asio::detached);
        std::string got(big.size(), '\0');
        co_await asio::async_read(*io.near, asio::buffer(got), asio::use_awaitable);
        BOOST_TEST((got == big));
        std::string text;
        auto const n = co_await asio::async_read_until(*io.near, asio::dynamic_buffer(text), "\n",
                                                       asio::use_awaitable);
        BOOST_TEST(text.substr(0, n) == "line\n");
        std::array<char, 2> a;
        std::array<char, 4> b;
        std::array<asio::mutable_buffer, 2> const both{asio::buffer(a), asio::buffer(b)};
        io.far->write("123456");
        text.erase(0, n);
        std::string const rest = "rest";
        auto const missing = 4 - text.size();
        text += co_await io.near->read_bytes(missing);
        BOOST_TEST(text == rest);
        co_await asio::async_read(*io.near, both, asio::use_awaitable);
        BOOST_TEST(std::string(a.data(), 2) + std::string(b.data(), 4) == "123456");
    });
}

// ---- Memory

BOOST_AUTO_TEST_CASE_TEMPLATE(a_handlers_allocator_is_used, Kind, PairKinds) {
    StreamPair<Kind> io;
    std::size_t taken = 0;
    std::array<char, 200> large{};
    io.near->read_until("\n", asio::bind_allocator(CountingAllocator<char>(&taken),
                                                   [large](error_code, std::string const&) {
                                                       BOOST_TEST(large[0] == 0);
                                                   }));
    BOOST_TEST(taken > 0u);
    io.far->write("line\n");
    io.run_until([&] { return !io.near->reading(); });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_echo_allocates_nothing_per_message, Kind, TwoWayKinds) {
    for (bool const coroutine : {false, true}) {
        StreamPair<Kind> io;
        if (coroutine)
            asio::co_spawn(
                io.context,
                [stream = io.far]() -> asio::awaitable<void> {
                    for (;;)
                        co_await stream->write(co_await stream->read_until("\n"));
                },
                asio::detached);
        else
            io.far->read_until("\n", CallbackEcho<typename Kind::Stream>{io.far});
        std::string const line = std::string(60, 'x') + '\n';
        std::array<char, 61> buffer;
        auto const allocated = allocations_once_settled(io, [&](auto next) {
            io.near->write(std::string_view(line));
            io.near->read_into(asio::buffer(buffer),
                               [next](error_code ec, std::size_t) { next(ec); });
        });
        BOOST_TEST(allocated == 0u);
        io.near->close();
        io.run();
    }
}

// ---- The way back

BOOST_AUTO_TEST_CASE(release_gives_the_socket_back) {
    StreamPair<TcpKind> tcp;
    Events events;
    tcp.near->set_close_callback(events.at("close"));
    tcp.run_test([&]() -> asio::awaitable<void> {
        tcp.far->write("one\ntwo");
        BOOST_TEST(co_await tcp.near->read_until("\n") == "one\n");
        BOOST_CHECK_EXCEPTION(tcp.near->release<asio::ip::tcp>(), system_error,
                              [](system_error const& e) { return e.code() == error::not_idle; });
        BOOST_TEST(!tcp.near->closed());
        std::string unread;
        asio::ip::tcp::socket socket = tcp.near->release<asio::ip::tcp>(&unread);
        BOOST_TEST(unread == "two");
        BOOST_TEST(tcp.near->closed());
        BOOST_TEST(tcp.near->native_handle() == -1);
        co_await asio::async_write(socket, asio::buffer("hello", 5), asio::use_awaitable);
        BOOST_TEST(co_await tcp.far->read_bytes(5) == "hello");
        BOOST_CHECK_THROW(tcp.near->release<asio::ip::tcp>(), system_error);
        BOOST_TEST(socket.remote_endpoint() == tcp.far->local_address().tcp_endpoint());
    });
    BOOST_TEST(events.take() == "");

    StreamPair<UnixKind> local;
    local.near->read_bytes(1, events.on("read"));
    local.poll();
    BOOST_CHECK_THROW(local.near->release(), system_error);
    local.far->write("x");
    local.run_until([&] { return !local.near->reading(); });
    auto const unix_socket = local.near->release<asio::local::stream_protocol>();
    BOOST_TEST(unix_socket.is_open());
    local.far->write(std::string(5000000, 'x'));
    local.poll();
    BOOST_CHECK_THROW(local.far->release(), system_error);
    BOOST_TEST(!local.far->closed());

    StreamPair<TcpKind> any;
    auto const generic = any.near->release();
    BOOST_TEST(generic.is_open());
    auto again = std::make_shared<IOStream>(any.far->release());
    again->write("still");
    any.poll();
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_context_destroyed_with_operations_in_flight, Kind, TwoWayKinds) {
    std::weak_ptr<BaseIOStream> idle;
    std::weak_ptr<BaseIOStream> busy;
    std::weak_ptr<int> local;
    {
        StreamPair<Kind> io;
        auto const [other, b] = Kind::streams(io, {}, {});
        busy = other;
        idle = io.near;
        io.near->set_close_callback([stream = io.near] {});
        asio::co_spawn(
            io.context,
            [stream = other, &local]() -> asio::awaitable<void> {
                auto const mine = std::make_shared<int>(1);
                local = mine;
                co_await stream->read_until("\n");
            },
            asio::detached);
        other->write(std::string(20000000, 'x'), [stream = other](error_code) {});
        io.poll();
        io.near.reset();
        BOOST_TEST(!local.expired());
        BOOST_TEST(!busy.expired());
    }
    BOOST_TEST(idle.expired());
    BOOST_TEST(busy.expired());
    BOOST_TEST(local.expired());
}

BOOST_AUTO_TEST_SUITE_END()
