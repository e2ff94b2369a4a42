// SPDX-License-Identifier: BSL-1.0
// Happy Eyeballs: Tornado's stories one by one, in the order of RFC 8305, then every order of
// events against a plain model.
#include "tcpclient/connector.hpp"

#include <boost/system/errc.hpp>
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <deque>
#include <set>
#include <string>
#include <vector>

using namespace tornado;
using tornado::detail::Connector;

namespace {

constexpr int v4 = 4;
constexpr int v6 = 6;

/// A cause that tells whose it is.
error_code cause(std::size_t address) {
    return {static_cast<int>(100 + address), boost::system::generic_category()};
}

/// A search whose addresses are digits, and what it asks for as text.
struct Search {
    explicit Search(std::vector<int> const& families) : connector(families) {}

    /// What is to be started now.
    std::string starts() {
        std::string text;
        while (auto const address = connector.next())
            text += static_cast<char>('0' + *address);
        return text;
    }
    std::string fail(std::size_t address) {
        connector.failed(cause(address));
        return starts();
    }
    std::string expire() {
        connector.timer_expired();
        return starts();
    }

    Connector connector;
};

/// All addresses, in the order in which they are tried.
std::string order(std::vector<int> const& families) {
    Search s(families);
    std::string text;
    for (std::size_t i = 0; i < families.size(); ++i) {
        text += s.starts();
        s.connector.timer_expired();
    }
    return text + s.starts();
}

} // namespace

BOOST_AUTO_TEST_SUITE(connector)

BOOST_AUTO_TEST_CASE(T166_one_family_is_tried_in_its_order) {
    Search s({v4, v4, v4});
    BOOST_TEST(s.starts() == "0");
    BOOST_TEST(s.fail(0) == "1");
    BOOST_TEST(s.fail(1) == "2");
}

BOOST_AUTO_TEST_CASE(T166_families_take_turns_and_the_first_address_says_which_is_first) {
    for (auto const first : {v4, v6}) {
        auto const second = v4 + v6 - first;
        BOOST_TEST(order({first, second, second, first, second}) == "01324");
        BOOST_TEST(order({first, first, first, second, second}) == "03142");
        BOOST_TEST(order({first, first, second}) == "021");
        BOOST_TEST(order({first}) == "0");
    }
    BOOST_TEST(order({1, 2, 3, 2, 1, 1}) == "012435");
}

BOOST_AUTO_TEST_CASE(T166_every_list_of_two_families_alternates_while_both_last) {
    for (std::size_t count = 1; count <= 8; ++count)
        for (unsigned pattern = 0; pattern < 1U << count; ++pattern) {
            std::vector<int> families;
            for (std::size_t i = 0; i < count; ++i)
                families.push_back(pattern >> i & 1 ? v6 : v4);
            std::deque<std::size_t> of[2]; // the first address's family, the other
            for (std::size_t i = 0; i < count; ++i)
                of[families[i] != families[0]].push_back(i);
            std::string expected;
            for (unsigned turn = 0; expected.size() < count; ++turn)
                if (auto& queue = of[turn % 2]; !queue.empty()) {
                    expected += static_cast<char>('0' + queue.front());
                    queue.pop_front();
                }
            BOOST_TEST(order(families) == expected, count << "/" << pattern);
        }
}

BOOST_AUTO_TEST_CASE(T167_the_first_address_succeeds_and_no_other_is_tried) {
    Search s({v4, v4, v6});
    BOOST_TEST(s.starts() == "0");
    BOOST_TEST(s.connector.succeeded());
    BOOST_TEST(s.connector.decided());
    BOOST_TEST(s.starts() == "");
    BOOST_TEST(!s.connector.wants_timer());
}

