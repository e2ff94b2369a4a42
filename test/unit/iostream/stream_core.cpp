// SPDX-License-Identifier: BSL-1.0
// The stream's decisions against a scripted transport: short, slow, full, and broken at each step.
#include "iostream/stream_core.hpp"

#include "tornado/testing.hpp"

#include "support/events.hpp"
#include "support/scripted_stream.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

using detail::Direction;

namespace {

// A server's side of one connection, which uses every kind of read and write.
std::string const question = "HELO me\r\nto 42 abcdefghijklmno";
std::string const answer = "220 hello\r\n" + std::string(100, 'x') + std::string(50, 'y') + "bye";

asio::awaitable<void> serve(ScriptedStream& stream, Wire& wire, std::string& heard,
                            Events& events) {
    stream.set_write_watermarks(8, 64, [](bool) {});
    stream.set_close_callback(events.at("close"));
    std::string const y(50, 'y');
    std::array<char, 6> buffer;
    try {
        heard += co_await stream.read_until("\r\n", 100);
        co_await stream.write("220 hello\r\n");
        heard += co_await stream.read_until_regex("[0-9]+ ");
        heard += co_await stream.read_bytes(5);
        co_await stream.write(std::string(100, 'x'));
        heard.append(buffer.data(), co_await stream.read_into(asio::buffer(buffer)));
        heard.append(buffer.data(), co_await stream.read_into(asio::buffer(buffer), true));
        co_await asio::async_write(stream, asio::buffer(y), asio::use_awaitable);
        co_await stream.write("bye");
        wire.end();
        heard += co_await stream.read_until_close();
        events.add("end");
    } catch (system_error const& e) {
        events.add(word(e.code()));
    }
}

// A core whose connect() is the test's; without a public stream, so that it connects to null.
struct Connecting : Io {
    std::shared_ptr<Wire> wire = std::make_shared<Wire>(executor());
    std::shared_ptr<detail::StreamCore> core = std::make_shared<detail::StreamCore>(
        std::make_unique<ScriptedTransport>(wire), StreamOptions(), false);
    Events events;

