// SPDX-License-Identifier: BSL-1.0
// Many deadlines behind one timer: in order, none early, and the timer left alone.
#include "tornado/detail/deadlines.hpp"

#include "support/io.hpp"
#include "tether.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;
using tornado::detail::Deadline;
using tornado::detail::Deadlines;

namespace {

struct Item final : Deadline {
    explicit Item(Io& io) : io_context(io.context) {}

    void expire() override { expired(); }
    asio::any_io_executor executor() const override {
        ++*asked;
        return on ? on : io_context.get_executor();
    }

    asio::io_context& io_context;
    asio::any_io_executor on; // or on the context's
    std::function<void()> expired = [] { BOOST_ERROR("is not to expire"); };
    std::shared_ptr<int> asked = std::make_shared<int>(0); // how often the timer was set for it
};

} // namespace

BOOST_AUTO_TEST_SUITE(deadlines)

BOOST_AUTO_TEST_CASE(each_expires_in_its_turn_and_none_before_its_time) {
    Io io;
    auto const all = Deadlines::of(io.context);
    BOOST_TEST((all == Deadlines::of(io.context)));
    std::mt19937 random(1);
    // Its due time lies between what was reckoned before and after it was added.
    struct Due {
        Deadline::clock::time_point earliest, latest;
    };
    struct Case {
        std::unique_ptr<Item> item;
        std::shared_ptr<Due> due;
    };
    std::vector<Case> cases;
    std::vector<Due> expired;
    for (int i = 0; i < 500; ++i) {
        auto const limit = std::chrono::microseconds(random() % 20000);
        auto const due = std::make_shared<Due>();
        auto& added = cases.emplace_back(Case{std::make_unique<Item>(io), due});
        added.item->expired = [&expired, due] {
            BOOST_TEST((Deadline::clock::now() >= due->earliest));
            expired.push_back(*due);
        };
        due->earliest = Deadline::clock::now() + limit;
        all->add(*added.item, limit);
        due->latest = Deadline::clock::now() + limit;
        if (random() % 3 == 0) { // one of those that there are, expired or not
            auto const victim =
                cases.begin() + static_cast<std::ptrdiff_t>(random() % cases.size());
            victim->item->expired = [] { BOOST_ERROR("was removed"); };
            static_cast<void>(all->remove(*victim->item));
            static_cast<void>(all->remove(*victim->item)); // harmless
            cases.erase(victim);
        }
        io.poll();
    }
    io.run();
    BOOST_TEST(std::is_sorted(expired.begin(), expired.end(), [](Due const& a, Due const& b) {
        return a.latest + 1ms < b.earliest;
    }));
}

BOOST_AUTO_TEST_CASE(the_timer_is_left_alone) {
    Io io;
    auto const all = Deadlines::of(io.context);
    Item first(io);
    Item other(io);
    all->add(first, 1h);
    BOOST_TEST(*first.asked == 1);
    for (int i = 0; i < 10; ++i) { // a later one comes and goes
        all->add(other, 2h);
        BOOST_TEST(all->remove(other));
    }
    BOOST_TEST(
        !all->remove(first)); // the last one goes; the next comes before the timer is stopped
    all->add(first, 1h);
    all->settle();
    BOOST_TEST(*first.asked == 1);
    BOOST_TEST(*other.asked == 0);
    all->add(other, 30min); // an earlier one
    BOOST_TEST(*other.asked == 1);
    BOOST_TEST(all->remove(other));
    BOOST_TEST(!all->remove(first));
    io.poll();
    BOOST_TEST(!io.context.stopped());
    all->settle();
    io.run(); // nothing is left to wait for
}

BOOST_AUTO_TEST_CASE(the_timer_that_goes_off_for_nobody_is_set_again) {
    Io io;
    auto const all = Deadlines::of(io.context);
    Item gone(io);
    Item later(io);
    bool expired = false;
    later.expired = [&] { expired = true; };
    all->add(gone, 1ms);
    all->add(later, 30ms);
    BOOST_TEST(all->remove(gone));
    io.run();
    BOOST_TEST(expired);
}

BOOST_AUTO_TEST_CASE(a_timer_that_has_gone_off_when_it_is_set_anew) {
    Io io;
    auto const all = Deadlines::of(io.context);
    Item first(io);
    Item next(io);
    asio::post(io.context, [&] {
        all->add(first, 0s);
        asio::post(io.context, [&] { // before the timer's handler, which is on its way
            BOOST_TEST(!all->remove(first));
            all->settle();
            all->add(next, 1h);
            BOOST_TEST(!all->remove(next));
        });
        for (auto const start = Deadline::clock::now(); Deadline::clock::now() < start + 1ms;)
            ; // it is due
    });
    io.poll();
    all->settle();
    io.run(); // nothing is left to wait for
}

BOOST_AUTO_TEST_CASE(the_timer_goes_off_on_the_executor_of_the_first_one) {
    Io io;
    auto const all = Deadlines::of(io.context);
    auto const strand = asio::make_strand(io.context);
    std::vector<bool> in_strand;
    for (bool const has_strand : {false, true, false}) {
        Item item(io);
        if (has_strand)
            item.on = strand;
        item.expired = [&] { in_strand.push_back(strand.running_in_this_thread()); };
        all->add(item, 1ms);
        io.run();
    }
    BOOST_TEST((in_strand == std::vector{false, true, false}));
}

BOOST_AUTO_TEST_CASE(after_the_end_of_the_context) {
    std::shared_ptr<Deadlines> all;
    std::optional<Io> io(std::in_place);
    Item before(*io);
    Item after(*io);
    all = Deadlines::of(io->context);
    all->add(before, 1h);
    io.reset();
    BOOST_TEST(all->remove(before));
    all->add(after, 0s);
    BOOST_TEST(all->remove(after));
    all->settle();
}

BOOST_AUTO_TEST_CASE(those_that_wait_are_told_to_whoever_asks_the_context) {
    Io io;
    auto const description = [&] {
        std::string lines;
        detail::describe_tethers(io.context, lines);
        return lines;
    };
    auto const all = Deadlines::of(io.context);
    BOOST_TEST(description() == "");
    Item first(io);
    Item second(io);
    all->add(first, 2h);
    all->add(second, 1h);
    BOOST_TEST(description().starts_with("deadlines of cancel_after: 2, the next in 3"));
    BOOST_TEST(description().ends_with(" s\n"));
    static_cast<void>(all->remove(first));
    static_cast<void>(all->remove(second));
    all->settle();
    BOOST_TEST(description() == "");
}

BOOST_AUTO_TEST_SUITE_END()
