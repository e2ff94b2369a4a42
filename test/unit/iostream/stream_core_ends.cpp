// SPDX-License-Identifier: BSL-1.0
// The ends of a stream against a scripted transport: whose word counts, what still arrives, how
// long it takes its turn.
#include "iostream/stream_core.hpp"

#include "tornado/testing.hpp"

#include "support/events.hpp"
#include "support/scripted_stream.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

using detail::Direction;
using detail::Share;

BOOST_AUTO_TEST_SUITE(stream_core_ends)

// ---- A lost connection

BOOST_AUTO_TEST_CASE(T111_what_a_send_finds_is_the_cause_and_last_words_are_read) {
    Scripted io;
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.wire->room = 0;
    io.stream->write(std::string(100'000, 'x'), events.on("write"));
    io.poll();
    io.wire->arrive("first ");
    io.wire->arrive("last\n");
    io.wire->lose(asio::error::connection_reset);
    io.stream->read_until("\n", events.on("read"));
    io.run();
    BOOST_TEST(events.take() == "write!reset, read:first last\n, close");
    BOOST_TEST(word(io.stream->error()) == "reset");
    io.stream->read_bytes(1, events.on("next"));
    io.run();
    BOOST_TEST(events.take() == "next!reset");
}

BOOST_AUTO_TEST_CASE(T099_last_words_stay_within_the_buffers_limit) {
    Scripted io(StreamOptions{.max_buffer_size = 10, .read_chunk_size = 4});
    Events events;
    io.wire->room = 0;
    io.stream->write(std::string(100'000, 'x'), events.on("write"));
    io.poll();
    for (int i = 0; i != 20; ++i)
        io.wire->arrive("abcd");
    io.wire->lose(asio::error::connection_reset);
    io.run();
    BOOST_TEST(io.stream->closed());
    BOOST_TEST(io.stream->bytes_read() == 10u);
    io.stream->read_until_close(events.on("rest"));
    io.run();
    BOOST_TEST(events.take() == "write!reset, rest:abcdabcdab");
}

BOOST_AUTO_TEST_CASE(T088_last_words_go_on_behind_a_caller_buffer_that_is_full) {
    Scripted io;
    Events events;
    std::array<char, 4> buffer;
    io.wire->room = 0;
    io.stream->write(std::string(100'000, 'x'), [](error_code) {});
    io.stream->read_into(asio::buffer(buffer), events.on("into"));
    io.poll();
    io.wire->arrive("ab");
    io.wire->arrive("cd");
    io.wire->arrive("efg");
    io.wire->lose(asio::error::connection_reset);
    io.run();
    BOOST_TEST(events.take() == "into:4");
    BOOST_TEST(std::string(buffer.data(), 4) == "abcd");
    io.stream->read_until_close(events.on("rest"));
    io.run();
    BOOST_TEST(events.take() == "rest:efg");
}

BOOST_AUTO_TEST_CASE(T074_a_loss_is_noticed_while_bytes_are_unread) {
    for (bool const watched : {false, true}) {
        Scripted io(StreamOptions{.read_chunk_size = 4});
        Events events;
        if (watched)
            io.stream->set_close_callback(events.at("close"));
        io.wire->arrive("abc");
        io.wire->arrive("defg");
        io.stream->read_bytes(1, events.on("read"));
        io.run();
        BOOST_TEST(events.take() == "read:a");
        // One with a close callback has looked ahead, to a chunk: it would see an end, too.
        BOOST_TEST(io.stream->bytes_read() == (watched ? 5u : 3u));
        BOOST_TEST(io.wire->waits(Direction::hang_up));
        io.wire->lose(asio::error::connection_reset);
        io.run();
        BOOST_TEST(events.take() == (watched ? "close" : ""));
        BOOST_TEST(word(io.stream->error()) == "reset");
        BOOST_TEST(!io.wire->open);
        io.stream->read_bytes(6, events.on("rest"));
        io.run();
        BOOST_TEST(events.take() == "rest:bcdefg");
    }
}

BOOST_AUTO_TEST_CASE(T074_an_alarm_that_is_no_loss_is_asked_about_once) {
    Scripted io;
    Events events;
    io.wire->arrive("abc");
    io.stream->read_bytes(1, events.on("read"));
    io.run();
    BOOST_TEST(io.wire->waits(Direction::hang_up));
    auto const waits = io.wire->waits_begun;
    io.wire->alarm();
    io.run();
    BOOST_TEST(!io.stream->closed());
    BOOST_TEST(io.wire->waits_begun == waits);
    io.stream->read_bytes(2, events.on("read"));
    io.run();
    BOOST_TEST(events.take() == "read:a, read:bc");
}

BOOST_AUTO_TEST_CASE(T110_a_loss_after_a_half_close_is_noticed) {
    Scripted io(StreamOptions{.half_close = true});
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.wire->end();
    io.stream->read_bytes(1, events.on("read"));
    io.run();
    BOOST_TEST(events.take() == "read!eof");
    BOOST_TEST(!io.stream->closed());
    io.wire->lose(asio::error::connection_reset);
    io.run();
    BOOST_TEST(events.take() == "close");
    BOOST_TEST(word(io.stream->error()) == "reset");
}

// ---- The peer's end while something is being written

BOOST_AUTO_TEST_CASE(T110_closes_in_the_first_turn_in_which_nothing_is_queued) {
    Scripted io;
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.wire->room = 10;
    int pieces = 3;
    std::function<void(error_code)> more = [&](error_code ec) {
        events.add(word(ec));
        if (--pieces != 0)
            io.stream->write(std::string(100'000, 'y'), more);
    };
    io.stream->write(std::string(100'000, 'x'), more);
    io.stream->read_bytes(1, events.on("read"));
    io.wire->end();
    io.poll();
    BOOST_TEST(events.take() == "read!eof");
    io.stream->read_bytes(1, events.on("again"));
    io.poll();
    BOOST_TEST(events.take() == "again!eof");
    BOOST_TEST(!io.stream->closed());
    BOOST_TEST(word(io.stream->error()) == "ok");
    io.wire->drain();
    io.run();
    BOOST_TEST(events.take() == "ok, ok, ok, close");
    BOOST_TEST(io.wire->sent().size() == 300'000u);
    BOOST_TEST(word(io.stream->error()) == "eof");
}

BOOST_AUTO_TEST_CASE(T110_an_answer_has_the_time_that_it_needs_as_long_as_it_moves) {
    Scripted io(StreamOptions{.linger = std::chrono::milliseconds(1)});
    Events events;
    io.wire->room = 0;
    io.stream->write(std::string(100'000, 'x'), events.on("write"));
    io.stream->read_bytes(1, events.on("read"));
    io.wire->end();
    io.run_until([&] { return !io.stream->reading(); });
    BOOST_TEST(events.take() == "read!eof");
    for (int i = 0; i != 3; ++i) {
        io.wire->drain(1);
        io.context.run_one(); // a byte leaves
        io.context.run_one(); // the limit
        BOOST_TEST(!io.stream->closed());
    }
    io.run(); // and now nothing moves
    BOOST_TEST(events.take() == "write!eof");
    BOOST_TEST(word(io.stream->error()) == "eof");
    BOOST_TEST(io.wire->sent().size() == 3u);
    BOOST_TEST(!io.wire->open);
}

BOOST_AUTO_TEST_CASE(T106_the_cause_that_came_first_is_the_error) {
    Scripted io;
    Events events;
    io.wire->room = 0;
    io.stream->write(std::string(100'000, 'x'), events.on("write"));
    io.stream->read_bytes(1, [&](error_code ec, std::string const&) {
        events.add("read!" + word(ec));
        io.stream->close(asio::error::timed_out);
    });
    io.wire->end();
    io.run();
    BOOST_TEST(events.take() == "read!eof, write!eof");
    BOOST_TEST(word(io.stream->error()) == "eof");
}

// ---- An end that waits for nobody

// Of a stream that is open, ends after what is queued, or is closed and still sending.
BOOST_AUTO_TEST_CASE(abort_frees_the_descriptor_at_once) {
    for (int const way : {0, 1, 2}) {
        Scripted io;
        Events events;
        std::weak_ptr<ScriptedStream> const alive = io.stream;
        io.wire->room = 0;
        io.wire->must_linger = true;
        io.stream->set_close_callback(events.at("close"));
        io.stream->write("queued", events.on("write"));
        io.stream->write(std::string(100'000, 'x'), events.on("long"));
        io.stream->read_bytes(1, events.on("read"));
        io.poll();
        BOOST_TEST(events.take() == "write");
        if (way == 1)
            io.stream->close_after_flush(std::chrono::hours(1));
        if (way == 2)
            io.stream->close(asio::error::no_data);
        io.poll();
        events.take();
        BOOST_TEST(io.wire->open);
        detail::StreamAccess::core(*io.stream).abort(asio::error::timed_out);
        BOOST_TEST(!io.wire->open);
        BOOST_TEST(io.stream->closed());
        BOOST_TEST(!io.stream->writing());
        BOOST_TEST(word(io.stream->error()) ==
                   word(way == 2 ? error_code(asio::error::no_data) : asio::error::timed_out));
        io.stream.reset();
        io.run(); // nothing is left to wait for
        BOOST_TEST(events.take() == (way == 0   ? "long!timed_out, read!timed_out, close"
                                     : way == 1 ? "long!timed_out, close"
                                                : ""));
        BOOST_TEST(alive.expired());
        BOOST_TEST(io.wire->sent() == "");
    }
}

// ---- A turn is bounded

// Somebody polite is about, so that the other streams of this thread share short rounds.
void be_polite() {
    Scripted io;
    io.wire->arrive("x");
    io.stream->read_bytes(1, [](error_code, std::string const&) {});
    io.run();
}

BOOST_AUTO_TEST_CASE(T058_a_turn_moves_so_many_bytes_at_most) {
    constexpr std::size_t chunk = 64 * 1024;
    for (bool const sends : {false, true}) {
        be_polite();
        Scripted io;
        std::size_t most = 0;
        std::size_t before = 0;
        auto const moved = [&] { return io.stream->bytes_read() + io.stream->bytes_written(); };
        // Between two turns of the stream the loop's other handlers have theirs.
        std::function<void()> other = [&] {
            most = std::max<std::size_t>(most, moved() - before);
            before = moved();
            if (!io.stream->closed())
                asio::post(io.context, other);
        };
        if (sends)
            for (int i = 0; i != 32; ++i)
                io.stream->write(std::string(chunk, 'x'));
        else
            for (int i = 0; i != 32; ++i)
                io.wire->arrive(std::string(chunk, 'x'));
        io.wire->end();
        io.stream->read_until_close([](error_code, std::string const&) {});
        asio::post(io.context, other);
        io.run();
        BOOST_TEST(moved() == 32 * chunk);
        BOOST_TEST(most > 0u);
        BOOST_TEST(most <= Share::short_round);
    }
}

BOOST_AUTO_TEST_CASE(T058_in_company_a_turn_moves_less) {
    be_polite();
    Io io;
    constexpr std::size_t size = 1 << 20;
    struct Member {
        std::shared_ptr<Wire> wire;
        std::shared_ptr<ScriptedStream> stream;
    };
    std::vector<Member> members;
    for (int i = 0; i != 32; ++i) {
        auto& member = members.emplace_back();
        member.wire = std::make_shared<Wire>(io.executor());
        member.stream = std::make_shared<ScriptedStream>(member.wire, StreamOptions());
        member.wire->arrive(std::string(size, 'x'));
        member.wire->end();
        member.stream->read_until_close([](error_code, std::string const&) {});
    }
    io.run();
    for (auto const& member : members) {
        BOOST_TEST(member.stream->bytes_read() == size);
        // The last few may be left alone with each other in the end.
        BOOST_TEST(member.wire->reads >= size / Share::least / 2);
    }
}

BOOST_AUTO_TEST_CASE(T058_a_turn_takes_so_many_steps_at_most) {
    Scripted io;
    int lines = 0;
    int most = 0;
    int before = 0;
    std::string input;
    for (int i = 0; i != 5000; ++i)
        input += "x\n";
    io.wire->arrive(input);
    std::function<void()> other = [&] {
        most = std::max(most, lines - before);
        before = lines;
        if (lines != 5000)
            asio::post(io.context, other);
    };
    std::function<void(error_code, std::string)> read = [&](error_code ec, std::string const&) {
        if (!ec && ++lines != 5000)
            io.stream->read_until("\n", read);
    };
    io.stream->read_until("\n", read);
    asio::post(io.context, other);
    io.run();
    BOOST_TEST(lines == 5000);
    BOOST_TEST(most <= 256);
}

BOOST_AUTO_TEST_CASE(T095_a_long_queue_is_offered_in_pieces) {
    be_polite();
    Scripted io;
    io.stream->write(std::string(1 << 20, 'x'));
    io.run();
    std::size_t largest = 0;
    for (auto const& sent : io.wire->sends)
        largest = std::max(largest, sent.size());
    BOOST_TEST(largest == Share::short_round);
    BOOST_TEST(io.wire->sent().size() == 1u << 20);
}

BOOST_AUTO_TEST_SUITE_END()
