// SPDX-License-Identifier: BSL-1.0
// cancel_after around every kind of token and of operation.
#include "tornado/gen.hpp"

#include "tornado.hpp"

#include "support/allocations.hpp"
#include "support/events.hpp"
#include "support/stream_pairs.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <concepts>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <utility>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

constexpr auto never = asio::steady_timer::duration::max();

/// An operation that ends when the test says so; it tells how it was cancelled. Its initiation has
/// no executor.
class Manual {
public:
    template <class Token>
    auto wait(Token&& token) {
        return asio::async_initiate<Token, void(error_code)>(
            [state = state_](auto&& handler) {
                auto slot = asio::get_associated_cancellation_slot(handler);
                state->handler = std::forward<decltype(handler)>(handler);
                if (slot.is_connected())
                    slot.assign([state = state.get()](asio::cancellation_type type) {
                        state->cancelled(type);
                    });
            },
            token);
    }

    void on_cancel(std::function<void(asio::cancellation_type)> f) {
        state_->cancelled = std::move(f);
    }
    bool pending() const { return static_cast<bool>(state_->handler); }
    void complete(error_code ec) { std::exchange(state_->handler, {})(ec); }
    void drop() { state_->handler.reset(); }

private:
    struct State {
        detail::Function<void(error_code)> handler;
        std::function<void(asio::cancellation_type)> cancelled = [](asio::cancellation_type) {};
    };

    std::shared_ptr<State> state_ = std::make_shared<State>();
};

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

/// A token that looks at the initiation that it is given, as those of Boost 1.86 do.
struct Probe {};

} // namespace

template <class... Signatures>
struct boost::asio::async_result<Probe, Signatures...> {
    template <class Initiation, class... Args>
    static bool initiate(Initiation&& initiation, Probe, Args&&...) {
        using Held = std::decay_t<Initiation>;
        using Executor = typename Held::executor_type;
        auto const& constant = initiation;
        static_assert(noexcept(constant.get_executor()));
        static_assert(std::same_as<std::decay_t<decltype(constant.get_executor())>, Executor>);
        static_assert(std::same_as<associated_executor_t<Held>, Executor>);
        static_assert(!std::is_final_v<Held> && std::copy_constructible<Held>);
        return true;
    }
};

BOOST_AUTO_TEST_SUITE(gen)

// ---- Tokens

BOOST_AUTO_TEST_CASE_TEMPLATE(T124_a_read_whose_time_is_over_loses_no_byte, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    io.far->write("abc");
    do {
        io.near->read_bytes(5, cancel_after(1ms, events.on("read")));
        io.run_until([&] { return !io.near->reading(); });
        BOOST_TEST(events.take() == "read!aborted");
    } while (io.near->bytes_read() != 3);
    io.far->write("de");
    io.near->read_bytes(5, cancel_after(1h, events.on("read")));
    io.run_until([&] { return !io.near->reading(); });
    BOOST_TEST(events.take() == "read:abcde");
    io.near->close();
    io.far->close();
    io.run(); // no timer is left
}

