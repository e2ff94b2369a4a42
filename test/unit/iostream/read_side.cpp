// SPDX-License-Identifier: BSL-1.0
// The reading half by itself: what it asks for, when it is satisfied, and that no byte is lost.
#include "iostream/read_side.hpp"

#include "support/events.hpp"
#include "support/io.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <string_view>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

using detail::ReadRequest;
using detail::ReadSide;
using Verdict = detail::ReadSide::Verdict;

namespace {

struct Reading : Io {
    ReadSide side;
    Events events;

    explicit Reading(StreamOptions const& options = {}) : side(options) {}

    void until(std::string const& delimiter, std::string const& name) {
        side.start(ReadRequest::until(delimiter), {events.on(name), executor()});
    }
    void bytes(std::size_t n, std::string const& name) {
        side.start(ReadRequest::bytes(n, false), {events.on(name), executor()});
    }
    void into(asio::mutable_buffer buffer, bool partial, std::string const& name) {
        side.start(buffer, partial, {events.on(name), executor()});
    }

    void fill(std::size_t n, std::string const& name) {
        side.start(n, {events.on(name), executor()});
    }
    void fill(std::string const& name) { fill(side.next_size(), name); }
    /// Examines the pending read, and completes it if that is ready.
    std::string finish(bool at_end = false) {
        if (is_ready(at_end))
            side.complete({});
        return events.take();
    }
    bool is_ready(bool at_end) { return side.examine(at_end) == Verdict::ready; }

    /// As a transport that has `data`; returns how much of it found room.
    std::size_t receive(std::string_view data) {
        auto const n = asio::buffer_copy(side.prepare(), asio::buffer(data));
        side.commit(n);
        return n;
    }
};

bool is(Verdict a, Verdict b) {
    return a == b;
}

} // namespace

BOOST_AUTO_TEST_SUITE(read_side)

BOOST_AUTO_TEST_CASE(a_verdict_stays_until_something_changes) {
    Reading io;
    BOOST_TEST(is(io.side.examine(false), Verdict::none));
    io.until("\n", "1");
    BOOST_TEST(is(io.side.examine(false), Verdict::more));
    BOOST_TEST(io.receive("ab") == 2u);
    BOOST_TEST(is(io.side.examine(false), Verdict::more));
    BOOST_TEST(is(io.side.examine(false), Verdict::more));
    BOOST_TEST(io.receive("\nc") == 2u);
    for (int i = 0; i < 3; ++i)
        BOOST_TEST(is(io.side.examine(i == 2), Verdict::ready));
    io.side.complete({});
    BOOST_TEST(io.events.take() == "1:ab\n");
    BOOST_TEST(!io.side.pending());
    BOOST_TEST(is(io.side.examine(true), Verdict::none));
    BOOST_TEST(!io.side.empty());
    BOOST_TEST(io.side.take_all() == "c");
}

BOOST_AUTO_TEST_CASE(T060_T102_read_until_close_is_ready_at_the_end_only) {
    Reading io;
    io.side.start(ReadRequest::until_close(), {io.events.on("1"), io.executor()});
    io.receive("abc");
    BOOST_TEST(is(io.side.examine(false), Verdict::more));
    BOOST_TEST(is(io.side.examine(true), Verdict::ready));
    io.side.complete({});
    BOOST_TEST(io.events.take() == "1:abc");
}

BOOST_AUTO_TEST_CASE(T088_T089_a_read_into_takes_the_buffer_first_and_then_receives_in_place) {
    Reading io;
    std::array<char, 6> buffer{};
    io.bytes(1, "1");
    io.receive("abc");
    BOOST_TEST(is(io.side.examine(false), Verdict::ready));
    io.side.complete({});
    io.into(asio::buffer(buffer), false, "2");
    BOOST_TEST(is(io.side.examine(false), Verdict::more));
    auto const room = io.side.prepare();
    BOOST_TEST(room[0].data() == buffer.data() + 2);
    BOOST_TEST(asio::buffer_size(room) == 4u);
    BOOST_TEST(io.receive("defghi") == 4u);
    BOOST_TEST(is(io.side.examine(false), Verdict::ready));
    io.side.complete({});
    BOOST_TEST(io.events.take() == "1:a, 2:6");
    BOOST_TEST(std::string(buffer.data(), 6) == "bcdefg");
}

