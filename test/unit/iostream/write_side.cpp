// SPDX-License-Identifier: BSL-1.0
// The writing half by itself: order, marks, memory of the caller, and what a close keeps.
#include "iostream/write_side.hpp"

#include "support/events.hpp"
#include "support/io.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <string>
#include <string_view>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

using detail::WriteSide;

namespace {

struct Writing : Io {
    WriteSide side;
    Events events;

    explicit Writing(StreamOptions const& options = {}) : side(options) {
        side.set_watermarks(0, 100, {});
    }

    std::uint64_t write(std::string_view data, std::string const& name) {
        error_code failure;
        auto const end = side.append(data, failure);
        side.wait(end, failure, true, {events.on(name), executor()});
        return end;
    }

    auto const* some(std::string_view data, std::string const& name) {
        asio::const_buffer const buffer = asio::buffer(data);
        return side.append_some({&buffer, 1}, {events.on(name), executor()});
    }

    std::string gathered() const {
        WriteSide::Buffers buffers;
        std::string all;
        for (std::size_t i = 0, count = side.gather(buffers); i != count; ++i)
            all.append(static_cast<char const*>(buffers[i].data()), buffers[i].size());
        return all;
    }

    /// Completes all that is due.
    std::string completed(bool connected = true) {
        while (side.due(connected))
            side.complete();
        return events.take();
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(write_side)

BOOST_AUTO_TEST_CASE(T095_each_write_is_due_when_its_last_byte_was_taken) {
    Writing io;
    io.write("abc", "1");
    io.write("de", "2");
    io.write("", "3");
    BOOST_TEST(io.gathered() == "abcde");
    BOOST_TEST(io.completed() == "");
    io.side.consume(2);
    BOOST_TEST(io.completed() == "");
    io.side.consume(1);
    BOOST_TEST(io.completed() == "1");
    io.side.consume(2);
    BOOST_TEST(io.completed() == "2, 3");
    BOOST_TEST(io.side.sent() == 5u);
    BOOST_TEST(io.side.empty());
}

BOOST_AUTO_TEST_CASE(T062_before_the_connection_only_a_failure_is_due) {
    Writing io;
    error_code failure;
    io.side.set_watermarks(10, 100, {});
    auto const end = io.side.append("abc"sv, failure);
    io.side.wait(end, {}, false, {io.events.on("1"), io.executor()});
    io.side.wait(end, error::buffer_full, false, {io.events.on("2"), io.executor()});
    BOOST_TEST(io.completed(false) == "2!full");
    BOOST_TEST(io.completed(true) == "1");
}

BOOST_AUTO_TEST_CASE(T098_the_limit_counts_what_is_queued) {
    Writing io(StreamOptions{.max_write_buffer_size = 5});
    io.write("abc", "1");
    io.write("def", "2");
    io.write("de", "3");
    BOOST_TEST(io.gathered() == "abcde");
    io.side.consume(5);
    auto const order = io.completed();
    BOOST_TEST((order == "1, 3, 2!full" || order == "2!full, 1, 3"));
    io.write("abcde", "4");
    io.side.consume(5);
    BOOST_TEST(io.completed() == "4");
}

BOOST_AUTO_TEST_CASE(T101_a_drop_keeps_what_completed_writes_took) {
    for (bool const keep : {false, true}) {
        Writing io;
        io.side.set_watermarks(4, 100, {});
        auto const end = io.write("1234", "1");
        io.write("5678", "2");
        BOOST_TEST(io.completed() == "1");
        io.side.drop(error::stream_closed, keep);
        BOOST_TEST(io.gathered() == (keep ? "1234" : ""));
        BOOST_TEST(io.side.is_complete(end) == keep);
        BOOST_TEST(io.completed() == "2!closed");
    }
}

BOOST_AUTO_TEST_CASE(long_data_are_sent_from_the_callers_memory) {
    Writing io;
    std::string const data(1000, 'd');
    io.write("ab", "1");
    io.some(data, "2");
    WriteSide::Buffers buffers;
    BOOST_TEST(io.side.gather(buffers) == 2u);
    BOOST_TEST(buffers[1].data() == data.data());
    BOOST_TEST(io.side.size() == 1002u);
    io.side.consume(1);
    BOOST_TEST(io.completed() == "");
    io.side.consume(11);
    BOOST_TEST(io.completed() == "1, 2:10");
    BOOST_TEST(io.side.empty()); // the rest is the caller's again
    BOOST_TEST(io.side.sent() == 12u);
    io.write("x", "3");
    BOOST_TEST(io.gathered() == "x");
    io.side.consume(1);
    BOOST_TEST(io.completed() == "3");
}

BOOST_AUTO_TEST_CASE(later_writes_do_not_overtake_the_callers_memory) {
    Writing io;
    std::string const data(30, 'd');
    io.some(data, "1");
    io.write("x", "2");
    io.some("yz", "3"); // from its own memory again
    BOOST_TEST(io.gathered() == data + "xyz");
    io.side.consume(30);
    BOOST_TEST(io.completed() == "1:30");
    io.side.consume(1);
    BOOST_TEST(io.completed() == "2");
    io.side.consume(2);
    BOOST_TEST(io.completed() == "3:2");
}

BOOST_AUTO_TEST_CASE(a_second_long_write_some_is_copied_behind_the_first) {
    Writing io;
    std::string const a(20, 'a');
    std::string const b(20, 'b');
    io.some(a, "1");
    io.some(b, "2");
    BOOST_TEST(io.gathered() == a + b);
    io.side.consume(40);
    BOOST_TEST(io.completed() == "1:20, 2:20");
}

BOOST_AUTO_TEST_CASE(more_segments_than_one_gathering_takes) {
    Writing io;
    std::string expected;
    for (char c = 'a'; c <= 'z'; ++c) {
        expected += std::string(3000, c);
        error_code failure;
        io.side.append(std::string(3000, c), failure);
    }
    std::string const tail(100, '.');
    io.some(tail, "tail");
    std::string sent;
    while (!io.side.empty()) {
        auto const part = io.gathered();
        BOOST_TEST_REQUIRE(!part.empty());
        sent += part;
        io.side.consume(part.size());
    }
    BOOST_TEST((sent == expected + tail));
    BOOST_TEST(io.completed() == "tail:100");
}

BOOST_AUTO_TEST_CASE(of_more_buffers_than_one_gathering_takes_no_byte_is_lost) {
    std::string const data = "abcdefghijklmnopqrst";
    std::vector<asio::const_buffer> buffers;
    for (char const& c : data)
        buffers.emplace_back(&c, 1);
    auto const taken = data.substr(0, WriteSide::max_gather);
    for (bool const write_behind : {false, true}) {
        Writing io;
        io.side.append_some(buffers, {io.events.on("1"), io.executor()});
        BOOST_TEST(io.side.size() == taken.size());
        if (write_behind)
            io.write("x", "2");
        BOOST_TEST(io.gathered() == taken + (write_behind ? "x" : ""));
        io.side.consume(io.side.size());
        BOOST_TEST(io.completed() == (write_behind ? "1:16, 2" : "1:16"));
        BOOST_TEST(io.side.empty());
    }
}

BOOST_AUTO_TEST_CASE(T105_beside_a_failure_no_count_is_told) {
    std::string const data(20, 'd');
    for (bool const keep : {false, true}) {
        Writing io;
        io.some(data, "direct");
        io.side.drop(asio::error::connection_reset, keep);
        BOOST_TEST(io.completed() == "direct!reset");
        BOOST_TEST(io.side.empty());
        io.some(data, "direct");
        io.write("x", "behind it"); // which queues a copy
        io.side.drop(asio::error::connection_reset, keep);
        BOOST_TEST(io.completed() == "direct!reset, behind it!reset");
        BOOST_TEST(io.side.empty());
        BOOST_TEST(io.side.sent() == 0u);
    }
}

BOOST_AUTO_TEST_CASE(T095_as_much_as_the_low_water_mark_is_copied_and_complete) {
    std::string const data(20, 'd');
    for (std::size_t const low : {20u, 19u}) {
        Writing io;
        io.side.set_watermarks(low, 100, {});
        io.some(data, "1");
        WriteSide::Buffers buffers;
        BOOST_TEST(io.side.gather(buffers) == 1u);
        BOOST_TEST((buffers[0].data() == data.data()) == (low < data.size()));
        BOOST_TEST(io.completed() == (low < data.size() ? "" : "1:20"));
    }
}

BOOST_AUTO_TEST_CASE(T095_a_low_water_mark_that_is_raised_to_what_is_queued_completes_it) {
    Writing io;
    io.write("1234", "1");
    io.side.set_watermarks(3, 4, {});
    BOOST_TEST(io.completed() == "");
    io.side.set_watermarks(4, 4, {});
    BOOST_TEST(io.completed() == "1");
    BOOST_TEST(io.side.sent() == 0u);
    io.side.drop(error::stream_closed, true);
    BOOST_TEST(io.gathered() == "1234");
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_comes_first_and_tells_what_was_taken) {
    Writing io;
    std::string const data(20, 'd');
    auto const* direct = io.some(data, "1");
    io.side.cancel(direct, true);
    BOOST_TEST(io.completed() == "1!aborted");
    BOOST_TEST(io.side.empty());
    auto const* copied = io.some(data, "2");
    io.write("x", "3");
    io.side.cancel(copied, true);
    BOOST_TEST(io.completed() == "2!aborted:20"); // they stay queued
    BOOST_TEST(io.gathered() == data + "x");
    auto const* none = static_cast<decltype(copied)>(nullptr);
    io.side.cancel(none, true);
    io.side.consume(21);
    BOOST_TEST(io.completed() == "3");
}

BOOST_AUTO_TEST_CASE(watermarks_are_crossed_once_each_way) {
    Writing io;
    std::string told;
    io.side.set_watermarks(2, 4, [&](bool above) { told += above ? '+' : '-'; });
    auto const tell = [&] {
        while (io.side.crossed())
            io.side.tell_crossing();
        return std::exchange(told, {});
    };
    io.write("1234", "1");
    BOOST_TEST(tell() == "");
    io.write("5", "2");
    BOOST_TEST(tell() == "+");
    io.side.consume(2);
    BOOST_TEST(tell() == "");
    io.side.consume(1);
    BOOST_TEST(tell() == "-");
    BOOST_CHECK_THROW(io.side.set_watermarks(5, 4, {}), std::invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