BOOST_AUTO_TEST_CASE(every_token_works) {
    StreamPair<TcpKind> io;
    auto late = io.near->read_until("\n", cancel_after(1ms, asio::use_future));
    io.run_until([&] { return late.wait_for(0s) == std::future_status::ready; });
    auto const is_aborted = [](system_error const& e) {
        return e.code() == asio::error::operation_aborted;
    };
    BOOST_CHECK_EXCEPTION(late.get(), system_error, is_aborted);
    io.run_test([&]() -> asio::awaitable<void> {
        auto deferred = io.near->read_until("\n", cancel_after(1h));
        BOOST_TEST(!io.near->reading()); // nothing happens until it is awaited
        io.far->write("1\n2\n3\n4\n5\n");
        BOOST_TEST(co_await std::move(deferred) == "1\n");
        BOOST_TEST(co_await io.near->read_until("\n", cancel_after(1h, asio::use_awaitable)) ==
                   "2\n");
        auto const token = cancel_after(1h, asio::use_awaitable); // may be used again
        BOOST_TEST(co_await io.near->read_until("\n", token) == "3\n");
        BOOST_TEST(co_await io.near->read_until("\n", token) == "4\n");
        auto const [ec, line] =
            co_await io.near->read_until("\n", cancel_after(1h, asio::as_tuple(asio::deferred)));
        BOOST_TEST(!ec);
        BOOST_TEST(line == "5\n");
        auto const [over, none] =
            co_await io.near->read_until("\n", asio::as_tuple(cancel_after(1ms)));
        BOOST_TEST(word(over) == "aborted");
        BOOST_TEST(none.empty());
        bool thrown = false;
        try {
            static_cast<void>(co_await io.near->read_until("\n", cancel_after(1ms)));
        } catch (system_error const& e) {
            thrown = is_aborted(e);
        }
        BOOST_TEST(thrown);
        co_await io.far->write("x", cancel_after(1h));
        io.far->write("y", cancel_after(1h, asio::detached));
        BOOST_TEST(co_await io.near->read_bytes(2) == "xy");
    });
}

BOOST_AUTO_TEST_CASE(asios_own_operations) {
    Io io;
    auto [a, b] = tcp_sockets(io);
    Events events;
    std::string line;
    asio::async_read_until(a, asio::dynamic_buffer(line), "\n",
                           cancel_after(1ms, events.on("read")));
    io.run();
    BOOST_TEST(events.take() == "read!aborted");
    io.run_test([&]() -> asio::awaitable<void> {
        asio::steady_timer timer(io.context, 1ms);
        co_await timer.async_wait(cancel_after(1h));
    });
    io.run();
}

BOOST_AUTO_TEST_CASE(limits_of_any_size) {
    Io io;
    Events events;
    asio::steady_timer timer(io.context, never);
    timer.async_wait(cancel_after(0s, events.on("none")));
    timer.async_wait(cancel_after(-1h, events.on("negative")));
    timer.async_wait(
        cancel_after(std::chrono::duration<float, std::micro>(0.5), events.on("half")));
    timer.async_wait(cancel_after(never, events.on("never")));
    timer.async_wait(cancel_after(std::chrono::hours::max(), events.on("never")));
    timer.async_wait(cancel_after(std::chrono::duration<double>(1e300), events.on("never")));
    auto const start = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() < start + 5ms)
        io.poll();
    BOOST_TEST(events.take() == "negative!aborted, none!aborted, half!aborted");
    timer.cancel();
    io.run();
    BOOST_TEST(events.take() == "never!aborted, never!aborted, never!aborted");
}

BOOST_AUTO_TEST_CASE(the_shorter_of_two_limits_counts) {
    Io io;
    Events events;
    asio::steady_timer timer(io.context, never);
    timer.async_wait(cancel_after(1ms, cancel_after(1h, events.on("inner"))));
    timer.async_wait(cancel_after(1h, cancel_after(1ms, events.on("outer"))));
    io.run();
    auto const text = events.take();
    BOOST_TEST((text == "inner!aborted, outer!aborted" || text == "outer!aborted, inner!aborted"));
}

// ---- Cancellation

BOOST_AUTO_TEST_CASE(the_way_of_cancelling) {
    Io io;
    for (auto const type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                            asio::cancellation_type::total, asio::cancellation_type::all}) {
        Manual operation;
        std::optional<asio::cancellation_type> seen;
        operation.on_cancel([&](asio::cancellation_type how) { seen = how; });
        auto const handler = asio::bind_executor(io.context, [](error_code) {});
        if (type == asio::cancellation_type::terminal)
            operation.wait(cancel_after(1ms, handler));
        else
            operation.wait(cancel_after(1ms, type, handler));
        io.run();
        BOOST_TEST((seen == type));
        operation.complete({});
    }
}

