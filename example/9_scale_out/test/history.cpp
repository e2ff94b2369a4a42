// SPDX-License-Identifier: BSL-1.0
// Each message once, in order, whatever way it comes; and a gap is never passed over in silence.
#include "history.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace scale;

namespace {

Entry entry(std::uint64_t id) {
    return {{id, 0}, std::make_shared<std::string const>(std::to_string(id))};
}

std::vector<Entry> entries(std::uint64_t first, std::uint64_t last) {
    std::vector<Entry> list;
    for (; first <= last; ++first)
        list.push_back(entry(first));
    return list;
}

// "3 4 5", behind a "gap" if there is one.
std::string since(History const& history, std::uint64_t last) {
    auto const missed = history.since({last, 0});
    std::string text = missed.gap ? "gap" : "";
    for (auto const& frame : missed.frames)
        text += (text.empty() ? "" : " ") + *frame;
    return text;
}

} // namespace

BOOST_AUTO_TEST_SUITE(history)

BOOST_AUTO_TEST_CASE(it_begins_behind_and_holds_what_comes_live) {
    History history(10);
    BOOST_TEST(history.behind());
    BOOST_TEST(!history.add(entry(4)));
    BOOST_TEST(!history.add(entry(5)));
    BOOST_TEST(since(history, 0) == "");
    history.catch_up(entries(1, 4), true); // looked up after 4, before 5
    BOOST_TEST(!history.behind());
    BOOST_TEST(since(history, 0) == "1 2 3 4 5");
    BOOST_TEST(since(history, 3) == "4 5");
    BOOST_TEST(since(history, 5) == "");
    BOOST_TEST(since(history, 9) == "");
}

BOOST_AUTO_TEST_CASE(live_messages_count_once) {
    History history(10);
    history.catch_up(entries(1, 2), true);
    BOOST_TEST(history.add(entry(3)));
    BOOST_TEST(!history.add(entry(3)));
    BOOST_TEST(!history.add(entry(2)));
    BOOST_TEST(since(history, 0) == "1 2 3");
    BOOST_TEST((history.newest() == MessageId{3, 0}));
}

BOOST_AUTO_TEST_CASE(only_the_last_are_kept_and_a_gap_is_told) {
    History history(3);
    history.catch_up({}, true);
    for (std::uint64_t id = 1; id <= 5; ++id)
        history.add(entry(id));
    BOOST_TEST(since(history, 0) == "3 4 5"); // a newcomer has missed nothing
    BOOST_TEST(since(history, 1) == "gap 3 4 5");
    BOOST_TEST(since(history, 3) == "4 5");
}

BOOST_AUTO_TEST_CASE(what_was_missed_is_looked_up) {
    History history(4);
    history.catch_up(entries(1, 2), true);
    history.fall_behind();
    BOOST_TEST(!history.add(entry(5)));
    BOOST_TEST(since(history, 0) == "1 2");
    history.catch_up(entries(1, 4), false);
    BOOST_TEST(since(history, 2) == "3 4 5");
    BOOST_TEST(since(history, 0) == "2 3 4 5");
}

BOOST_AUTO_TEST_CASE(what_was_held_before_the_subscription_was_lost_is_dropped) {
    History history(4);
    history.add(entry(7));
    history.fall_behind();
    history.catch_up(entries(1, 2), true);
    BOOST_TEST(since(history, 0) == "1 2");
}

BOOST_AUTO_TEST_CASE(more_was_missed_than_is_kept) {
    History history(3);
    history.catch_up(entries(1, 3), true);
    history.fall_behind();
    history.catch_up(entries(7, 9), false);
    BOOST_TEST(since(history, 3) == "gap 7 8 9");
    BOOST_TEST(since(history, 7) == "8 9");
    BOOST_TEST(since(history, 0) == "7 8 9");
}

BOOST_AUTO_TEST_CASE(more_comes_live_than_is_held) {
    History history(3);
    for (std::uint64_t id = 1; id <= 6; ++id)
        history.add(entry(id));
    history.catch_up(entries(1, 1), true); // looked up before 2
    BOOST_TEST(since(history, 1) == "gap 4 5 6");

    History fresh(3);
    for (std::uint64_t id = 1; id <= 6; ++id)
        fresh.add(entry(id));
    fresh.catch_up(entries(4, 6), false); // looked up after 6
    BOOST_TEST(since(fresh, 3) == "gap 4 5 6");
    BOOST_TEST(since(fresh, 4) == "5 6");
}

// A room of numbered messages, of which a subscription sees those from some point on, and a look
// those before another: whatever is lost between the two, a reader is told all or of a gap.
BOOST_AUTO_TEST_CASE(whatever_happens_a_reader_misses_nothing_unawares) {
    std::mt19937 random(7);
    auto const below = [&](std::uint64_t n) { return random() % n; };
    for (int round = 0; round < 2000; ++round) {
        auto const limit = 2 + below(5);
        History history(limit);
        std::uint64_t last = 0; // that was published
        std::uint64_t seen = 0; // by the reader
        bool told_of_gap = true;
        auto const check = [&] {
            auto const missed = history.since({seen, 0});
            if (missed.gap)
                told_of_gap = true;
            for (auto const& frame : missed.frames) {
                auto const id = std::stoull(*frame);
                BOOST_TEST_REQUIRE(id > seen);
                if (id != seen + 1 && seen != 0)
                    BOOST_TEST_REQUIRE(told_of_gap);
                seen = id;
                told_of_gap = false;
            }
        };
        for (int turn = 0; turn < 10; ++turn) {
            last += below(4); // nobody hears these
            for (auto n = below(4); n != 0; --n)
                history.add(entry(++last));
            auto const first = last > limit ? last - limit + 1 : 1;
            auto const found = entries(first, last);
            for (auto n = below(8); n != 0; --n)
                history.add(entry(++last)); // after the look
            history.catch_up(found, found.size() < limit);
            check();
            BOOST_TEST_REQUIRE(seen == last);
            for (auto n = below(4); n != 0; --n)
                BOOST_TEST_REQUIRE(history.add(entry(++last)));
            check();
            history.fall_behind();
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