    void connect() {
        core->connect({});
        core->wait_established(
            [on = events.on("connect")](error_code ec, std::shared_ptr<BaseIOStream> self) mutable {
                on(ec, self);
            },
            {}, true);
    }
    void write(std::string_view data, asio::cancellation_slot slot = {}) {
        error_code failure;
        auto const end = core->write(data, failure);
        core->wait_written(end, failure,
                           {asio::bind_cancellation_slot(slot, events.on("write")), executor()});
    }
};

struct Shape {
    std::size_t read_limit;
    std::size_t write_limit;
    std::size_t slowness;
};

std::ostream& operator<<(std::ostream& out, Shape const& shape) {
    return out << "at most " << shape.read_limit << " in, " << shape.write_limit << " out, slow "
               << shape.slowness;
}

std::vector<Shape> shapes() {
    std::vector<Shape> all;
    for (std::size_t const in : {std::size_t(1), std::size_t(3), Wire::none})
        for (std::size_t const out : {std::size_t(7), Wire::none})
            for (std::size_t const slowness : {0u, 1u, 3u})
                all.push_back({in, out, slowness});
    return all;
}

struct Played {
    std::string events;
    std::string heard;
    std::string said;
    error_code error;
    std::size_t calls;
};

Played play(Shape const& shape, std::size_t fail_at = Wire::none, error_code failure = {}) {
    Scripted io;
    Played result;
    Events events;
    auto& wire = *io.wire;
    wire.read_limit = shape.read_limit;
    wire.write_limit = shape.write_limit;
    wire.slowness = shape.slowness;
    wire.fail_at = fail_at;
    wire.failure = failure;
    wire.arrive(question);
    asio::co_spawn(
        io.context, [&] { return serve(*io.stream, wire, result.heard, events); },
        [](std::exception_ptr e) { BOOST_TEST(!e); });
    io.run();
    BOOST_TEST(!io.stream->reading());
    BOOST_TEST(io.stream->closed());
    BOOST_TEST(!wire.open);
    std::weak_ptr const alive = io.stream;
    result.error = io.stream->error();
    io.stream.reset();
    io.run();
    BOOST_TEST(alive.expired());
    result.events = events.take();
    result.said = wire.sent();
    result.calls = wire.calls;
    return result;
}

bool is_prefix(std::string const& part, std::string const& whole) {
    return whole.compare(0, part.size(), part) == 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(stream_core)

// ---- A dialogue, in every shape, and failed at every step

BOOST_AUTO_TEST_CASE(T095_a_dialogue_in_every_shape) {
    for (auto const& shape : shapes()) {
        BOOST_TEST_CONTEXT(shape) {
            auto const played = play(shape);
            BOOST_TEST(played.events == "end, close");
            BOOST_TEST(played.heard == question);
            BOOST_TEST(played.said == answer);
            BOOST_TEST(word(played.error) == "eof");
        }
    }
}

BOOST_AUTO_TEST_CASE(T075_T111_T114_a_dialogue_that_fails_at_every_step) {
    CapturedLog const log;
    for (auto const& shape : shapes()) {
        auto const calls = play(shape).calls;
        for (std::size_t step = 0; step < calls; ++step) {
            for (error_code const failure : {make_error_code(asio::error::connection_reset),
                                             make_error_code(asio::error::no_memory)}) {
                BOOST_TEST_CONTEXT(shape << ", " << word(failure) << " at " << step) {
                    auto const played = play(shape, step, failure);
                    // The end of the stream may have been seen before the failing call.
                    bool const ended = word(played.error) == "eof";
                    if (!ended)
                        BOOST_TEST(word(played.error) == word(failure));
                    auto const close = played.events.find("close");
                    BOOST_TEST(close == played.events.size() - 5);
                    BOOST_TEST(is_prefix(played.heard, question));
                    BOOST_TEST(is_prefix(played.said, answer));
                }
            }
        }
    }
}

// ---- Reading

BOOST_AUTO_TEST_CASE(T094_a_read_that_the_buffer_serves_makes_no_call) {
    Scripted io;
    Events events;
    io.wire->arrive("a\nb\nc\n");
    io.stream->read_until("\n", events.on("1"));
    io.run();
    BOOST_TEST(events.take() == "1:a\n");
    auto const reads = io.wire->reads;
    io.stream->read_until("\n", events.on("2")); // outside any turn
    BOOST_TEST(events.take() == "");
    BOOST_TEST(io.stream->reading());
    io.run();
    BOOST_TEST(events.take() == "2:b\n");
    BOOST_TEST(!io.stream->reading());
    io.stream->read_bytes(1, true, [&](error_code, std::string const& data) { // inside one
        BOOST_TEST(data == "c");
        io.stream->read_bytes(1, events.on("4"));
    });
    io.run();
    BOOST_TEST(events.take() == "4:\n");
    BOOST_TEST(io.wire->reads == reads);
}

BOOST_AUTO_TEST_CASE(T093_a_second_read_harms_nothing) {
    Scripted io;
    Events events;
    io.stream->read_until("\n", events.on("1"));
    io.stream->read_bytes(1, events.on("2"));
    std::array<char, 4> buffer;
    io.stream->read_into(asio::buffer(buffer), events.on("3"));
    BOOST_TEST(events.take() == "");
    io.run();
    BOOST_TEST(events.take() == "2!already, 3!already");
    io.wire->arrive("line\n");
    io.run();
    BOOST_TEST(events.take() == "1:line\n");
    io.stream->read_until("\n", events.on("4"));
    io.stream->close();
    io.stream->read_until("\n", events.on("5"));
    io.run();
    auto const both = events.take();
    BOOST_TEST((both == "4!closed, 5!closed" || both == "5!closed, 4!closed"));
}

BOOST_AUTO_TEST_CASE(T124_a_cancelled_read_loses_no_byte) {
    for (auto const type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                            asio::cancellation_type::total}) {
        Scripted io;
        Events events;
        asio::cancellation_signal signal;
        io.wire->arrive("abc");
        io.stream->read_bytes(5, asio::bind_cancellation_slot(signal.slot(), events.on("1")));
        io.run();
        signal.emit(type);
        BOOST_TEST(events.take() == ""); // never inside
        io.run();
        BOOST_TEST(events.take() == "1!aborted");
        BOOST_TEST(!io.stream->reading());
        signal.emit(type); // too late: harms nothing
        io.wire->arrive("def");
        io.stream->read_bytes(6, events.on("2"));
        io.run();
        BOOST_TEST(events.take() == "2:abcdef");
    }
}

BOOST_AUTO_TEST_CASE(T124_a_cancelled_read_into_gives_back_what_it_took) {
    Scripted io;
    Events events;
    asio::cancellation_signal signal;
    std::array<char, 8> buffer;
    io.wire->arrive("abc");
    io.stream->read_into(asio::buffer(buffer),
                         asio::bind_cancellation_slot(signal.slot(), events.on("1")));
    io.run();
    signal.emit(asio::cancellation_type::terminal);
    io.run();
    BOOST_TEST(events.take() == "1!aborted");
    io.wire->arrive("d\n");
    io.stream->read_until("\n", events.on("2"));
    io.run();
    BOOST_TEST(events.take() == "2:abcd\n");
}

BOOST_AUTO_TEST_CASE(T124_cancelled_before_its_turn_with_all_bytes_there) {
    Scripted io;
    Events events;
    asio::cancellation_signal signal;
    io.wire->arrive("ab");
    io.stream->read_bytes(2, asio::bind_cancellation_slot(signal.slot(), events.on("1")));
    signal.emit(asio::cancellation_type::total);
    io.run();
    BOOST_TEST(events.take() == "1!aborted");
    io.stream->read_bytes(2, events.on("2"));
    io.run();
    BOOST_TEST(events.take() == "2:ab");
}

BOOST_AUTO_TEST_CASE(T064_T065_a_read_fails_after_the_peers_end) {
    Scripted io;
    Events events;
    io.wire->arrive("abc");
    io.wire->end();
    io.stream->read_bytes(4, events.on("1"));
    io.run();
    BOOST_TEST(events.take() == "1!eof");
    BOOST_TEST(io.stream->closed());
    io.stream->read_bytes(3, events.on("2"));
    io.run();
    BOOST_TEST(events.take() == "2:abc");
    io.stream->read_bytes(1, events.on("3"));
    io.run();
    BOOST_TEST(events.take() == "3!eof");
}

BOOST_AUTO_TEST_CASE(T085_one_chunk_is_received_ahead) {
    Scripted io(StreamOptions{.read_chunk_size = 100});
    Events events;
    io.wire->arrive(std::string(100, 'a'));
    io.wire->arrive(std::string(100, 'b'));
    io.stream->read_bytes(1, events.on("1"));
    io.run();
    BOOST_TEST(events.take() == "1:a");
    BOOST_TEST(io.stream->bytes_read() == 100u);
    BOOST_TEST(io.wire->largest_room == 100u);
}

BOOST_AUTO_TEST_CASE(T099_a_read_past_max_buffer_size_closes) {
    CapturedLog const log;
    for (std::size_t const size : {10u, 11u}) {
        Scripted io(StreamOptions{.max_buffer_size = 10, .read_chunk_size = 4});
        Events events;
        io.stream->set_close_callback(events.at("close"));
        io.wire->arrive(std::string(size, 'a'));
        io.stream->read_until("\n", events.on("1"));
        io.run();
        BOOST_TEST(io.stream->bytes_read() == size);
        BOOST_TEST(events.take() == (size == 10 ? "" : "1!full, close"));
        BOOST_TEST(word(io.stream->error()) == (size == 10 ? "ok" : "full"));
    }
    BOOST_TEST(log.count("Reached maximum read buffer size") == 1);
}

BOOST_AUTO_TEST_CASE(T080_T081_unsatisfiable_closes_and_is_logged) {
    CapturedLog const log;
    Scripted io;
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.wire->arrive("a\n123456\n");
    io.stream->read_until("\n", events.on("1"));
    io.run();
    io.stream->read_until("\n", 5, events.on("2")); // the bytes are there already
    BOOST_TEST(events.take() == "1:a\n");
    io.run();
    BOOST_TEST(events.take() == "2!unsatisfiable, close");
    BOOST_TEST(word(io.stream->error()) == "unsatisfiable");
    BOOST_TEST(log.count("Unsatisfiable read, closing connection") == 1);
}

BOOST_AUTO_TEST_CASE(T083_an_expression_too_costly_closes_and_is_logged) {
    CapturedLog const log;
    Scripted io;
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.stream->read_until_regex("(?=(a+)+b)a", events.on("1"));
    io.wire->arrive(std::string(100, 'a'));
    io.run();
    BOOST_TEST(events.take() == "1!too_costly, close");
    BOOST_TEST(word(io.stream->error()) == "too_costly");
    BOOST_TEST(log.count("Regular expression too costly") == 1);
}

BOOST_AUTO_TEST_CASE(T112_T113_another_error_on_read_is_logged_once) {
    CapturedLog const log;
    Scripted io;
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.wire->end(asio::error::no_memory);
    io.stream->read_bytes(1, events.on("1"));
    io.run();
    BOOST_TEST(events.take() == "1!" + word(asio::error::no_memory) + ", close");
    BOOST_TEST(log.count("error on read") == 1);
}

// ---- Writing

BOOST_AUTO_TEST_CASE(T095_one_turns_writes_leave_in_one_send) {
    Scripted io;
    Events events;
    io.stream->write("one ", events.on("1"));
    io.stream->write("two ");
    io.stream->write(std::string(5000, 'x'), events.on("3"));
    BOOST_TEST(io.wire->writes == 0u);
    BOOST_TEST(io.stream->writing());
    io.run();
    BOOST_TEST(events.take() == "1, 3");
    BOOST_TEST(io.wire->sends.size() == 1u);
    BOOST_TEST(io.wire->sent() == "one two " + std::string(5000, 'x'));
    BOOST_TEST(!io.stream->writing());
}

BOOST_AUTO_TEST_CASE(T095_a_coroutine_that_awaits_each_write_shares_the_send) {
    Scripted io;
    std::string input;
    for (int i = 0; i < 100; ++i)
        input += std::to_string(i) + "\n";
    io.wire->arrive(input);
    io.wire->end();
    asio::co_spawn(
        io.context,
        [stream = io.stream]() -> asio::awaitable<void> {
            for (;;)
                co_await stream->write(co_await stream->read_until("\n"));
        },
        [](std::exception_ptr) {});
    io.run();
    BOOST_TEST(io.wire->sent() == input);
    BOOST_TEST(io.wire->sends.size() == 1u);
}

BOOST_AUTO_TEST_CASE(T095_T096_completions_are_in_order_whatever_the_size) {
    for (std::size_t const limit : {std::size_t(1000), Wire::none}) {
        Scripted io;
        Events events;
        std::string order;
        std::string expected;
        io.wire->write_limit = limit;
        io.wire->slowness = 1;
        for (int i = 0; i < 50; ++i) {
            io.stream->write(std::string(i % 3 == 0 ? 20000 : 10, 'a'), [&, i](error_code ec) {
                BOOST_TEST(!ec);
                order += std::to_string(i) + " ";
            });
            expected += std::to_string(i) + " ";
        }
        io.run();
        BOOST_TEST(order == expected);
    }
}

BOOST_AUTO_TEST_CASE(T095_below_the_low_water_mark_a_write_completes_when_queued) {
    Scripted io;
    Events events;
    io.wire->room = 0;
    io.stream->write(std::string(64 * 1024, 'a'), events.on("1"));
    io.stream->write("b", events.on("2"));
    io.run();
    BOOST_TEST(events.take() == "1");
    io.wire->drain(64 * 1024);
    io.run();
    BOOST_TEST(events.take() == "");
    io.wire->drain(1);
    io.run();
    BOOST_TEST(events.take() == "2");
}

BOOST_AUTO_TEST_CASE(T095_a_write_may_be_awaited_late) {
    Scripted io;
    Events events;
    io.wire->room = 0;
    io.stream->set_write_watermarks(0, 100, {});
    auto first = io.stream->write("first");
    auto second = io.stream->write("second");
    second(events.on("2"));
    first(events.on("1"));
    io.run();
    BOOST_TEST(events.take() == "");
    io.wire->drain();
    io.run();
    BOOST_TEST(events.take() == "1, 2");
    first(events.on("again"));
    BOOST_TEST(events.take() == "");
    io.run();
    BOOST_TEST(events.take() == "again");
    auto third = io.stream->write("third");
    io.run();
    io.stream->close();
    third(events.on("3")); // was sent before the close
    third(events.on("4"));
    io.run();
    BOOST_TEST(events.take() == "3, 4");
}

BOOST_AUTO_TEST_CASE(T098_a_full_queue_throws_or_tells_the_token) {
    Scripted io(StreamOptions{.max_write_buffer_size = 10});
    Events events;
    io.wire->room = 0;
    io.stream->write("0123456789", events.on("1"));
    BOOST_CHECK_EXCEPTION(io.stream->write("x"), system_error,
                          [](system_error const& e) { return e.code() == error::buffer_full; });
    io.stream->write("x", events.on("2"));
    BOOST_TEST(events.take() == "");
    io.run();
    BOOST_TEST(!io.stream->closed());
    auto const both = events.take();
    BOOST_TEST((both == "1, 2!full" || both == "2!full, 1"));
    io.wire->drain();
    io.run();
    io.stream->write("more");
    io.run();
    BOOST_TEST(io.wire->sent() == "0123456789more");
}

BOOST_AUTO_TEST_CASE(T100_a_write_on_a_closed_stream_tells_who_waits) {
    Scripted io;
    Events events;
    io.stream->close(asio::error::timed_out);
    io.run();
    io.stream->write("dropped");
    auto late = io.stream->write("late");
    io.stream->write("x", events.on("1"));
    late(events.on("2"));
    BOOST_TEST(events.take() == "");
    io.run();
    BOOST_TEST(events.take() == "1!timed_out, 2!timed_out");
    BOOST_TEST(io.wire->sent() == "");
}

BOOST_AUTO_TEST_CASE(T066_an_empty_write_completes_and_sends_nothing) {
    Scripted io;
    Events events;
    io.stream->write("", events.on("1"));
    io.run();
    BOOST_TEST(events.take() == "1");
    BOOST_TEST(io.wire->writes == 0u);
    BOOST_TEST(!io.wire->waits(Direction::write));
}

BOOST_AUTO_TEST_CASE(T114_an_error_on_write_is_logged_unless_it_is_a_reset) {
    for (bool const reset : {false, true}) {
        CapturedLog const log;
        Scripted io;
        Events events;
        io.wire->failure = reset ? asio::error::broken_pipe : asio::error::no_memory;
        io.wire->fail_at = 0;
        io.stream->set_write_watermarks(0, 100, {});
        io.stream->set_close_callback(events.at("close"));
        io.stream->write("x", events.on("1"));
        io.run();
        auto const name = word(io.wire->failure);
        BOOST_TEST(events.take() == "1!" + name + ", close");
        BOOST_TEST(word(io.stream->error()) == name);
        BOOST_TEST(log.count("Write error on") == (reset ? 0 : 1));
    }
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_leaves_the_bytes_in_the_queue) {
    Scripted io;
    Events events;
    asio::cancellation_signal signal;
    io.wire->room = 0;
    io.stream->set_write_watermarks(0, 100, {});
    io.stream->write("a", events.on("1"));
    io.stream->write("b", asio::bind_cancellation_slot(signal.slot(), events.on("2")));
    io.stream->write("c", events.on("3"));
    io.run();
    signal.emit(asio::cancellation_type::terminal);
    BOOST_TEST(events.take() == "");
    io.run();
    BOOST_TEST(events.take() == "2!aborted");
    io.wire->drain();
    io.run();
    BOOST_TEST(events.take() == "1, 3");
    BOOST_TEST(io.wire->sent() == "abc");
}

BOOST_AUTO_TEST_CASE(a_wait_that_is_cancelled_when_it_is_complete_succeeds) {
    Scripted io;
    Events events;
    asio::cancellation_signal signal;
    io.stream->async_write_some(asio::buffer("abc", 3),
                                asio::bind_cancellation_slot(signal.slot(), events.on("1")));
    signal.emit(asio::cancellation_type::terminal); // its bytes are in the queue
    io.run();
    BOOST_TEST(events.take() == "1:3");
    BOOST_TEST(io.wire->sent() == "abc");
}

BOOST_AUTO_TEST_CASE(async_write_some_sends_long_data_from_the_callers_memory) {
    Scripted io;
    Events events;
    std::string const data(200000, 'd');
    io.stream->write("first ");
    io.wire->write_limit = 100006;
    io.stream->async_write_some(asio::buffer(data), events.on("1"));
    BOOST_TEST(events.take() == "");
    io.run();
    BOOST_TEST(events.take() == "1:100000");
    BOOST_TEST(io.wire->sends.size() == 1u);
    BOOST_TEST(io.wire->sent() == "first " + data.substr(0, 100000));
}

BOOST_AUTO_TEST_CASE(async_write_some_and_write_keep_call_order) {
    for (std::size_t const limit : {std::size_t(700), Wire::none}) {
        Scripted io;
        Events events;
        io.stream->set_write_watermarks(10, 100, {});
        io.wire->write_limit = limit;
        std::string const b(1000, 'b');
        std::string const d(1000, 'd');
        io.stream->write("a");
        io.stream->async_write_some(asio::buffer(b), events.on("b"));
        io.stream->write("c", events.on("c"));
        io.stream->async_write_some(asio::buffer(d), events.on("d"));
        io.run();
        auto const sent = io.wire->sent();
        BOOST_TEST(sent.substr(0, 1002) == "a" + b + "c");
        auto const rest = sent.size() - 1002;
        BOOST_TEST(events.take() == "b:1000, c, d:" + std::to_string(rest));
    }
}

BOOST_AUTO_TEST_CASE(async_write_some_of_nothing_completes_above_the_mark_too) {
    Scripted io;
    Events events;
    io.wire->room = 0;
    io.stream->async_write_some(asio::const_buffer(), events.on("1"));
    io.run();
    BOOST_TEST(events.take() == "1:0");
    io.stream->write(std::string(100000, 'x'), events.on("2"));
    io.stream->async_write_some(asio::const_buffer(), events.on("3"));
    io.wire->drain();
    io.run();
    BOOST_TEST(events.take() == "2, 3:0");
}

BOOST_AUTO_TEST_CASE(a_cancelled_async_write_some_frees_the_callers_memory) {
    Scripted io;
    Events events;
    asio::cancellation_signal signal;
    io.wire->room = 0;
    {
        std::string const data(200000, 'd');
        io.stream->async_write_some(asio::buffer(data),
                                    asio::bind_cancellation_slot(signal.slot(), events.on("1")));
        io.run();
        signal.emit(asio::cancellation_type::terminal);
    }
    io.run();
    BOOST_TEST(events.take() == "1!aborted");
    io.stream->write("x");
    io.wire->drain();
    io.run();
    BOOST_TEST(io.wire->sent() == "x");
}

BOOST_AUTO_TEST_CASE(watermarks_tell_each_crossing) {
    Scripted io;
    Events events;
    io.wire->room = 0;
    io.stream->set_write_watermarks(10, 20,
                                    [&](bool above) { events.add(above ? "above" : "below"); });
    io.stream->write(std::string(20, 'x'));
    io.run();
    BOOST_TEST(events.take() == "");
    io.stream->write("x");
    BOOST_TEST(events.take() == "");
    io.run();
    BOOST_TEST(events.take() == "above");
    io.wire->drain(10);
    io.run();
    BOOST_TEST(events.take() == "");
    io.wire->drain(1);
    io.run();
    BOOST_TEST(events.take() == "below");
    BOOST_CHECK_THROW(io.stream->set_write_watermarks(2, 1, {}), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(watermarks_set_late_tell_where_the_queue_is) {
    Scripted io;
    Events events;
    io.wire->room = 0;
    io.stream->write(std::string(100, 'x'));
    io.run();
    io.stream->set_write_watermarks(10, 20,
                                    [&](bool above) { events.add(above ? "above" : "below"); });
    BOOST_TEST(events.take() == "");
    io.run();
    BOOST_TEST(events.take() == "above");
}

BOOST_AUTO_TEST_CASE(watermarks_tell_nothing_of_a_closed_stream) {
    Scripted io;
    Events events;
    io.wire->room = 0;
    io.stream->set_write_watermarks(10, 20,
                                    [&](bool above) { events.add(above ? "above" : "below"); });
    io.stream->write(std::string(100, 'x'));
    io.poll();
    BOOST_TEST(events.take() == "above");
    io.stream->close();
    io.poll();
    BOOST_TEST(events.take() == "");
}

BOOST_AUTO_TEST_CASE(what_the_transport_holds_back_leaves_before_the_descriptor_is_freed) {
    Scripted io;
    io.wire->room = 0;
    io.wire->holds = true;
    io.stream->write("held");
    io.poll();
    io.wire->drain(0); // another attempt, in vain
    io.poll();
    BOOST_TEST(io.stream->writing());
    io.stream->close();
    io.poll();
    BOOST_TEST(io.wire->open);
    BOOST_TEST(io.wire->sent() == "");
    io.wire->drain();
    io.run();
    BOOST_TEST(io.wire->sent() == "held");
    BOOST_TEST(!io.wire->open);
}

// ---- Closing

BOOST_AUTO_TEST_CASE(T076_the_close_callback_never_runs_inside_close) {
    Scripted io;
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.stream->close();
    events.add("returned");
    io.run();
    BOOST_TEST(events.take() == "returned, close");
}

BOOST_AUTO_TEST_CASE(T075_T105_the_close_callback_runs_once_after_the_failed_operations) {
    Scripted io;
    Events events;
    io.wire->room = 0;
    io.stream->set_write_watermarks(0, 100, {});
    io.stream->set_close_callback(events.at("close"));
    io.stream->read_bytes(1, events.on("read"));
    io.stream->write("x", events.on("write"));
    io.run();
    io.stream->close();
    io.stream->close();
    io.run();
    BOOST_TEST(events.take() == "write!closed, read!closed, close");
    io.stream->close();
    io.run();
    BOOST_TEST(events.take() == "");
    BOOST_TEST(word(io.stream->error()) == "ok");
}

BOOST_AUTO_TEST_CASE(T106_close_keeps_the_cause) {
    Scripted io;
    Events events;
    io.stream->read_bytes(1, events.on("read"));
    io.stream->close(asio::error::timed_out);
    io.stream->close(asio::error::no_memory);
    io.run();
    BOOST_TEST(events.take() == "read!timed_out");
    BOOST_TEST(word(io.stream->error()) == "timed_out");
}

BOOST_AUTO_TEST_CASE(T107_a_close_callback_set_on_a_closed_stream_is_called) {
    Scripted io;
    Events events;
    io.stream->close();
    io.run();
    io.stream->set_close_callback(events.at("close"));
    BOOST_TEST(events.take() == "");
    io.run();
    BOOST_TEST(events.take() == "close");
}

BOOST_AUTO_TEST_CASE(T108_an_empty_close_callback_clears_it) {
    Scripted io;
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.stream->set_close_callback({});
    io.stream->close();
    io.run();
    BOOST_TEST(events.take() == "");
}

BOOST_AUTO_TEST_CASE(T073_T074_the_close_callback_runs_on_an_idle_stream_and_on_a_reading_one) {
    for (bool const reading : {false, true}) {
        Scripted io;
        Events events;
        io.stream->set_close_callback(events.at("close"));
        if (reading)
            io.stream->read_until("\n", events.on("read"));
        io.run();
        io.wire->end();
        io.run();
        BOOST_TEST(events.take() == (reading ? "read!eof, close" : "close"));
    }
}

BOOST_AUTO_TEST_CASE(T102_T103_close_completes_what_the_buffer_satisfies) {
    Scripted io;
    Events events;
    io.wire->arrive("abc");
    io.stream->read_until_close(events.on("1"));
    io.run();
    io.stream->close();
    BOOST_TEST(events.take() == "");
    io.run();
    BOOST_TEST(events.take() == "1:abc");

    Scripted other;
    other.wire->arrive("abcd");
    other.stream->read_bytes(1, [&](error_code, std::string const&) {
        other.stream->read_bytes(2, events.on("2"));
        other.stream->close();
    });
    other.run();
    BOOST_TEST(events.take() == "2:bc");
    other.stream->read_bytes(1, events.on("3")); // T104
    other.run();
    BOOST_TEST(events.take() == "3:d");
}

BOOST_AUTO_TEST_CASE(T104_the_buffer_may_be_read_after_a_local_close) {
    Scripted io;
    Events events;
    io.wire->arrive("a\nb\nrest");
    io.stream->read_until("\n", events.on("1"));
    io.run();
    io.stream->close();
    io.run();
    io.stream->read_until("\n", events.on("2"));
    io.run();
    io.stream->read_until_close(events.on("3"));
    io.run();
    io.stream->read_bytes(1, events.on("4"));
    io.run();
    BOOST_TEST(events.take() == "1:a\n, 2:b\n, 3:rest, 4!closed");
}

BOOST_AUTO_TEST_CASE(T101_close_sends_what_completed_writes_took_and_drops_the_rest) {
    Scripted io;
    Events events;
    io.wire->room = 3;
    io.stream->set_write_watermarks(8, 100, {});
    io.stream->set_close_callback(events.at("close"));
    io.stream->write("12345678", events.on("1"));
    io.stream->write("not", events.on("2"));
    io.run();
    BOOST_TEST(events.take() == "1");
    io.stream->close();
    io.poll();
    BOOST_TEST(events.take() == "2!closed, close");
    BOOST_TEST(io.stream->closed());
    BOOST_TEST(io.wire->open); // in the background
    io.wire->drain();
    io.run();
    BOOST_TEST(io.wire->sent() == "12345678");
    BOOST_TEST(!io.wire->open);
}

BOOST_AUTO_TEST_CASE(T101_close_first_offers_the_queue_to_the_kernel) {
    Scripted io;
    Events events;
    io.stream->set_write_watermarks(0, 100, {});
    io.stream->write("goodbye", events.on("1"));
    io.stream->close();
    BOOST_TEST(io.wire->sent() == "goodbye");
    BOOST_TEST(!io.wire->open);
    io.run();
    BOOST_TEST(events.take() == "1");
}

BOOST_AUTO_TEST_CASE(what_is_sent_in_the_background_ends_when_the_peer_is_gone) {
    Scripted io;
    io.wire->room = 3;
    io.stream->write("12345678");
    io.run();
    io.stream->close();
    io.poll();
    BOOST_TEST(io.wire->open);
    io.wire->fail_at = io.wire->calls;
    io.wire->drain();
    io.run();
    BOOST_TEST(!io.wire->open);
}

BOOST_AUTO_TEST_CASE(close_after_flush_sends_all_ends_and_waits_for_the_peers_end) {
    Scripted io;
    Events events;
    io.wire->room = 3;
    io.stream->set_write_watermarks(0, 100, {});
    io.stream->set_close_callback(events.at("close"));
    io.stream->read_until("\n", events.on("read"));
    io.stream->write("12345678", events.on("write"));
    io.poll();
    io.stream->close_after_flush();
    BOOST_TEST(io.stream->closed());
    io.stream->write("late", events.on("late"));
    io.poll();
    BOOST_TEST(events.take() == "late!closed, read!closed");
    io.wire->drain();
    io.poll();
    BOOST_TEST(events.take() == "write");
    BOOST_TEST(io.wire->sent() == "12345678");
    BOOST_TEST(io.wire->ended);
    BOOST_TEST(io.wire->open);
    io.wire->arrive("last words");
    io.poll();
    BOOST_TEST(io.wire->open);
    BOOST_TEST(io.stream->bytes_read() == 10u); // nobody will, but they were received
    io.wire->end();
    io.run(); // no deadline is left
    BOOST_TEST(events.take() == "close");
    BOOST_TEST(!io.wire->open);
    BOOST_TEST(word(io.stream->error()) == "ok");
}

BOOST_AUTO_TEST_CASE(close_after_flush_has_a_deadline) {
    for (bool const stuck : {false, true}) { // a peer that never ends, or never even reads
        Scripted io;
        Events events;
        io.stream->set_close_callback(events.at("close"));
        if (stuck)
            io.wire->room = 0;
        io.stream->write("12345678");
        io.stream->close_after_flush(20ms);
        io.stream.reset(); // the stream lives until it is over
        io.run();
        BOOST_TEST(events.take() == "close");
        BOOST_TEST(!io.wire->open);
        BOOST_TEST(io.wire->sent() == (stuck ? "" : "12345678"));
    }
}

BOOST_AUTO_TEST_CASE(close_cuts_close_after_flush_short) {
    Scripted io;
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.stream->close_after_flush();
    io.poll();
    io.stream->close();
    io.run();
    BOOST_TEST(events.take() == "close");
    BOOST_TEST(!io.wire->open);
}

BOOST_AUTO_TEST_CASE(shutdown_write_ends_after_the_queue_and_reads_go_on) {
    Scripted io;
    Events events;
    io.wire->room = 3;
    io.stream->write("12345");
    io.stream->shutdown_write();
    io.stream->write("x", events.on("1"));
    io.stream->async_write_some(asio::buffer("x", 1), events.on("2"));
    io.run();
    BOOST_TEST(!io.wire->ended);
    auto const failed = events.take();
    BOOST_TEST(
        (failed == "1!broken_pipe, 2!broken_pipe" || failed == "2!broken_pipe, 1!broken_pipe"));
    io.wire->drain();
    io.run();
    BOOST_TEST(io.wire->ended);
    BOOST_TEST(io.wire->sent() == "12345");
    BOOST_TEST(!io.stream->closed());
    io.wire->arrive("abc");
    io.stream->read_bytes(3, events.on("3"));
    io.run();
    BOOST_TEST(events.take() == "3:abc");
    io.wire->end();
    io.run();
    BOOST_TEST(io.stream->closed());
}

BOOST_AUTO_TEST_CASE(T110_half_close_keeps_the_write_side) {
    Scripted io(StreamOptions{.half_close = true});
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.wire->arrive("abc");
    io.wire->end();
    io.stream->read_until_close(events.on("1"));
    io.run();
    BOOST_TEST(events.take() == "1:abc");
    io.stream->read_bytes(1, events.on("2"));
    io.stream->write("answer", events.on("3"));
    io.run();
    BOOST_TEST(events.take() == "3, 2!eof");
    BOOST_TEST(!io.stream->closed());
    BOOST_TEST(io.wire->sent() == "answer");
}

BOOST_AUTO_TEST_CASE(T110_half_close_ends_when_both_sides_have_ended) {
    for (bool const flush : {false, true}) {
        Scripted io(StreamOptions{.half_close = true});
        Events events;
        io.stream->set_close_callback(events.at("close"));
        io.wire->end();
        io.stream->read_bytes(1, events.on("1"));
        io.poll();
        BOOST_TEST(events.take() == "1!eof");
        if (flush)
            io.stream->close_after_flush();
        else
            io.stream->shutdown_write();
        io.poll();
        BOOST_TEST(events.take() == "close");
        BOOST_TEST(!io.wire->open);
        BOOST_TEST(word(io.stream->error()) == (flush ? "ok" : "eof"));
    }
}

BOOST_AUTO_TEST_CASE(T110_the_peers_end_closes_without_the_option) {
    Scripted io;
    Events events;
    io.stream->read_bytes(0, events.on("1"));
    io.run();
    io.wire->end();
    io.run();
    BOOST_TEST(io.stream->closed());
    BOOST_TEST(word(io.stream->error()) == "eof");
}

// ---- What was received before a failing write is delivered

BOOST_AUTO_TEST_CASE(T059_bytes_that_came_before_a_failing_write_are_delivered) {
    for (bool const into : {false, true}) {
        Scripted io;
        Events events;
        std::array<char, 8> buffer;
        io.wire->arrive("12");
        io.stream->read_bytes(1, events.on("1"));
        io.run();
        io.wire->write_failure = asio::error::broken_pipe;
        if (into)
            io.stream->read_into(asio::buffer(buffer), events.on("2"));
        else
            io.stream->read_bytes(8, events.on("2"));
        io.wire->arrive("34567890");
        io.wire->end(asio::error::connection_reset);
        io.stream->write("x");
        io.run();
        BOOST_TEST(events.take() == (into ? "1:1, 2:8" : "1:1, 2:23456789"));
        BOOST_TEST(io.stream->closed());
    }
}

// ---- Connecting

BOOST_AUTO_TEST_CASE(T062_T125_a_connect_that_succeeds_or_fails_at_once_or_later) {
    for (bool const later : {false, true}) {
        for (bool const refused : {false, true}) {
            Connecting io;
            io.wire->connects_later = later;
            if (refused)
                io.wire->connect_result = asio::error::connection_refused;
            io.core->set_close_callback(io.events.at("close"));
            io.connect();
            io.write("early");
            io.core->read(detail::ReadRequest::bytes(1, false),
                          {io.events.on("read"), io.executor()});
            BOOST_TEST(io.events.take() == "");
            io.run();
            if (refused)
                BOOST_TEST(io.events.take() ==
                           "connect!refused, write!refused, read!refused, close");
            else
                BOOST_TEST(io.events.take() == "connect:null, write");
            BOOST_TEST(io.wire->sent() == (refused ? "" : "early"));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_limit_of_the_time_to_connect_ends_with_the_connection) {
    for (bool const in_time : {true, false}) {
        Connecting io;
        if (!in_time)
            io.wire->room = 0;
        io.connect();
        io.core->limit_establishing(in_time ? 10s : 1ms);
        io.run();
        BOOST_TEST(io.events.take() == (in_time ? "connect:null" : "connect!timed_out"));
        BOOST_TEST(io.core->closed() == !in_time);
    }
}

BOOST_AUTO_TEST_CASE(a_wait_is_cancelled_while_connecting) {
    Connecting io;
    asio::cancellation_signal signal;
    io.wire->room = 0; // the connection is not there yet
    io.connect();
    io.write("early", signal.slot());
    signal.emit(asio::cancellation_type::terminal);
    io.run();
    BOOST_TEST(io.events.take() == "write!aborted");
    io.wire->drain();
    io.run();
    BOOST_TEST(io.events.take() == "connect:null");
    BOOST_TEST(io.wire->sent() == "early");
}

// ---- Handlers that do the unexpected

BOOST_AUTO_TEST_CASE(
    T115_T116_an_exception_of_a_handler_leaves_the_context_and_the_stream_goes_on) {
    Scripted io;
    Events events;
    io.wire->arrive("1\n2\n3\n");
    io.stream->read_until("\n", [&](error_code, std::string const&) {
        io.stream->write("kept", events.on("write"));
        io.stream->read_until("\n", events.on("next"));
        throw std::runtime_error("mine");
    });
    BOOST_CHECK_THROW(io.run(), std::runtime_error);
    io.run();
    BOOST_TEST(events.take() == "write, next:2\n");
    BOOST_TEST(io.wire->sent() == "kept");
    BOOST_TEST(!io.stream->closed());
    io.stream->write("x", [](error_code) { throw std::runtime_error("mine"); });
    BOOST_CHECK_THROW(io.run(), std::runtime_error);
    io.run();
    BOOST_TEST(io.wire->sent() == "keptx");
}

BOOST_AUTO_TEST_CASE(T117_an_exception_of_the_close_callback_is_logged) {
    CapturedLog const log;
    Scripted io;
    io.stream->set_close_callback([] { throw std::runtime_error("mine"); });
    io.stream->close();
    io.run();
    BOOST_TEST(log.count("close callback") == 1);
    BOOST_TEST(log.count("mine") == 1);
}

BOOST_AUTO_TEST_CASE(a_handler_that_runs_the_context_is_served) {
    Scripted io;
    Events events;
    io.wire->arrive("1\n2\n");
    io.stream->read_until("\n", [&](error_code, std::string const&) {
        io.stream->read_until("\n", events.on("2"));
        io.context.poll();
        events.add("returned");
    });
    io.run();
    auto const order = events.take();
    BOOST_TEST((order == "returned, 2:2\n" || order == "2:2\n, returned"));
}

BOOST_AUTO_TEST_CASE(a_handler_that_runs_the_context_is_not_run_into_by_others) {
    Scripted io;
    Events events;
    io.wire->room = 0;
    io.stream->write(std::string(100'000, 'x'), events.on("write"));
    io.poll();
    io.wire->arrive("1");
    io.stream->read_bytes(1, [&](error_code, std::string const&) {
        io.wire->drain();
        io.context.poll();
        events.add("returned");
    });
    io.run();
    BOOST_TEST(events.take() == "returned, write");
}

BOOST_AUTO_TEST_CASE(a_stream_is_destroyed_inside_each_of_its_callbacks) {
    for (int kind = 0; kind < 6; ++kind) {
        Scripted io;
        int calls = 0;
        std::weak_ptr const alive = io.stream;
        auto const destroy = [&](auto const&...) {
            ++calls;
            io.stream.reset();
        };
        auto* const stream = io.stream.get();
        io.wire->arrive("abc");
        std::array<char, 2> buffer;
        switch (kind) {
        case 0:
            stream->read_bytes(1, destroy);
            break;
        case 1:
            stream->read_into(asio::buffer(buffer), destroy);
            break;
        case 2:
            stream->write("x", destroy);
            break;
        case 3:
            stream->async_write_some(asio::buffer("x", 1), destroy);
            break;
        case 4:
            stream->set_close_callback(destroy);
            stream->close();
            break;
        case 5:
            io.wire->room = 0;
            stream->set_write_watermarks(0, 0, destroy);
            stream->write("x");
            break;
        }
        io.run();
        BOOST_TEST(calls == 1, "kind " << kind);
        io.wire->drain();
        io.run();
        BOOST_TEST(alive.expired(), "kind " << kind);
        BOOST_TEST(!io.wire->open);
    }
}

// ---- Lifetime

BOOST_AUTO_TEST_CASE(an_operation_in_flight_keeps_the_stream_and_an_idle_one_closes) {
    Scripted io;
    Events events;
    std::weak_ptr const alive = io.stream;
    io.stream->read_bytes(3, events.on("1"));
    io.stream.reset();
    io.run();
    BOOST_TEST(!alive.expired());
    BOOST_TEST(io.wire->open);
    io.wire->arrive("abc");
    io.run();
    BOOST_TEST(events.take() == "1:abc");
    BOOST_TEST(alive.expired());
    BOOST_TEST(!io.wire->open);
}

BOOST_AUTO_TEST_CASE(a_write_in_flight_keeps_the_stream_until_it_is_sent) {
    Scripted io;
    std::weak_ptr const alive = io.stream;
    io.wire->room = 3;
    io.stream->write(std::string(100000, 'x'));
    io.stream.reset();
    io.run();
    BOOST_TEST(io.wire->open);
    io.wire->drain();
    io.run();
    BOOST_TEST(io.wire->sent().size() == 100000u);
    BOOST_TEST(alive.expired());
    BOOST_TEST(!io.wire->open);
}

BOOST_AUTO_TEST_CASE(nothing_done_with_a_closed_stream_keeps_it) {
    for (int kind = 0; kind < 8; ++kind) {
        Scripted io;
        std::weak_ptr const alive = io.stream;
        io.stream->close();
        io.run();
        switch (kind) {
        case 0:
            io.stream->close();
            break;
        case 1:
            io.stream->write("x");
            break;
        case 2:
            io.stream->close_after_flush();
            break;
        case 3:
            io.stream->shutdown_write();
            break;
        case 4:
            io.stream->async_write_some(asio::buffer("x", 1), [](auto const&...) {});
            break;
        case 5:
            io.stream->read_bytes(1, [](auto const&...) {});
            break;
        case 6:
            io.stream->set_close_callback({});
            break;
        case 7:
            io.stream->set_close_callback([] {});
            break;
        }
        io.run();
        io.stream.reset();
        io.run();
        BOOST_TEST(alive.expired(), "kind " << kind);
    }
}

BOOST_AUTO_TEST_CASE(a_write_that_was_refused_does_not_keep_the_stream) {
    Scripted io;
    std::weak_ptr const alive = io.stream;
    io.stream->shutdown_write();
    io.run();
    io.stream->write("x");
    io.stream.reset();
    io.run();
    BOOST_TEST(alive.expired());
}

BOOST_AUTO_TEST_CASE(shutdown_write_on_a_closed_stream_that_still_sends_does_nothing) {
    Scripted io;
    io.wire->room = 0;
    io.stream->write("last words\n");
    io.stream->close();
    io.stream->shutdown_write();
    std::size_t handlers = 0;
    while (handlers < 1000 && io.context.poll_one() != 0)
        ++handlers;
    BOOST_TEST(handlers < 10u); // nothing spins
    io.wire->drain();
    io.poll();
    BOOST_TEST(io.wire->sent() == "last words\n");
    BOOST_TEST(!io.wire->open);
}

BOOST_AUTO_TEST_CASE(a_peer_that_answers_at_once_is_not_waited_for) {
    constexpr std::size_t rounds = 200;
    Scripted io;
    std::size_t round = 0;
    std::function<void()> ask = [&] {
        io.stream->read_until("\n", [&](error_code ec, std::string const&) {
            BOOST_TEST(!ec);
            if (++round == rounds)
                return;
            ask();
            io.stream->write("again\n");
            asio::post(io.context, [&] { io.wire->arrive("at once\n"); });
        });
    };
    ask();
    io.wire->arrive("first\n");
    io.run_until([&] { return round == rounds; });
    BOOST_TEST(io.wire->waits_begun < 20u);
    BOOST_TEST(io.wire->reads < rounds + 20);
}

BOOST_AUTO_TEST_CASE(a_peer_that_takes_its_time_is_seldom_looked_at_in_vain) {
    constexpr std::size_t rounds = 200;
    Scripted io;
    for (std::size_t round = 0; round != rounds; ++round) {
        Events events;
        io.stream->read_until("\n", events.on("read"));
        io.poll();
        io.wire->arrive("later\n");
        io.poll();
        BOOST_TEST(events.take() == "read:later\n");
    }
    BOOST_TEST(io.wire->reads < rounds + rounds / 8);
    auto const reads = io.wire->reads;
    io.poll(); // nobody asks: nobody looks
    BOOST_TEST(io.wire->reads == reads);
}

BOOST_AUTO_TEST_CASE(a_stream_that_never_connects_goes_with_its_last_reference) {
    Scripted io({}, false);
    Events events;
    std::weak_ptr const alive = io.stream;
    io.stream->write("x", events.on("write"));
    io.stream->read_bytes(1, events.on("read"));
    io.run();
    io.stream.reset();
    io.run();
    BOOST_TEST(alive.expired());
    BOOST_TEST(events.take() == "write!closed, read!closed");
}

// A peer that takes nothing more, and one that does not end its side.
BOOST_AUTO_TEST_CASE(after_the_linger_a_closed_stream_gives_up) {
    BOOST_TEST((StreamOptions().linger == std::chrono::seconds(30)));
    for (bool const sends : {true, false})
        for (bool const held : {true, false}) {
            Scripted io(StreamOptions{.linger = std::chrono::milliseconds(1)});
            Events events;
            std::weak_ptr<ScriptedStream> const alive = io.stream;
            io.wire->must_linger = !sends;
            io.wire->room = sends ? 0 : Wire::none;
            io.stream->write("taken", events.on("write"));
            io.stream->set_close_callback(events.at("close"));
            io.poll();
            io.stream->close(asio::error::no_data);
            auto const stream = held ? io.stream : nullptr;
            io.stream.reset();
            io.poll();
            BOOST_TEST(io.wire->open);
            BOOST_TEST(events.take() == "write, close");
            io.run(); // the deadline is all that is left
            BOOST_TEST(!io.wire->open);
            BOOST_TEST(alive.expired() == !held);
            if (held) {
                BOOST_TEST(!stream->writing());
                BOOST_TEST((stream->error() == asio::error::no_data));
            }
            BOOST_TEST(events.take() == "");
        }
}

// Of each kind of end that is nobody's fault the log has no line; of any other it has one.
BOOST_AUTO_TEST_CASE(a_peer_that_is_gone_is_not_worth_a_line) {
    for (error_code const code :
         {error_code(asio::error::connection_reset), error_code(asio::error::connection_aborted),
          error_code(asio::error::broken_pipe), error_code(asio::error::timed_out),
          error_code(asio::error::host_unreachable), error_code(asio::error::network_down)})
        for (bool const sends : {false, true}) {
            bool const worth_a_line =
                code == asio::error::host_unreachable || code == asio::error::network_down;
            CapturedLog const log;
            Scripted io;
            Events events;
            if (sends) {
                io.wire->write_failure = code;
                io.stream->write("x", events.on("write"));
            } else {
                io.stream->read_bytes(1, events.on("read"));
                io.wire->end(code);
            }
            io.run();
            events.take();
            BOOST_TEST((io.stream->error() == code));
            BOOST_TEST(log.lines().size() == (worth_a_line ? 1U : 0U), code.message());
            BOOST_TEST(log.count(sends ? "Write error on" : "error on read") ==
                       (worth_a_line ? 1 : 0));
        }
}

BOOST_AUTO_TEST_CASE(a_context_destroyed_with_operations_in_flight_calls_no_one) {
    std::weak_ptr<ScriptedStream> alive;
    Events events;
    {
        Scripted io;
        alive = io.stream;
        io.wire->room = 0;
        io.stream->set_close_callback(
            [stream = io.stream, close = events.at("close")]() mutable { close(); });
        io.stream->set_write_watermarks(0, 100, {});
        io.stream->read_bytes(
            1, [stream = io.stream, on = events.on("read")](
                   error_code ec, std::string const& data) mutable { on(ec, data); });
        io.stream->write(
            "x", [stream = io.stream, on = events.on("write")](error_code ec) mutable { on(ec); });
        io.run();
    }
    BOOST_TEST(alive.expired());
    BOOST_TEST(events.take() == "");
}

BOOST_AUTO_TEST_CASE(T122_the_state_is_told) {
    Scripted io;
    io.wire->room = 0;
    BOOST_TEST(!io.stream->reading());
    BOOST_TEST(!io.stream->writing());
    BOOST_TEST(!io.stream->closed());
    io.stream->read_bytes(1, [](error_code, std::string const&) {});
    io.stream->write("x");
    BOOST_TEST(io.stream->reading());
    BOOST_TEST(io.stream->writing());
    io.wire->arrive("a");
    io.wire->drain();
    io.run();
    BOOST_TEST(!io.stream->reading());
    BOOST_TEST(!io.stream->writing());
    BOOST_TEST(io.stream->bytes_read() == 1u);
    BOOST_TEST(io.stream->bytes_written() == 1u);
    io.stream->close();
    BOOST_TEST(io.stream->closed());
}

BOOST_AUTO_TEST_SUITE_END()