BOOST_AUTO_TEST_CASE(a_cancellation_from_outside_is_passed_on) {
    Io io;
    Manual operation;
    asio::cancellation_signal outer;
    Events events;
    std::optional<asio::cancellation_type> seen;
    operation.on_cancel([&](asio::cancellation_type how) { seen = how; });
    operation.wait(
        cancel_after(1h, asio::bind_cancellation_slot(
                             outer.slot(), asio::bind_executor(io.context, events.on("end")))));
    outer.emit(asio::cancellation_type::partial);
    BOOST_TEST((seen == asio::cancellation_type::partial));
    operation.complete(asio::error::operation_aborted);
    BOOST_TEST(events.take() == "end!aborted");
    seen.reset();
    outer.emit(asio::cancellation_type::terminal); // it is over
    BOOST_TEST(!seen.has_value());
    io.run();
}

BOOST_AUTO_TEST_CASE(what_completes_in_the_end_gives_what_it_has) {
    Io io;
    Manual operation;
    Events events;
    bool cancelled = false;
    operation.on_cancel([&](asio::cancellation_type) { cancelled = true; });
    operation.wait(cancel_after(1ms, asio::bind_executor(io.context, events.on("end"))));
    io.run();
    BOOST_TEST(cancelled);
    BOOST_TEST(events.take() == "");
    operation.complete({});
    BOOST_TEST(events.take() == "end");
}

BOOST_AUTO_TEST_CASE(what_has_completed_is_not_cancelled) {
    Io io;
    Manual operation;
    bool cancelled = false;
    operation.on_cancel([&](asio::cancellation_type) { cancelled = true; });
    auto const handler = asio::bind_executor(io.context, [](error_code) {});
    operation.wait(cancel_after(0s, handler));
    io.context.run_one(); // the timer; the cancellation is on its way
    BOOST_TEST(operation.pending());
    operation.complete({});
    io.run();
    BOOST_TEST(!cancelled);
}

// ---- Executors

BOOST_AUTO_TEST_CASE(a_stream_is_cancelled_on_its_own_thread) {
    StreamPair<TcpKind> io;
    asio::io_context other; // the handler's, which does not run yet
    Events events;
    io.near->read_until("\n", cancel_after(1ms, asio::bind_executor(other, events.on("read"))));
    io.run_until([&] { return !io.near->reading(); });
    BOOST_TEST(events.take() == "");
    std::thread([&] { other.run(); }).join();
    BOOST_TEST(events.take() == "read!aborted");
}

BOOST_AUTO_TEST_CASE(any_other_operation_is_cancelled_where_its_handler_runs) {
    Io io;
    auto const strand = asio::make_strand(io.context);
    Manual operation;
    bool cancelled = false;
    operation.on_cancel([&](asio::cancellation_type) {
        BOOST_TEST(strand.running_in_this_thread());
        cancelled = true;
    });
    operation.wait(cancel_after(1ms, asio::bind_executor(strand, [](error_code) {})));
    io.run();
    BOOST_TEST(cancelled);
    operation.drop();

    asio::steady_timer timer(io.context, never);
    bool done = false;
    timer.async_wait(cancel_after(1ms, asio::bind_executor(strand, [&](error_code ec) {
                                      BOOST_TEST(strand.running_in_this_thread());
                                      BOOST_TEST(word(ec) == "aborted");
                                      done = true;
                                  })));
    io.run();
    BOOST_TEST(done);
}

BOOST_AUTO_TEST_CASE(many_operations_on_many_threads) {
    asio::thread_pool pool(4);
    std::atomic<int> in_time = 0;
    std::atomic<int> over = 0;
    for (int i = 0; i < 200; ++i)
        asio::co_spawn(
            asio::make_strand(pool),
            [&, i]() -> asio::awaitable<void> {
                asio::steady_timer timer(co_await asio::this_coro::executor);
                for (int k = 0; k < 10; ++k) {
                    timer.expires_after(std::chrono::microseconds((i * 7 + k * 13) % 300));
                    auto const [ec] = co_await timer.async_wait(asio::as_tuple(
                        cancel_after(std::chrono::microseconds((i + k * 29) % 300))));
                    ++(ec ? over : in_time);
                }
            },
            asio::detached);
    pool.join();
    BOOST_TEST(in_time + over == 2000);
}