BOOST_AUTO_TEST_CASE(T124_what_a_failed_read_took_goes_back_in_front) {
    for (bool const cancel : {false, true}) {
        Reading io;
        std::array<char, 6> buffer{};
        io.into(asio::buffer(buffer), false, "1");
        io.receive("abc");
        if (cancel) {
            io.side.cancel();
            BOOST_TEST(is(io.side.examine(false), Verdict::cancelled));
            io.side.complete(asio::error::operation_aborted);
        } else {
            BOOST_TEST(is(io.side.examine(true), Verdict::more));
            io.side.complete(asio::error::eof);
        }
        BOOST_TEST(io.events.take() == (cancel ? "1!aborted" : "1!eof"));
        io.bytes(3, "2");
        BOOST_TEST(is(io.side.examine(true), Verdict::ready));
        io.side.complete({});
        BOOST_TEST(io.events.take() == "2:abc");
    }
}

BOOST_AUTO_TEST_CASE(a_cancel_without_a_read_does_nothing) {
    Reading io;
    io.side.cancel();
    io.bytes(0, "1");
    BOOST_TEST(is(io.side.examine(false), Verdict::ready));
    io.side.complete({});
    BOOST_TEST(io.events.take() == "1:");
}

BOOST_AUTO_TEST_CASE(T091_a_read_into_of_nothing_is_ready) {
    for (bool const partial : {false, true}) {
        Reading io;
        io.into({}, partial, "1");
        BOOST_TEST(is(io.side.examine(false), Verdict::ready));
        io.side.complete({});
        BOOST_TEST(io.events.take() == "1:0");
    }
}

BOOST_AUTO_TEST_CASE(T085_without_a_read_it_wants_one_chunk) {
    Reading io(StreamOptions{.read_chunk_size = 4});
    BOOST_TEST(io.side.wants_input());
    BOOST_TEST(io.receive("abcdefgh") == 4u);
    BOOST_TEST(!io.side.wants_input());
    io.bytes(8, "1");
    BOOST_TEST(io.side.wants_input());
    BOOST_TEST(io.receive("efgh") == 4u);
    BOOST_TEST(is(io.side.examine(false), Verdict::ready));
    io.side.complete({});
    BOOST_TEST(io.events.take() == "1:abcdefgh");
}

BOOST_AUTO_TEST_CASE(T099_one_byte_more_than_allowed_is_an_overflow) {
    Reading io(StreamOptions{.max_buffer_size = 10, .read_chunk_size = 64});
    io.until("\n", "1");
    BOOST_TEST(io.receive(std::string(10, 'a')) == 10u);
    BOOST_TEST(is(io.side.examine(false), Verdict::more));
    BOOST_TEST(io.receive(std::string(10, 'a')) == 1u);
    BOOST_TEST(is(io.side.examine(false), Verdict::overflow));
    BOOST_TEST(is(io.side.examine(true), Verdict::overflow));
}

// ---- Views

BOOST_AUTO_TEST_CASE(a_fill_takes_nothing) {
    Reading io;
    io.fill(3, "1");
    io.receive("ab");
    BOOST_TEST(io.finish() == "");
    io.receive("cd");
    BOOST_TEST(io.finish() == "1:4");
    BOOST_TEST(io.side.show() == "abcd");
    io.side.consume(3);
    BOOST_TEST(io.side.show() == "d");
    io.fill(0, "2");
    BOOST_TEST(io.finish() == "2:1");
    io.bytes(1, "3");
    BOOST_TEST(io.finish() == "3:d");
    BOOST_TEST(io.side.show() == "");
    io.fill(0, "4");
    BOOST_TEST(io.finish() == "4:0");
}

