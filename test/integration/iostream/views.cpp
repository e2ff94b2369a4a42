// SPDX-License-Identifier: BSL-1.0
// Reading without a copy, over each kind of stream: buffered, consume and fill.
#include "tornado/gen.hpp"
#include "tornado/iostream.hpp"
#include "tornado/testing.hpp"

#include "support/allocations.hpp"
#include "support/events.hpp"
#include "support/stream_pairs.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

// What the README shows: a parser that looks once at each byte and copies none.
template <class Line>
asio::awaitable<void> for_each_line(BaseIOStream& stream, Line line) {
    for (std::size_t known = 0;;) { // so many bytes hold no newline
        auto const bytes = stream.buffered();
        auto const end = bytes.find('\n', known);
        if (end == bytes.npos) {
            known = bytes.size();
            co_await stream.fill(); // throws at the end of the stream
        } else {
            line(bytes.substr(0, end));
            stream.consume(end + 1);
            known = 0;
        }
    }
}

template <class Stream>
struct CallbackEcho {
    std::shared_ptr<Stream> stream;

    void operator()(error_code ec, std::size_t n) {
        if (ec)
            return;
        stream->write(stream->buffered());
        stream->consume(n);
        auto& s = *stream;
        s.fill(std::move(*this));
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(iostream_views)

BOOST_AUTO_TEST_CASE_TEMPLATE(what_was_received_is_seen_and_taken, Kind, PairKinds) {
    StreamPair<Kind> io;
    BOOST_TEST(io.near->buffered() == "");
    io.run_test([&]() -> asio::awaitable<void> {
        io.far->write("one two");
        BOOST_TEST(co_await io.near->fill(7) == 7u);
        BOOST_TEST(io.near->buffered() == "one two");
        io.near->consume(4);
        BOOST_TEST(io.near->buffered() == "two");
        BOOST_TEST(co_await io.near->fill(0) == 3u);
        BOOST_TEST(co_await io.near->read_bytes(2) == "tw"); // a read like any other
        io.far->write("three");
        BOOST_TEST(co_await io.near->fill(6) == 6u);
        BOOST_TEST(io.near->buffered() == "othree");
        io.near->consume(0);
        io.near->consume(6);
        BOOST_TEST(io.near->buffered() == "");
        BOOST_TEST(io.near->bytes_read() == 12u);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(fill_without_a_size_waits_for_what_was_not_seen, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    io.far->write("ab");
    io.near->fill(2, events.on("1"));
    io.run_until([&] { return !io.near->reading(); });
    io.near->fill(events.on("2"));
    io.poll();
    BOOST_TEST(events.take() == "1:2");
    io.far->write("c");
    io.run_until([&] { return !io.near->reading(); });
    BOOST_TEST(events.take() == "2:3");
    BOOST_TEST(io.near->buffered() == "abc");
    io.near->consume(3);
    // What comes with other bytes, before anyone looks, is not missed.
    io.far->write("line\nde");
    io.near->read_until("\n", events.on("3"));
    io.run_until([&] { return !io.near->reading(); });
    io.near->fill(events.on("4"));
    BOOST_TEST(events.take() == "3:line\n"); // never inside the call
    io.run_until([&] { return !io.near->reading(); });
    BOOST_TEST(events.take() == "4:2");
    BOOST_TEST(io.near->buffered() == "de");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_view_survives_writes_and_the_taking_of_what_is_before_it, Kind,
                              TwoWayKinds) {
    StreamPair<Kind> io;
    io.run_test([&]() -> asio::awaitable<void> {
        io.far->write("0123456789");
        co_await io.near->fill(10);
        auto const bytes = io.near->buffered();
        for (std::size_t i = 0; i < 10; ++i) {
            io.near->write(bytes.substr(i, 1));
            io.near->consume(1);
            BOOST_TEST(io.near->buffered().data() == bytes.data() + (i == 9 ? 0 : i + 1));
        }
        BOOST_TEST(bytes == "0123456789");
        BOOST_TEST(co_await io.far->read_bytes(10) == "0123456789");
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_readmes_parser_finds_every_line, Kind, PairKinds) {
    StreamPair<Kind> io(StreamOptions{.max_buffer_size = 1 << 20, .read_chunk_size = 1000});
    std::minstd_rand random(3);
    std::vector<std::string> lines(2000);
    std::string sent;
    for (auto& line : lines) {
        line.assign(random() % (random() % 100 == 0 ? 100000 : 100), 'x');
        sent += line + '\n';
    }
    io.far->write(std::move(sent));
    io.far->write("rest");
    io.far->close_after_flush();
    std::size_t count = 0;
    error_code end;
    io.run_test([&]() -> asio::awaitable<void> {
        try {
            co_await for_each_line(*io.near, [&](std::string_view line) {
                BOOST_TEST_REQUIRE((count < lines.size() && line == lines[count]));
                ++count;
            });
        } catch (system_error const& e) {
            end = e.code();
        }
    });
    BOOST_TEST(count == lines.size());
    BOOST_TEST(word(end) == "eof");
    BOOST_TEST(io.near->buffered() == "rest");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T064_T065_T067_the_end_of_the_stream, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    io.far->write("abc");
    io.far->close();
    io.near->fill(4, events.on("1"));
    io.run();
    BOOST_TEST(events.take() == "1!eof:3");
    BOOST_TEST(io.near->closed());
    BOOST_TEST(io.near->buffered() == "abc");
    io.near->fill(2, events.on("2")); // is served after the close
    io.run();
    BOOST_TEST(events.take() == "2:3");
    io.near->fill(events.on("3"));
    io.run();
    BOOST_TEST(events.take() == "3!eof:3");
    BOOST_TEST(io.near->buffered() == "abc");
    io.near->consume(1);
    io.near->read_until_close(events.on("4"));
    io.run();
    BOOST_TEST(events.take() == "4:bc");
    BOOST_TEST(io.near->buffered() == "");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T104_close_leaves_what_is_buffered, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    io.far->write("abc");
    io.near->fill(3, [](error_code, std::size_t) {});
    io.run_until([&] { return !io.near->reading(); });
    io.near->set_close_callback(events.at("close"));
    io.near->fill(4, events.on("1"));
    io.near->close();
    BOOST_TEST(io.near->buffered() == "abc");
    io.run();
    BOOST_TEST(events.take() == "1!closed:3, close");
    BOOST_TEST(io.near->buffered() == "abc");
    io.near->consume(3);
    io.near->fill(1, events.on("2"));
    io.run();
    BOOST_TEST(events.take() == "2!closed");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T074_T109_the_close_callback_comes_while_bytes_are_unread, Kind,
                              PairKinds) {
    StreamPair<Kind> io;
    Events events;
    io.far->write("abc");
    io.near->fill(3, events.on("1"));
    io.run_until([&] { return !io.near->reading(); });
    io.near->set_close_callback([&] {
        events.add("close");
        events.add(std::string(io.near->buffered()));
    });
    io.far->close();
    io.run();
    BOOST_TEST(events.take() == "1:3, close, abc");
    BOOST_TEST(io.near->buffered() == "abc");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T093_a_fill_is_a_read, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    auto const refuses = [&](std::size_t n, auto const& is_right) {
        BOOST_CHECK_EXCEPTION(io.near->consume(n), system_error, is_right);
    };
    auto const already = [](system_error const& e) { return e.code() == error::already_reading; };
    io.near->fill(3, events.on("1"));
    BOOST_TEST(io.near->reading());
    refuses(0, already);
    io.near->fill(events.on("2"));
    io.near->read_bytes(1, events.on("3"));
    io.poll();
    BOOST_TEST(events.take() == "2!already, 3!already");
    io.far->write("abc");
    io.run_until([&] { return !io.near->reading(); });
    BOOST_TEST(events.take() == "1:3");
    io.near->read_until("\n", events.on("4"));
    refuses(3, already);
    io.near->fill(events.on("5"));
    io.poll();
    BOOST_TEST(events.take() == "5!already");
    BOOST_TEST(io.near->buffered() == "abc"); // looking harms nothing
    io.far->write("\n");
    io.run_until([&] { return !io.near->reading(); });
    BOOST_TEST(events.take() == "4:abc\n");
    BOOST_CHECK_EXCEPTION(io.near->consume(2), std::invalid_argument,
                          [](std::invalid_argument const& e) {
                              return e.what() == "consume: 2 bytes are to be taken, and 0 are "
                                                 "buffered; wait for more with fill"s;
                          });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T124_a_cancelled_fill_loses_no_byte, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    asio::cancellation_signal signal;
    io.far->write("abc");
    io.near->fill(5, asio::bind_cancellation_slot(signal.slot(), events.on("1")));
    io.run_until([&] { return io.near->bytes_read() == 3; });
    signal.emit(asio::cancellation_type::terminal);
    BOOST_TEST(events.take() == ""); // never inside
    io.run_until([&] { return !io.near->reading(); });
    BOOST_TEST(events.take() == "1!aborted:3");
    io.near->fill(5, cancel_after(1ms, events.on("2")));
    io.run_until([&] { return !io.near->reading(); });
    BOOST_TEST(events.take() == "2!aborted:3");
    io.far->write("de");
    io.near->fill(5, cancel_after(1h, events.on("3")));
    io.run_until([&] { return !io.near->reading(); });
    BOOST_TEST(events.take() == "3:5");
    BOOST_TEST(io.near->buffered() == "abcde");
    io.near->close();
    io.far->close();
    io.run(); // no timer is left
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T099_max_buffer_size_ends_a_fill_that_needs_more, Kind, PairKinds) {
    CapturedLog const log;
    for (bool const more : {false, true}) {
        StreamPair<Kind> io(StreamOptions{.max_buffer_size = 1000});
        Events events;
        io.near->set_close_callback(events.at("close"));
        io.far->write(std::string(5000, 'x'));
        if (more) {
            io.near->fill(1000, events.on("1"));
            io.run_until([&] { return !io.near->reading(); });
            io.near->fill(events.on("2"));
        } else {
            io.near->fill(1001, events.on("2"));
        }
        io.run_until([&] { return io.near->closed() && !io.near->reading(); });
        io.poll();
        BOOST_TEST(events.take() == (more ? "1:1000, 2!full:1001, close" : "2!full:1001, close"));
        BOOST_TEST(word(io.near->error()) == "full");
        BOOST_TEST(io.near->buffered() == std::string(1001, 'x'));
    }
    BOOST_TEST(log.count("Reached maximum read buffer size") == 2);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T087_what_is_buffered_holds_the_writer, Kind, PairKinds) {
    constexpr std::size_t MB = 1024 * 1024;
    StreamPair<Kind> io;
    bool written = false;
    io.far->write(std::string(30 * MB, 'x'), [&](error_code ec) { written = !ec; });
    io.run_test([&]() -> asio::awaitable<void> {
        std::size_t taken = 0;
        for (int i = 0; i < 5; ++i) {
            auto const size = co_await io.near->fill(MB);
            BOOST_TEST(size < MB + 64 * 1024);
            for (int turn = 0; turn < 20; ++turn)
                co_await asio::post(io.context, asio::use_awaitable);
            BOOST_TEST(io.near->buffered().size() == size);
            io.near->consume(size);
            taken += size;
        }
        BOOST_TEST(!written);
        while (taken != 30 * MB) {
            auto const size = co_await io.near->fill();
            io.near->consume(size);
            taken += size;
        }
    });
    io.run_until([&] { return written; });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(every_token_works, Kind, PairKinds) {
    StreamPair<Kind> io;
    io.far->write("abc");
    auto later = io.near->fill(3, asio::use_future);
    io.run_until([&] { return later.wait_for(0s) == std::future_status::ready; });
    BOOST_TEST(later.get() == 3u);
    io.run_test([&]() -> asio::awaitable<void> {
        auto deferred = io.near->fill(2);
        BOOST_TEST(!io.near->reading()); // nothing happens until it is awaited
        BOOST_TEST(co_await std::move(deferred) == 3u);
        BOOST_TEST(co_await io.near->fill(1, asio::use_awaitable) == 3u);
        auto const [ec, size] =
            co_await io.near->fill(asio::as_tuple(cancel_after(1ms, asio::deferred)));
        BOOST_TEST(word(ec) == "aborted");
        BOOST_TEST(size == 3u);
        io.far->write("d");
        BOOST_TEST(co_await io.near->fill(cancel_after(1h)) == 4u);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_stream_is_destroyed_in_its_own_fill, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    io.far->write("abc");
    io.near->fill([&](error_code ec, std::size_t) {
        BOOST_TEST(!ec);
        events.add(std::string(io.near->buffered()));
        io.near->consume(1);
        io.near->fill(9, events.on("2"));
        io.near.reset();
    });
    io.run_until([&] { return io.near == nullptr; });
    BOOST_TEST(events.take() == "abc");
    io.far->close();
    io.run();
    BOOST_TEST(events.take() == "2!eof:2");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_echo_of_views_allocates_nothing, Kind, ConnectionKinds) {
    if (!counts_allocations || std::is_same_v<Kind, TlsKind>)
        return; // OpenSSL's own are counted by nobody
    for (bool const coroutine : {false, true}) {
        StreamPair<Kind> io;
        if (coroutine)
            asio::co_spawn(
                io.context,
                [stream = io.far]() -> asio::awaitable<void> {
                    for (;;) {
                        auto const n = co_await stream->fill();
                        stream->write(stream->buffered());
                        stream->consume(n);
                    }
                },
                asio::detached);
        else
            io.far->fill(CallbackEcho<typename Kind::Stream>{io.far});
        std::string const line(60, 'x');
        auto const allocated = allocations_once_settled(io, [&](auto next) {
            io.near->write(std::string_view(line));
            io.near->fill(60, [&, next](error_code ec, std::size_t n) {
                io.near->consume(n);
                next(ec);
            });
        });
        BOOST_TEST(allocated == 0u);
        io.near->close();
        io.run();
    }
}

BOOST_AUTO_TEST_SUITE_END()