BOOST_AUTO_TEST_CASE(every_operation_says_where_it_runs) {
    IOLoop loop;
    auto [a, b] = [&] {
        asio::local::stream_protocol::socket x(loop.context());
        asio::local::stream_protocol::socket y(loop.context());
        asio::local::connect_pair(x, y);
        return std::pair(std::move(x), std::move(y));
    }();
    auto const stream = std::make_shared<IOStream>(std::move(a));
    auto const tls =
        std::make_shared<SSLIOStream>(asio::ip::tcp::socket(loop.context()),
                                      ssl_options_to_context({.cert_reqs = CertReqs::none}, false));
    char bytes[2];
    BOOST_TEST(stream->read_until("\n", Probe()));
    BOOST_TEST(stream->read_until("\n", 9, Probe()));
    BOOST_TEST(stream->read_until_regex("x", Probe()));
    BOOST_TEST(stream->read_until_regex("x", 9, Probe()));
    BOOST_TEST(stream->read_bytes(1, Probe()));
    BOOST_TEST(stream->read_bytes(1, true, Probe()));
    BOOST_TEST(stream->read_into(asio::buffer(bytes), Probe()));
    BOOST_TEST(stream->read_into(asio::buffer(bytes), true, Probe()));
    BOOST_TEST(stream->read_until_close(Probe()));
    BOOST_TEST(stream->fill(Probe()));
    BOOST_TEST(stream->fill(1, Probe()));
    int const file = ::memfd_create("file", MFD_CLOEXEC);
    BOOST_TEST(stream->send_file(file, 0, 0, Probe()));
    ::close(file);
    BOOST_TEST(stream->write("x", Probe()));
    BOOST_TEST(stream->write("x")(Probe()));
    BOOST_TEST(stream->async_read_some(asio::buffer(bytes), Probe()));
    BOOST_TEST(stream->async_write_some(asio::buffer(bytes), Probe()));
    BOOST_TEST(stream->connect(Address(), Probe()));
    BOOST_TEST(stream->connect(Address(), "name", Probe()));
    auto const context = ssl_options_to_context({.cert_reqs = CertReqs::none}, false);
    BOOST_TEST(stream->start_tls(false, context, "name", Probe()));
    BOOST_TEST(tls->wait_for_handshake(Probe()));
    Resolver resolver(loop);
    BOOST_TEST(resolver.resolve("name", 1, Probe()));
    BOOST_TEST(resolver.resolve("name", 1, AF_INET, Probe()));
    TCPClient client(loop);
    BOOST_TEST(client.connect("name", 1, Probe()));
    BOOST_TEST(client.connect("name", 1, ConnectOptions(), Probe()));
    TCPServer server(loop);
    BOOST_TEST(server.shutdown(1s, Probe()));
    BOOST_TEST(loop.run_in_executor(
        nullptr, [] {}, Probe()));
    Event event(loop);
    BOOST_TEST(event.wait(Probe()));
    Condition condition(loop);
    BOOST_TEST(condition.wait(Probe()));
    Semaphore semaphore(loop);
    BOOST_TEST(semaphore.acquire(Probe()));
    BOOST_TEST(semaphore.acquire_scoped(Probe()));
    Lock lock(loop);
    BOOST_TEST(lock.acquire(Probe()));
    BOOST_TEST(lock.acquire_scoped(Probe()));
    Queue<int> queue(loop);
    BOOST_TEST(queue.put(1, Probe()));
    BOOST_TEST(queue.get(Probe()));
    BOOST_TEST(queue.join(Probe()));
    // And with a limit they are operations like any other.
    BOOST_TEST(stream->read_until("\n", cancel_after(1s, Probe())));
    BOOST_TEST(stream->read_until("\n", with_timeout(1s, Probe())));
}

// ---- Memory

