// SPDX-License-Identifier: BSL-1.0
// The writing half by itself: order, marks, memory of the caller, and what a close keeps.
#include "iostream/write_side.hpp"

#include "support/events.hpp"
#include "support/io.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <random>
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

    auto const* file(std::uint64_t count, std::string const& name) {
        return side.append_file(nullptr, count, {events.on(name), executor()});
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

// ---- Files

BOOST_AUTO_TEST_CASE(a_file_keeps_its_place_and_takes_no_room) {
    Writing io(StreamOptions{.max_write_buffer_size = 5});
    io.write("abc", "1");
    io.file(1 << 20, "2");
    io.write("de", "3");
    io.write("f", "4");
    BOOST_TEST(io.side.size() == 5u);
    BOOST_TEST(io.side.next_file() == nullptr);
    BOOST_TEST(io.side.before_file() == 3u);
    BOOST_TEST(io.completed() == "4!full");
    io.side.consume(3);
    BOOST_TEST(io.completed() == "1");
    BOOST_TEST_REQUIRE(io.side.next_file() != nullptr);
    BOOST_TEST(io.side.before_file() == 0u);
    io.side.consume_file(1000);
    BOOST_TEST(io.side.next_file()->sent == 1000u);
    BOOST_TEST(io.side.sent() == 1003u);
    BOOST_TEST(io.completed() == "");
    io.side.consume_file((1 << 20) - 1000);
    BOOST_TEST(io.side.next_file() == nullptr);
    BOOST_TEST(io.completed() == "2:1048576");
    BOOST_TEST(io.gathered() == "de");
    io.side.consume(2);
    BOOST_TEST(io.completed() == "3");
    BOOST_TEST(io.side.empty());
    BOOST_TEST(io.side.sent() == (1 << 20) + 5u);
}

BOOST_AUTO_TEST_CASE(T095_what_is_behind_a_file_is_not_complete_before_it) {
    Writing io;
    io.side.set_watermarks(10, 100, {});
    io.write("abc", "1");
    io.file(5, "2");
    io.write("de", "3");
    io.write("", "4");
    BOOST_TEST(!io.side.empty());
    BOOST_TEST(io.completed() == "1");
    io.side.consume(3);
    BOOST_TEST(io.completed() == "");
    io.side.consume_file(5);
    BOOST_TEST(io.completed() == "2:5, 3, 4"); // below the mark again
    io.file(0, "5");
    io.write("f", "6");
    BOOST_TEST(io.completed() == "5:0, 6");
    BOOST_TEST(io.gathered() == "def");
}

BOOST_AUTO_TEST_CASE(T101_a_drop_ends_files_and_tells_how_much_was_sent) {
    for (bool const keep : {false, true}) {
        Writing io;
        io.side.set_watermarks(4, 100, {});
        io.write("abc", "1");
        io.file(5, "2");
        io.write("de", "3");
        io.file(7, "4");
        BOOST_TEST(io.completed() == "1");
        io.side.drop(error::stream_closed, keep);
        BOOST_TEST(io.gathered() == (keep ? "abc" : ""));
        BOOST_TEST(io.side.next_file() == nullptr);
        BOOST_TEST(io.completed() == "2!closed, 3!closed, 4!closed");
        BOOST_TEST(io.side.empty() == !keep);
    }
    Writing io;
    io.file(5, "1");
    io.file(7, "2");
    io.side.consume_file(5); // complete, and not yet told so
    io.side.consume_file(3);
    io.side.drop(error::stream_closed, true);
    BOOST_TEST(io.side.empty());
    BOOST_TEST(io.completed() == "1:5, 2!closed:3");
}

BOOST_AUTO_TEST_CASE(a_cancelled_file_makes_way) {
    Writing io;
    io.write("ab", "1");
    auto const* first = io.file(5, "2");
    auto const* second = io.file(6, "3");
    io.write("cd", "4");
    io.side.cancel(second, true);
    BOOST_TEST(io.completed() == "3!aborted");
    io.side.consume(2);
    io.side.consume_file(4);
    io.side.cancel(first, true);
    BOOST_TEST(io.completed() == "2!aborted:4, 1");
    BOOST_TEST(io.side.next_file() == nullptr);
    BOOST_TEST(io.gathered() == "cd");
    auto const* done = io.file(1, "5");
    io.side.consume(2);
    io.side.consume_file(1);
    io.side.cancel(done, true); // too late
    BOOST_TEST(io.completed() == "4, 5:1");
}

BOOST_AUTO_TEST_CASE(a_file_between_data_of_the_caller) {
    Writing io;
    std::string const a(20, 'a');
    std::string const b(30, 'b');
    io.some(a, "1");
    io.file(5, "2"); // a is copied
    io.some(b, "3"); // from its memory, behind the file
    BOOST_TEST(io.gathered() == a);
    BOOST_TEST(io.side.before_file() == 20u);
    io.side.consume(20);
    BOOST_TEST(io.completed() == "1:20");
    BOOST_TEST(io.gathered() == "");
    io.side.consume_file(5);
    BOOST_TEST(io.gathered() == b);
    io.side.consume(10);
    BOOST_TEST(io.completed() == "2:5, 3:10");
    BOOST_TEST(io.side.empty());
}

BOOST_AUTO_TEST_CASE(random_files_and_writes_beside_a_model) {
    std::minstd_rand random(11);
    for (int round = 0; round < 300; ++round) {
        Writing io;
        struct Entry {
            std::string name;
            bool is_file;
            std::size_t size;
            std::size_t left;
            decltype(std::declval<Writing&>().file(1, "")) pending;
        };
        std::deque<Entry> model; // what is not complete
        std::string expected;
        std::uint64_t sent = 0;
        auto const expect = [&](std::string const& event) {
            expected += (expected.empty() ? "" : ", ") + event;
        };
        auto const finish = [&] { // what is complete at the front
            while (!model.empty() && model.front().left == 0) {
                auto const& entry = model.front();
                expect(entry.is_file ? entry.name + ":" + std::to_string(entry.size) : entry.name);
                model.pop_front();
            }
        };
        for (int step = 0; step < 100; ++step) {
            auto const name = std::to_string(step);
            std::size_t const size = 1 + random() % 50;
            switch (random() % 5) {
            case 0:
                io.write(std::string(size, 'w'), name);
                model.push_back({name, false, size, size, nullptr});
                break;
            case 1:
                model.push_back({name, true, size, size, io.file(size, name)});
                break;
            case 2: // the transport takes some
            case 3: {
                auto const next = std::find_if(model.begin(), model.end(),
                                               [](Entry const& entry) { return entry.left != 0; });
                if (next == model.end())
                    break;
                BOOST_TEST_REQUIRE((io.side.next_file() != nullptr) == next->is_file);
                auto const n = std::min(size, next->left);
                if (next->is_file) {
                    BOOST_TEST_REQUIRE(io.side.next_file()->count - io.side.next_file()->sent ==
                                       next->left);
                    io.side.consume_file(n);
                } else {
                    BOOST_TEST_REQUIRE(io.side.before_file() >= n);
                    io.side.consume(n);
                }
                next->left -= n;
                sent += n;
                break;
            }
            case 4: {
                auto const file = std::find_if(model.begin(), model.end(), [](Entry const& entry) {
                    return entry.is_file && entry.left != 0;
                });
                if (file == model.end())
                    break;
                io.side.cancel(file->pending, true);
                auto const done = file->size - file->left;
                expect(file->name + "!aborted" + (done != 0 ? ":" + std::to_string(done) : ""));
                model.erase(file);
                break;
            }
            }
            finish();
            BOOST_TEST_REQUIRE(io.completed() == std::exchange(expected, {}));
            BOOST_TEST_REQUIRE(io.side.sent() == sent);
            BOOST_TEST_REQUIRE(io.side.empty() == model.empty());
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
