// SPDX-License-Identifier: BSL-1.0
// Rooms on a bus of straw: who is subscribed to what, and who is told what, in every order of
// events.
#include "hub.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace scale;

namespace {

// Notes what is asked of it; the test gives the answers.
struct StrawBus : Bus {
    bool is_up() const noexcept override { return up; }
    void subscribe(std::string const& room) override { asked.push_back("+" + room); }
    void unsubscribe(std::string const& room) override { asked.push_back("-" + room); }
    void look(std::string const& room, std::size_t, LookHandler handler) override {
        asked.push_back("?" + room);
        looks.push_back(std::move(handler));
    }
    void publish(std::string const& room, std::string const& tag, std::string const& text,
                 PublishHandler handler) override {
        asked.push_back("!" + room + " " + tag + " " + text);
        publications.push_back(std::move(handler));
    }

    std::string take() {
        std::string all;
        for (auto const& each : std::exchange(asked, {}))
            all += (all.empty() ? "" : ", ") + each;
        return all;
    }
    void answer_look(std::optional<std::vector<Entry>> entries) {
        auto const handler = std::move(looks.front());
        looks.pop_front();
        handler(std::move(entries));
    }

    bool up = true;
    std::vector<std::string> asked;
    std::deque<LookHandler> looks;
    std::deque<PublishHandler> publications;
};

Entry entry(std::uint64_t id) {
    return {{id, 0}, std::make_shared<std::string const>(std::to_string(id))};
}

struct Listener : Member {
    void tell(Frame frame) override {
        auto const type = frame->find("\"type\":\"");
        auto word = type == frame->npos ? *frame : frame->substr(type + 8);
        word.resize(std::min(word.find('"'), word.size()));
        if (frame->find("\"up\":false") != frame->npos)
            word = "no " + word;
        heard += (heard.empty() ? "" : " ") + word;
    }
    std::string take() { return std::exchange(heard, {}); }

    std::string heard;
};

struct World {
    void join(Listener& listener, std::uint64_t last = 0, std::string const& room = "r") {
        BOOST_TEST(hub.join(listener, {room, "n", {last, 0}}));
    }
    // A room that is subscribed to, with these messages.
    void settle(std::vector<Entry> const& entries = {}) {
        hub.subscribed("r");
        bus.answer_look(entries);
        bus.take();
    }
    void go(bool up) {
        bus.up = up;
        hub.bus_changed(up);
    }