BOOST_AUTO_TEST_CASE(the_handlers_allocator_is_used) {
    Io io;
    std::size_t taken = 0;
    asio::steady_timer timer(io.context, 0s);
    timer.async_wait(
        cancel_after(1h, asio::bind_allocator(CountingAllocator<char>(&taken), [](error_code) {})));
    BOOST_TEST(taken == 2u); // the limit's memory, and the wait's
    io.run();
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_echo_with_a_limit_allocates_nothing_per_message, Kind,
                              ConnectionKinds) {
    StreamPair<Kind> io;
    asio::co_spawn(
        io.context,
        [stream = io.far]() -> asio::awaitable<void> {
            for (;;)
                co_await stream->write(co_await stream->read_until("\n", cancel_after(1h)),
                                       cancel_after(1h));
        },
        asio::detached);
    std::string const line = std::string(60, 'x') + '\n';
    char buffer[61];
    auto const allocated = allocations_once_settled(io, [&](auto next) {
        io.near->write(std::string_view(line));
        io.near->read_into(asio::buffer(buffer),
                           cancel_after(1h, [next](error_code ec, std::size_t) { next(ec); }));
    });
    BOOST_TEST(allocated == 0u);
    io.near->close();
    io.run();
}

// ---- Ends

BOOST_AUTO_TEST_CASE(a_context_destroyed_with_operations_in_flight) {
    std::weak_ptr<int> by_stream;
    std::weak_ptr<int> by_timer;
    {
        StreamPair<TcpKind> io;
        asio::steady_timer timer(io.context, never);
        auto const hold = [](std::weak_ptr<int>& weak) {
            auto strong = std::make_shared<int>(1);
            weak = strong;
            return strong;
        };
        io.near->read_until("\n", cancel_after(1h, [held = hold(by_stream), s = io.near](
                                                       error_code, std::string const&) {}));
        timer.async_wait(cancel_after(1h, [held = hold(by_timer)](error_code) {}));
        timer.async_wait(cancel_after(0s, [](error_code) {})); // a cancellation on its way
        io.context.run_one();
        BOOST_TEST(!by_stream.expired());
        BOOST_TEST(!by_timer.expired());
    }
    BOOST_TEST(by_stream.expired());
    BOOST_TEST(by_timer.expired());
}

BOOST_AUTO_TEST_CASE(an_operation_that_outlives_its_context) {
    Manual pending;
    Manual cancelled;
    Manual dropped;
    int calls = 0;
    {
        Io io;
        auto const handler = asio::bind_executor(io.context, [&](error_code) { ++calls; });
        cancelled.wait(cancel_after(0s, handler));
        io.run();
        pending.wait(cancel_after(1h, handler));
        dropped.wait(cancel_after(1h, handler));
    }
    pending.complete({});
    cancelled.complete({});
    dropped.drop();
    BOOST_TEST(calls == 2);
}

BOOST_AUTO_TEST_CASE(an_operation_that_is_given_up) {
    Io io;
    Manual operation;
    auto const held = std::make_shared<int>(1);
    operation.wait(cancel_after(1h, asio::bind_executor(io.context, [held](error_code) {})));
    operation.drop();
    BOOST_TEST(held.use_count() == 1);
    io.run(); // no timer is left
}

BOOST_AUTO_TEST_CASE(an_operation_that_throws_while_it_is_started) {
    Io io;
    auto const held = std::make_shared<int>(1);
    auto token = cancel_after(1h, asio::bind_executor(io.context, [held](error_code) {}));
    auto const start = [&] {
        asio::async_initiate<decltype(token), void(error_code)>(
            [](auto&&) { throw std::runtime_error("no"); }, token);
    };
    BOOST_CHECK_THROW(start(), std::runtime_error);
    BOOST_TEST(held.use_count() == 2); // the token's
    io.run();
}

BOOST_AUTO_TEST_CASE(a_handler_that_throws) {
    Io io;
    asio::steady_timer timer(io.context, 0s);
    timer.async_wait(cancel_after(1h, [](error_code) { throw std::runtime_error("no"); }));
    BOOST_CHECK_THROW(io.run(), std::runtime_error);
    io.run(); // no timer is left
}

BOOST_AUTO_TEST_SUITE_END()