BOOST_AUTO_TEST_CASE(T167_the_only_address_fails_with_its_own_error) {
    Search s({v6});
    BOOST_TEST(s.starts() == "0");
    BOOST_TEST(!s.connector.wants_timer());
    BOOST_TEST(!s.connector.decided());
    BOOST_TEST(s.fail(0) == "");
    BOOST_TEST(s.connector.decided());
    BOOST_TEST(s.connector.error() == cause(0));
}

BOOST_AUTO_TEST_CASE(T168_one_family_a_failure_starts_the_next) {
    Search s({v4, v4});
    BOOST_TEST(s.starts() == "0");
    BOOST_TEST(s.fail(0) == "1");
    BOOST_TEST(s.connector.succeeded());
}

BOOST_AUTO_TEST_CASE(T168_one_family_the_last_failure_is_reported) {
    Search s({v4, v4});
    s.starts();
    s.fail(0);
    BOOST_TEST(!s.connector.decided());
    s.fail(1);
    BOOST_TEST(s.connector.decided());
    BOOST_TEST(s.connector.error() == cause(1));
}

BOOST_AUTO_TEST_CASE(T168_one_family_each_delay_starts_the_next_beside_the_others) {
    Search s({v4, v4, v4});
    BOOST_TEST(s.starts() == "0");
    BOOST_TEST(s.connector.wants_timer());
    BOOST_TEST(s.expire() == "1");
    BOOST_TEST(s.connector.wants_timer());
    BOOST_TEST(s.expire() == "2");
    BOOST_TEST(!s.connector.wants_timer());
    BOOST_TEST(s.fail(1) == "");
    BOOST_TEST(s.connector.succeeded()); // any of the others
}

BOOST_AUTO_TEST_CASE(T169_the_first_failure_starts_the_other_family) {
    Search s({v4, v4, v6, v6});
    BOOST_TEST(s.starts() == "0");
    BOOST_TEST(s.connector.wants_timer());
    BOOST_TEST(s.fail(0) == "2");
    BOOST_TEST(s.connector.wants_timer());
    BOOST_TEST(s.fail(2) == "1");
    BOOST_TEST(s.connector.succeeded());
}

BOOST_AUTO_TEST_CASE(T170_the_timer_starts_the_other_family_beside_the_first) {
    Search s({v4, v6});
    BOOST_TEST(s.starts() == "0");
    BOOST_TEST(s.expire() == "1");
    BOOST_TEST(!s.connector.wants_timer());
    BOOST_TEST(s.connector.succeeded());
    BOOST_TEST(s.fail(0) == ""); // late
    BOOST_TEST(s.connector.decided());
}

BOOST_AUTO_TEST_CASE(T170_a_late_failure_of_the_first_starts_nothing) {
    Search s({v4, v4, v6, v6});
    s.starts();
    BOOST_TEST(s.expire() == "2");
    BOOST_TEST(s.connector.succeeded());
    BOOST_TEST(s.fail(0) == "");
}

BOOST_AUTO_TEST_CASE(T171_the_first_may_win_after_the_timer_and_the_loser_is_closed) {
    Search s({v4, v6});
    s.starts();
    s.expire();
    BOOST_TEST(s.connector.succeeded());
    BOOST_TEST(!s.connector.succeeded()); // the loser, late: close it
}

BOOST_AUTO_TEST_CASE(T172_an_error_only_when_every_address_has_failed) {
    Search s({v4, v4, v6, v6});
    BOOST_TEST(s.starts() == "0");
    BOOST_TEST(s.expire() == "2");
    BOOST_TEST(s.fail(0) == "1");
    BOOST_TEST(s.fail(2) == "3");
    BOOST_TEST(s.fail(3) == "");
    BOOST_TEST(!s.connector.decided());
    BOOST_TEST(s.fail(1) == "");
    BOOST_TEST(s.connector.decided());
    BOOST_TEST(s.connector.error() == cause(1));
}