BOOST_AUTO_TEST_CASE(a_fill_for_more_is_for_what_was_not_seen) {
    Reading io;
    io.fill("1");
    BOOST_TEST(io.finish() == "");
    io.receive("a");
    BOOST_TEST(io.finish() == "1:1"); // told of
    io.fill("2");
    BOOST_TEST(io.finish() == "");
    io.receive("b");
    BOOST_TEST(io.finish() == "2:2");
    io.receive("c"); // while no read is pending
    io.fill("3");
    BOOST_TEST(io.finish() == "3:3");
    io.receive("d");
    BOOST_TEST(io.side.show() == "abcd"); // shown
    io.fill("4");
    BOOST_TEST(io.finish() == "");
    io.side.cancel();
    io.side.complete(asio::error::operation_aborted);
    BOOST_TEST(io.events.take() == "4!aborted:4");
    io.side.consume(4);
    io.fill("5");
    BOOST_TEST(io.finish() == "");
    io.receive("e");
    BOOST_TEST(io.finish() == "5:1");
    io.receive("f");
    io.bytes(2, "6"); // takes what was not seen as well
    BOOST_TEST(io.finish() == "6:ef");
    io.fill("7");
    BOOST_TEST(io.finish() == "");
}

BOOST_AUTO_TEST_CASE(a_cancelled_fill_has_told_nobody) {
    Reading io;
    io.fill(5, "1");
    io.receive("ab");
    io.side.cancel();
    BOOST_TEST(is(io.side.examine(false), Verdict::cancelled));
    io.side.complete(asio::error::operation_aborted);
    BOOST_TEST(io.events.take() == "1!aborted:2");
    io.fill("2");
    BOOST_TEST(io.finish() == "2:2");
    std::array<char, 4> buffer{};
    io.into(asio::buffer(buffer), false, "3");
    BOOST_TEST(io.finish() == "");
    io.side.complete(asio::error::operation_aborted);
    BOOST_TEST(io.events.take() == "3!aborted");
    io.fill("4"); // what was put back may be new
    BOOST_TEST(io.finish() == "4:2");
}

BOOST_AUTO_TEST_CASE(T099_a_fill_past_the_limit_is_an_overflow_when_it_is_passed) {
    for (bool const more : {false, true}) {
        Reading io(StreamOptions{.max_buffer_size = 10, .read_chunk_size = 64});
        if (more) {
            io.fill(10, "1");
            BOOST_TEST(io.receive(std::string(10, 'a')) == 10u);
            BOOST_TEST(io.finish() == "1:10");
            io.fill("2");
            BOOST_TEST(is(io.side.examine(false), Verdict::more));
            BOOST_TEST(io.receive("bc") == 1u);
        } else {
            io.fill(11, "2");
            BOOST_TEST(io.receive(std::string(10, 'a')) == 10u);
            BOOST_TEST(is(io.side.examine(true), Verdict::more));
            BOOST_TEST(io.receive("bc") == 1u);
        }
        BOOST_TEST(is(io.side.examine(false), Verdict::overflow));
        io.side.complete(error::buffer_full);
        BOOST_TEST(io.events.take() == "2!full:11");
        io.fill(5, "3"); // what is there is still served
        BOOST_TEST(io.finish(true) == "3:11");
    }
}

