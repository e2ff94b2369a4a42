// SPDX-License-Identifier: BSL-1.0
// The reading half by itself: what it asks for, when it is satisfied, and that no byte is lost.
#include "iostream/read_side.hpp"

#include "support/events.hpp"
#include "support/io.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
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