    StrawBus bus;
    Hub hub{bus, {.history = 3, .rooms = 2, .pending = 2}};
    Listener ann;
    Listener bob;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(hub, World)

BOOST_AUTO_TEST_CASE(the_first_one_subscribes_and_the_last_one_ends_it) {
    join(ann);
    BOOST_TEST(bus.take() == "+r");
    join(bob);
    hub.subscribed("r");
    BOOST_TEST(bus.take() == "?r");
    bus.answer_look(std::vector{entry(1), entry(2)});
    BOOST_TEST(ann.take() == "welcome 1 2");
    BOOST_TEST(bob.take() == "welcome 1 2");
    hub.leave(ann, "r");
    BOOST_TEST(bus.take() == "");
    hub.leave(bob, "r");
    BOOST_TEST(bus.take() == "-r");
    BOOST_TEST(hub.counters().members == 0u);
    BOOST_TEST(hub.counters().rooms == 1u);
    hub.unsubscribed("r");
    BOOST_TEST(hub.counters().rooms == 0u);
}

BOOST_AUTO_TEST_CASE(live_messages_reach_all_once) {
    join(ann);
    settle();
    join(bob);
    hub.heard("r", entry(1));
    hub.heard("r", entry(1));
    hub.heard("elsewhere", entry(2));
    BOOST_TEST(ann.take() == "welcome 1");
    BOOST_TEST(bob.take() == "welcome 1");
    BOOST_TEST(hub.counters().delivered == 2u);
}

BOOST_AUTO_TEST_CASE(one_that_comes_later_gets_what_the_room_knows) {
    join(ann);
    settle({entry(1), entry(2)});
    join(bob, 1);
    BOOST_TEST(bob.take() == "welcome 2");
    BOOST_TEST(bus.take() == ""); // no question to Redis
}

BOOST_AUTO_TEST_CASE(one_that_knows_more_than_this_worker_hears_nothing_twice) {
    join(ann, 2);
    hub.subscribed("r");
    hub.heard("r", entry(3));
    bus.answer_look(std::vector{entry(1), entry(2)});
    BOOST_TEST(ann.take() == "welcome 3");
}

BOOST_AUTO_TEST_CASE(one_that_is_ahead_of_a_worker_hears_the_next_one_first) {
    join(ann);
    settle({entry(1)});
    join(bob, 3);
    for (std::uint64_t id = 2; id <= 4; ++id)
        hub.heard("r", entry(id));
    BOOST_TEST(ann.take() == "welcome 1 2 3 4");
    BOOST_TEST(bob.take() == "welcome 4");
}

BOOST_AUTO_TEST_CASE(a_gap_is_told) {
    join(ann, 1);
    settle({entry(5), entry(6), entry(7)});
    BOOST_TEST(ann.take() == "welcome gap 5 6 7");
    BOOST_TEST(hub.counters().gaps == 1u);
}

BOOST_AUTO_TEST_CASE(somebody_comes_while_the_room_is_left) {
    join(ann);
    settle({entry(1)});
    hub.leave(ann, "r");
    BOOST_TEST(bus.take() == "-r");
    join(bob);
    BOOST_TEST(bus.take() == ""); // hiredis forgets a channel that is asked for in between
    hub.heard("r", entry(2));     // the last one before the end
    hub.unsubscribed("r");
    BOOST_TEST(bus.take() == "+r");
    hub.subscribed("r");
    bus.answer_look(std::vector{entry(1), entry(2), entry(3)});
    BOOST_TEST(bob.take() == "welcome 1 2 3");
}

BOOST_AUTO_TEST_CASE(all_leave_before_the_subscription_is_complete) {
    join(ann);
    hub.leave(ann, "r");
    BOOST_TEST(bus.take() == "+r");
    hub.subscribed("r");
    bus.answer_look(std::vector<Entry>());
    BOOST_TEST(bus.take() == "?r, -r");
    hub.unsubscribed("r");
    BOOST_TEST(hub.counters().rooms == 0u);
}

BOOST_AUTO_TEST_CASE(redis_goes_and_comes_back) {
    join(ann);
    settle({entry(1)});
    ann.take();
    go(false);
    BOOST_TEST(ann.take() == "no redis");
    join(bob);
    BOOST_TEST(bob.take() == "welcome 1");
    BOOST_TEST(bus.take() == "");
    go(true);
    BOOST_TEST(bus.take() == "+r");
    hub.heard("r", entry(3));
    settle({entry(1), entry(2)});
    BOOST_TEST(ann.take() == "redis 2 3");
    BOOST_TEST(bob.take() == "redis 2 3");
}

BOOST_AUTO_TEST_CASE(redis_goes_in_the_middle_of_everything) {
    join(ann); // asked
    go(false);
    go(true);
    BOOST_TEST(bus.take() == "+r, +r");
    hub.subscribed("r"); // looking
    go(false);
    bus.answer_look({});
    go(true);
    settle({entry(1)});
    hub.leave(ann, "r"); // leaving
    go(false);
    BOOST_TEST(hub.counters().rooms == 0u);
    hub.unsubscribed("r");
    BOOST_TEST(ann.take() == "welcome no redis redis no redis redis 1");
}

BOOST_AUTO_TEST_CASE(what_is_said_is_answered) {
    join(ann);
    settle();
    ann.take();
    auto const say = [&] {
        hub.say("r", "ann", {"t", "x"}, [this](Frame frame) { ann.tell(std::move(frame)); });
    };
    say();
    BOOST_TEST(bus.take() == R"(!r t {"name":"ann","text":"x"})");
    say();
    BOOST_TEST(ann.take() == "");
    say(); // too many on their way
    BOOST_TEST(ann.take() == "failed");
    bus.publications[0]({"1-0", ""});
    bus.publications[1]({"", "away"});
    BOOST_TEST(ann.take() == "sent failed");
    go(false);
    bus.take();
    say();
    BOOST_TEST(ann.take() == "no redis failed");
    BOOST_TEST(bus.take() == "");
    BOOST_TEST(hub.counters().said == 1u);
    BOOST_TEST(hub.counters().failed == 3u);
    BOOST_TEST(hub.counters().pending == 0u);
}

BOOST_AUTO_TEST_CASE(there_are_only_so_many_rooms) {
    join(ann, 0, "a");
    join(ann, 0, "b");
    BOOST_TEST(!hub.join(bob, {"c", "n", {}}));
    BOOST_TEST(bob.take() == "");
    hub.leave(bob, "c"); // harmless
    join(bob, 0, "a");
}

BOOST_AUTO_TEST_SUITE_END()