BOOST_AUTO_TEST_CASE(random_operations_beside_a_model) {
    std::minstd_rand random(5);
    for (int round = 0; round < 300; ++round) {
        auto const chunk = 1 + random() % 9;
        constexpr std::size_t max = 40;
        Reading io(StreamOptions{.max_buffer_size = max, .read_chunk_size = chunk});
        std::string model;      // what is buffered
        std::size_t unseen = 0; // how much at its end nobody has seen
        std::string waiting;    // the pending read, if any
        std::size_t wanted = 0; // and how many bytes it needs
        std::array<char, 8> memory{};
        char next = 'a';
        auto const took = [&](std::size_t n) {
            model.erase(0, n);
            unseen = std::min(unseen, model.size());
        };
        for (int step = 0; step < 200; ++step) {
            BOOST_TEST_REQUIRE(io.side.pending() == !waiting.empty());
            switch (random() % 8) {
            case 0:
            case 1:
                if (io.side.wants_input()) {
                    std::string data;
                    for (auto n = 1 + random() % 12; n-- > 0; next = next == 'z' ? 'a' : next + 1)
                        data += next;
                    auto const n = io.receive(data);
                    next = n == data.size() ? next : data[n];
                    model += data.substr(0, n);
                    unseen += n;
                }
                break;
            case 2:
                BOOST_TEST_REQUIRE(io.side.size() <= model.size()); // but for a read_into's
                if (waiting != "into") {
                    BOOST_TEST_REQUIRE(io.side.show() == model);
                    unseen = 0;
                }
                break;
            case 3:
                if (waiting.empty() && !model.empty()) {
                    auto const n = random() % (model.size() + 1);
                    auto const rest = io.side.show().substr(n);
                    unseen = 0;
                    io.side.consume(n);
                    took(n);
                    BOOST_TEST_REQUIRE(rest == model);
                    BOOST_TEST_REQUIRE((rest.empty() || rest.data() == io.side.show().data()));
                }
                break;
            case 4:
                if (waiting.empty()) {
                    waiting = "fill";
                    wanted = random() % 20;
                    io.fill(wanted, "r");
                }
                break;
            case 5:
                if (waiting.empty()) {
                    waiting = "fill";
                    wanted = unseen != 0 ? model.size() : model.size() + 1;
                    io.fill("r");
                }
                break;
            case 6:
                if (waiting.empty()) {
                    waiting = random() % 2 == 0 ? "into" : "bytes";
                    wanted = random() % memory.size();
                    if (waiting == "into")
                        io.into(asio::buffer(memory, wanted), false, "r");
                    else
                        io.bytes(wanted, "r");
                }
                break;
            case 7:
                if (!waiting.empty() && random() % 4 == 0) {
                    io.side.cancel();
                    BOOST_TEST_REQUIRE(is(io.side.examine(false), Verdict::cancelled));
                    io.side.complete(asio::error::operation_aborted);
                    io.events.take();
                    if (waiting == "into")
                        unseen = model.size();
                    waiting.clear();
                }
                break;
            }
            io.side.settle();
            if (waiting.empty())
                continue;
            auto const verdict = io.side.examine(false);
            if (waiting == "fill" && wanted > max && model.size() > max) {
                BOOST_TEST_REQUIRE(is(verdict, Verdict::overflow));
                break;
            }
            BOOST_TEST_REQUIRE(
                is(verdict, model.size() >= wanted ? Verdict::ready : Verdict::more));
            if (verdict != Verdict::ready)
                continue;
            io.side.complete({});
            if (waiting == "fill") {
                BOOST_TEST_REQUIRE(io.events.take() == "r:" + std::to_string(model.size()));
                unseen = 0;
            } else {
                auto const expected = model.substr(0, wanted);
                if (waiting == "bytes")
                    BOOST_TEST_REQUIRE(io.events.take() == "r:" + expected);
                else
                    BOOST_TEST_REQUIRE(std::string(memory.data(), wanted) == expected);
                io.events.take();
                took(wanted);
            }
            waiting.clear();
        }
    }
}

BOOST_AUTO_TEST_CASE(what_no_completed_read_has_taken_is_unread_wherever_it_is) {
    Reading io;
    BOOST_TEST(io.side.unread() == 0U);
    io.until("\n", "line");
    io.receive("12\n34");
    BOOST_TEST(io.side.unread() == 5U);
    BOOST_TEST(is(io.side.examine(false), Verdict::ready));
    io.side.complete({});
    BOOST_TEST(io.side.unread() == 2U);
    std::array<char, 5> memory;
    io.into(asio::buffer(memory), false, "into"); // has taken the two
    BOOST_TEST(is(io.side.examine(false), Verdict::more));
    BOOST_TEST(io.side.unread() == 2U);
    io.receive("5");
    BOOST_TEST(io.side.unread() == 3U);
    io.side.cancel();
    BOOST_TEST(is(io.side.examine(false), Verdict::cancelled));
    io.side.complete(asio::error::operation_aborted); // and puts them back
    BOOST_TEST(io.side.unread() == 3U);
    io.bytes(3, "bytes"); // is pending, and not into memory
    BOOST_TEST(io.side.unread() == 3U);
    BOOST_TEST(is(io.side.examine(false), Verdict::ready));
    io.side.complete({});
    BOOST_TEST(io.side.unread() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