BOOST_AUTO_TEST_CASE(T173_after_the_overall_timeout_nothing_further_starts) {
    for (bool const expired : {false, true}) {
        Search s({v4, v4, v6, v6});
        s.starts();
        if (expired)
            s.expire();
        s.connector.end();
        BOOST_TEST(s.connector.decided());
        BOOST_TEST(!s.connector.wants_timer());
        BOOST_TEST(s.expire() == "");
        BOOST_TEST(s.fail(0) == "");
        BOOST_TEST(!s.connector.succeeded()); // late: close it
    }
}

BOOST_AUTO_TEST_CASE(T174_success_and_failure_before_the_overall_timeout_stand) {
    Search won({v4, v4});
    won.starts();
    won.fail(0);
    BOOST_TEST(won.connector.succeeded());
    won.connector.end();
    BOOST_TEST(won.connector.decided());

    Search lost({v4, v4});
    lost.starts();
    lost.fail(0);
    lost.fail(1);
    lost.connector.end();
    BOOST_TEST(lost.connector.error() == cause(1));
}

// ---- Every order of events

namespace {

/// The same rules in the plainest words, for addresses that are tried in their order; also the
/// world that the search runs in.
struct Model {
    explicit Model(std::size_t count) : untried(count) { try_one(); }

    void try_one() {
        if (untried == 0)
            return;
        started += static_cast<char>('0' + next);
        under_way.insert(next++);
        --untried;
    }
    void fail(std::size_t address) {
        under_way.erase(address);
        if (over)
            return;
        last = cause(address);
        try_one();
        over = under_way.empty();
    }

    std::size_t untried;
    std::size_t next = 0;
    std::set<std::size_t> under_way;
    std::string started;
    error_code last;
    bool over = false;
};

struct Walk {
    std::size_t ends = 0;
    std::set<std::string> failures;

    /// Both must agree here; then each thing that may happen next does, in a copy of each.
    void go(Search search, Model model, std::string const& story) {
        auto const started = search.starts();
        auto& connector = search.connector;
        bool const agree = started == model.started && connector.decided() == model.over &&
                           connector.error() == model.last &&
                           connector.wants_timer() == (!model.over && model.untried != 0);
        if (!agree) {
            failures.insert(story);
            return;
        }
        model.started.clear();
        for (auto const address : model.under_way) {
            auto failed = search;
            auto after = model;
            failed.connector.failed(cause(address));
            after.fail(address);
            go(failed, after, story + " fail" + std::to_string(address));

            auto won = search;
            after = model;
            if (won.connector.succeeded() != !after.over)
                failures.insert(story + " win");
            after.under_way.erase(address);
            after.over = true;
            go(won, after, story + " win" + std::to_string(address));
        }
        if (connector.wants_timer()) {
            auto expired = search;
            auto after = model;
            expired.connector.timer_expired();
            after.try_one();
            go(expired, after, story + " timer");
        }
        if (!model.over) {
            auto ended = search;
            auto after = model;
            ended.connector.end();
            after.over = true;
            go(ended, after, story + " end");
        } else if (model.under_way.empty()) {
            ++ends;
        }
    }
};

} // namespace

BOOST_AUTO_TEST_CASE(
    T167_T168_T169_T170_T171_T172_T173_T174_every_order_of_events_of_up_to_five_addresses) {
    Walk walk;
    for (std::size_t count = 1; count <= 5; ++count) {
        std::vector<int> alternate; // are tried in their order
        for (std::size_t i = 0; i < count; ++i)
            alternate.push_back(i % 2 == 0 ? v4 : v6);
        walk.go(Search(alternate), Model(count), std::to_string(count));
    }
    BOOST_TEST(walk.failures.empty(), walk.failures.size()
                                          << " stories end differently, such as: "
                                          << (walk.failures.empty() ? "" : *walk.failures.begin()));
    BOOST_TEST(walk.ends > 1000U);
    BOOST_TEST_MESSAGE(walk.ends << " stories");
}

BOOST_AUTO_TEST_SUITE_END()
