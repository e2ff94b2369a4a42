// SPDX-License-Identifier: BSL-1.0
// Reading what a peer writes: Tornado's own suite for streams, over each kind of stream.
#include "tornado/iostream.hpp"
#include "tornado/testing.hpp"

#include "support/events.hpp"
#include "support/noise.hpp"
#include "support/stream_pairs.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <chrono>
#include <ctime>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

// The code with which an operation fails.
template <class Operation>
asio::awaitable<error_code> failure(Operation operation) {
    try {
        co_await std::move(operation);
    } catch (system_error const& e) {
        co_return e.code();
    }
    co_return error_code();
}

} // namespace

BOOST_AUTO_TEST_SUITE(iostream_reads)

BOOST_AUTO_TEST_CASE_TEMPLATE(T059_T065_T067_T069_bytes_before_the_close_are_delivered, Kind,
                              PairKinds) {
    StreamPair<Kind> io;
    io.far->write("one\ntwo\nrest");
    io.far->close();
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await io.near->read_until("\n") == "one\n");
        BOOST_TEST(word(co_await failure(io.near->read_bytes(9))) == "eof");
        BOOST_TEST(io.near->closed());
        BOOST_TEST(co_await io.near->read_bytes(4) == "two\n");
        BOOST_TEST(co_await io.near->read_until_close() == "rest");
        BOOST_TEST(word(co_await failure(io.near->read_bytes(1))) == "eof");
        BOOST_TEST(word(io.near->error()) == "eof");
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T068_bytes_in_the_kernel_at_the_close_are_delivered, Kind,
                              PairKinds) {
    StreamPair<Kind> io(StreamOptions{.read_chunk_size = 256});
    io.far->write(std::string(512, 'A'));
    io.far->close();
    io.run_test([&]() -> asio::awaitable<void> {
        {
            auto const got = co_await io.near->read_bytes(256);
            BOOST_TEST(got.size() == 256u);
        }
        co_await asio::post(io.context, asio::use_awaitable);
        {
            auto const got = co_await io.near->read_bytes(256);
            BOOST_TEST(got.size() == 256u);
        }
    });
    io.run();
    BOOST_TEST(io.near->closed());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T060_read_until_close_gives_all, Kind, PairKinds) {
    StreamPair<Kind> io;
    auto const sent = noise(3000000);
    io.far->write(std::string(sent));
    io.far->close_after_flush();
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST((co_await io.near->read_until_close() == sent));
    });
    io.run();
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T061_read_bytes_of_nothing_takes_nothing, Kind, PairKinds) {
    StreamPair<Kind> io;
    io.far->write("abc");
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await io.near->read_bytes(0) == "");
        BOOST_TEST(co_await io.near->read_bytes(3) == "abc");
        BOOST_TEST(co_await io.near->read_bytes(0, true) == "");
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T064_T072_a_read_that_the_close_leaves_short_fails, Kind, PairKinds) {
    StreamPair<Kind> io;
    io.far->write("abc");
    io.far->close();
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(word(co_await failure(io.near->read_until("\n", 100))) == "eof");
        BOOST_TEST(word(co_await failure(io.near->read_bytes(4))) == "eof");
        BOOST_TEST(co_await io.near->read_bytes(3) == "abc");
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T070_read_until_is_not_quadratic, Kind, PairKinds) {
    StreamPair<Kind> io;
    auto const start = std::clock(); // of the processor, which others may share
    constexpr std::size_t pieces = 4096;
    std::string const piece(1024, 'x');
    io.run_test([&]() -> asio::awaitable<void> {
        for (std::size_t i = 0; i < pieces; ++i)
            io.far->write(piece);
        io.far->write("\r\n");
        {
            auto const got = co_await io.near->read_until("\r\n");
            BOOST_TEST(got.size() == pieces * piece.size() + 2);
        }
    });
    BOOST_TEST((std::clock() - start < 10 * CLOCKS_PER_SEC));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T071_a_delimiter_that_comes_with_the_close_is_found, Kind,
                              PairKinds) {
    StreamPair<Kind> io;
    io.far->write(std::string(1024, 'x'));
    Events events;
    io.near->read_until("\r\n",
                        [&, on = events.on("read")](error_code ec, std::string data) mutable {
                            BOOST_TEST(data.size() == 1026u);
                            on(ec);
                        });
    io.run_until([&] { return io.near->bytes_read() == 1024; });
    io.far->write("\r\n");
    io.far->close();
    io.run();
    BOOST_TEST(events.take() == "read");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T078_a_partial_read_gives_what_there_is, Kind, PairKinds) {
    StreamPair<Kind> io;
    io.run_test([&]() -> asio::awaitable<void> {
        io.far->write("hello");
        BOOST_TEST(co_await io.near->read_bytes(50, true) == "hello");
        io.far->write("hello");
        BOOST_TEST(co_await io.near->read_bytes(3, true) == "hel");
        BOOST_TEST(co_await io.near->read_bytes(3, true) == "lo");
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T079_T080_T081_T082_read_until_with_max_bytes, Kind, PairKinds) {
    CapturedLog const log;
    for (bool const buffered : {false, true}) {
        StreamPair<Kind> io;
        io.run_test([&]() -> asio::awaitable<void> {
            io.far->write("abcdef");
            BOOST_TEST(co_await io.near->read_until("def", 50) == "abcdef");
            io.far->write("abcdef");
            BOOST_TEST(co_await io.near->read_until("def", 6) == "abcdef");
            if (buffered) {
                io.far->write("x123456\nabcdef");
                BOOST_TEST(co_await io.near->read_bytes(1) == "x");
            } else {
                io.far->write("123456\nabcdef");
            }
            BOOST_TEST(word(co_await failure(io.near->read_until("def", 8))) == "unsatisfiable");
            BOOST_TEST(io.near->closed());
            BOOST_TEST(word(io.near->error()) == "unsatisfiable");
        });
    }
    BOOST_TEST(log.count("Unsatisfiable read, closing connection") == 2);

    StreamPair<Kind> io; // a match in the same packet that ends beyond the limit
    io.run_test([&]() -> asio::awaitable<void> {
        io.far->write("abcdef");
        BOOST_TEST(word(co_await failure(io.near->read_until("def", 5))) == "unsatisfiable");
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T083_T084_read_until_regex, Kind, PairKinds) {
    CapturedLog const log;
    for (auto const limit : {5u, 6u}) {
        StreamPair<Kind> io;
        io.run_test([&]() -> asio::awaitable<void> {
            io.far->write("one\r\n\r\nrest");
            BOOST_TEST(co_await io.near->read_until_regex("\r?\n\r?\n") == "one\r\n\r\n");
            BOOST_TEST(co_await io.near->read_until_regex("s") == "res");
            io.far->write("abcdef");
            BOOST_TEST(co_await io.near->read_bytes(1) == "t");
            BOOST_TEST(word(co_await failure(io.near->read_until_regex("d.f", limit))) ==
                       (limit == 6 ? "ok" : "unsatisfiable"));
        });
    }
    StreamPair<Kind> io;
    BOOST_CHECK_EXCEPTION(io.near->read_until_regex("(", [](error_code, std::string const&) {}),
                          std::invalid_argument, [](std::invalid_argument const& e) {
                              return std::string(e.what()).find('(') != std::string::npos;
                          });
    BOOST_CHECK_THROW(io.near->read_until("", [](error_code, std::string const&) {}),
                      std::invalid_argument);
    BOOST_TEST(!io.near->reading());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T085_T086_small_reads_of_much_data_in_a_small_buffer, Kind,
                              PairKinds) {
    for (bool const until : {false, true}) {
        StreamPair<Kind> io(StreamOptions{.max_buffer_size = 10 * 1024});
        std::string const line = std::string(1023, 'a') + "\n";
        std::string sent;
        for (int i = 0; i < 100; ++i)
            sent += line;
        io.far->write(std::move(sent));
        io.run_test([&]() -> asio::awaitable<void> {
            for (int i = 0; i < 100; ++i) {
                std::string got;
                if (until)
                    got = co_await io.near->read_until("\n", 4096);
                else
                    got = co_await io.near->read_bytes(1024);
                BOOST_TEST((got == line));
            }
        });
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T087_a_slow_reader_holds_the_writer, Kind, PairKinds) {
    constexpr std::size_t MB = 1024 * 1024;
    StreamPair<Kind> io(StreamOptions{.max_buffer_size = 5 * MB});
    bool written = false;
    auto const sent = noise(30 * MB); // more than the kernel holds
    io.run_test([&]() -> asio::awaitable<void> {
        io.far->write(sent, [&](error_code ec) {
            BOOST_TEST(!ec);
            written = true;
        });
        std::string got;
        for (int i = 0; i < 5; ++i) {
            got += co_await io.near->read_bytes(MB);
            for (int turn = 0; turn < 20; ++turn)
                co_await asio::post(io.context, asio::use_awaitable);
            BOOST_TEST(io.near->bytes_read() <= got.size() + 64 * 1024);
        }
        BOOST_TEST(!written);
        while (got.size() < sent.size())
            got += co_await io.near->read_bytes(5 * MB);
        BOOST_TEST((got == sent));
        while (!written)
            co_await asio::post(io.context, asio::use_awaitable);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T088_T089_read_into_fills_over_several_arrivals, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    std::array<char, 10> buffer{};
    io.near->read_into(asio::buffer(buffer), events.on("read"));
    io.far->write("hello");
    io.run_until([&] { return io.near->bytes_read() == 5; });
    BOOST_TEST(events.take() == "");
    BOOST_TEST(io.near->reading());
    io.far->write("world!!");
    io.run_until([&] { return !io.near->reading(); });
    BOOST_TEST(events.take() == "read:10");
    BOOST_TEST(std::string(buffer.data(), 10) == "helloworld");
    io.run_test([&]() -> asio::awaitable<void> {
        std::array<char, 4> next{};
        io.far->write("1234");
        BOOST_TEST(co_await io.near->read_into(asio::buffer(next)) == 4u);
        BOOST_TEST(std::string(next.data(), 4) == "!!12");
        BOOST_TEST(co_await io.near->read_bytes(2) == "34");
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T090_T091_a_partial_read_into_leaves_the_rest_alone, Kind,
                              PairKinds) {
    StreamPair<Kind> io;
    std::array<char, 10> buffer;
    buffer.fill('.');
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await io.near->read_into(asio::mutable_buffer()) == 0u);
        io.far->write("hello");
        BOOST_TEST(co_await io.near->read_into(asio::buffer(buffer), true) == 5u);
        BOOST_TEST(std::string(buffer.data(), 10) == "hello.....");
        io.far->write("world!1234567890");
        BOOST_TEST(co_await io.near->read_into(asio::buffer(buffer), true) == 10u);
        BOOST_TEST(std::string(buffer.data(), 10) == "world!1234");
        BOOST_TEST(co_await io.near->read_into(asio::buffer(buffer, 0), true) == 0u);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T092_mixed_reads_keep_the_bytes_in_order, Kind, PairKinds) {
    StreamPair<Kind> io;
    auto const sent = noise(1024 * 1024);
    std::minstd_rand random(42);
    io.far->write(std::string(sent));
    io.run_test([&]() -> asio::awaitable<void> {
        std::string got;
        std::vector<char> buffer;
        while (got.size() < sent.size()) {
            auto const n = std::min<std::size_t>(random() % 5000, sent.size() - got.size());
            switch (random() % 4) {
            case 0:
                got += co_await io.near->read_bytes(n);
                break;
            case 1:
                got += co_await io.near->read_bytes(n, true);
                break;
            default:
                buffer.resize(n);
                auto const filled =
                    co_await io.near->read_into(asio::buffer(buffer), random() % 2 == 0);
                got.append(buffer.data(), filled);
            }
        }
        BOOST_TEST((got == sent));
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T099_max_buffer_size_ends_a_read_that_needs_more, Kind, PairKinds) {
    CapturedLog const log;
    StreamPair<Kind> io(StreamOptions{.max_buffer_size = 1000});
    io.far->write(std::string(5000, 'x'));
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(word(co_await failure(io.near->read_until("\n"))) == "full");
        BOOST_TEST(io.near->closed());
        BOOST_TEST(io.near->bytes_read() <= 1001u);
    });
    BOOST_TEST(log.count("Reached maximum read buffer size") == 1);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T109_the_close_callback_may_come_while_bytes_are_unread, Kind,
                              PairKinds) {
    StreamPair<Kind> io;
    Events events;
    io.near->set_close_callback(events.at("close"));
    io.far->write("abc");
    io.far->close();
    io.near->read_bytes(1, events.on("1"));
    io.near->read_bytes(0, [](error_code, std::string const&) {});
    io.run_until([&] { return !io.near->reading(); });
    io.poll();
    io.near->read_bytes(2, events.on("2"));
    io.run();
    auto const order = events.take();
    BOOST_TEST((order == "1:a, close, 2:bc" || order == "1:a, 2:bc, close"));
}

BOOST_AUTO_TEST_SUITE_END()
