// SPDX-License-Identifier: BSL-1.0
// Who gets the next connection: stories, then every short sequence of events against a plain model.
#include "tcpserver/balance.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

using tornado::detail::Balance;

namespace {

constexpr auto unlimited = std::numeric_limits<std::size_t>::max();

/// Servers are numbered from 1 in the order of their addition.
struct Servers {
    explicit Servers(std::vector<std::size_t> const& capacities) {
        for (auto const capacity : capacities)
            add(capacity);
    }

    void add(std::size_t capacity = unlimited) { counts[balance.add(capacity)] = 0; }
    /// Who gets the next `n` connections, as digits; they arrive at once.
    std::string take(int n) {
        std::string text;
        while (n-- > 0) {
            auto const server = balance.next();
            if (!server)
                return text + "-";
            text += std::to_string(*server);
            set(*server, counts[*server] + 1);
            balance.arrived(*server);
        }
        return text;
    }
    void set(Balance::Server server, std::size_t count) {
        counts[server] = count;
        balance.set_active(server, count);
    }

    Balance balance;
    std::map<Balance::Server, std::size_t> counts;
};

/// The same decisions, written as the sentence says it.
struct Model {
    struct Server {
        bool there = true;
        std::size_t capacity, active = 0, on_their_way = 0;
        std::size_t chosen_at = 0; // 0: never
    };

    void add(std::size_t capacity) {
        servers.push_back(Server{.there = true, .capacity = capacity});
    }
    /// A number from 1, or 0.
    std::size_t next() {
        std::size_t best = 0;
        for (bool const only_with_room : {true, false}) {
            // Turns go round in the order of addition, from the one after the last.
            for (std::size_t step = 1; step <= servers.size(); ++step) {
                auto const i = (last + step - 1) % servers.size();
                auto const& s = servers[i];
                auto const load = s.active + s.on_their_way;
                if (!s.there || (only_with_room && load >= s.capacity))
                    continue;
                if (best == 0 || load < servers[best - 1].active + servers[best - 1].on_their_way)
                    best = i + 1;
            }
            if (best != 0)
                break;
        }
        if (best != 0) {
            ++servers[best - 1].on_their_way;
            last = best;
        }
        return best;
    }
    bool full() const {
        return std::all_of(servers.begin(), servers.end(), [](Server const& s) {
            return !s.there || s.active + s.on_their_way >= s.capacity;
        });
    }

    std::vector<Server> servers;
    std::size_t last = 0;
};

} // namespace

BOOST_AUTO_TEST_SUITE(balance)

BOOST_AUTO_TEST_CASE(without_a_server_nobody_gets_it) {
    Servers s({});
    BOOST_TEST(s.take(1) == "-");
    BOOST_TEST(s.balance.full());
    s.add();
    BOOST_TEST(s.take(2) == "11");
    s.balance.remove(1);
    BOOST_TEST(s.take(1) == "-");
}

BOOST_AUTO_TEST_CASE(the_one_with_the_fewest_gets_it) {
    Servers s({unlimited, unlimited, unlimited});
    s.set(1, 5);
    s.set(2, 2);
    s.set(3, 4);
    BOOST_TEST(s.take(2) == "22");
    BOOST_TEST(s.take(3) == "323");
}

BOOST_AUTO_TEST_CASE(equals_take_turns) {
    Servers s({unlimited, unlimited, unlimited});
    BOOST_TEST(s.take(7) == "1231231");
}

BOOST_AUTO_TEST_CASE(short_connections_are_spread_too) {
    Servers s({unlimited, unlimited, unlimited});
    std::string given;
    for (int i = 0; i < 6; ++i) {
        given += s.take(1);
        for (auto const& [server, count] : std::map(s.counts))
            s.set(server, 0);
    }
    BOOST_TEST(given == "123123");
}

BOOST_AUTO_TEST_CASE(what_is_on_its_way_counts) {
    Servers s({unlimited, unlimited});
    BOOST_TEST(*s.balance.next() == 1U);
    BOOST_TEST(*s.balance.next() == 2U);
    BOOST_TEST(*s.balance.next() == 1U);
    s.balance.arrived(1);
    s.balance.arrived(1); // and both have ended by now
    BOOST_TEST(*s.balance.next() == 1U);
}

BOOST_AUTO_TEST_CASE(a_full_server_is_passed_over_while_others_have_room) {
    Servers s({1, 3});
    BOOST_TEST(s.take(4) == "1222");
    BOOST_TEST(s.balance.full());
    BOOST_TEST(s.take(3) == "112"); // somebody must take it
    s.set(2, 2);
    BOOST_TEST(!s.balance.full());
    BOOST_TEST(s.take(1) == "2");
}

BOOST_AUTO_TEST_CASE(an_end_is_told_from_a_beginning) {
    Servers s({unlimited});
    BOOST_TEST(!s.balance.set_active(1, 2));
    BOOST_TEST(!s.balance.set_active(1, 2));
    BOOST_TEST(s.balance.set_active(1, 1));
    BOOST_TEST(!s.balance.set_active(7, 0));
}

BOOST_AUTO_TEST_CASE(one_that_was_removed_gets_nothing_and_says_nothing) {
    Servers s({unlimited, unlimited, unlimited});
    BOOST_TEST(*s.balance.next() == 1U);
    s.balance.remove(1);
    s.balance.arrived(1);
    BOOST_TEST(!s.balance.set_active(1, 7));
    BOOST_TEST(s.take(4) == "2323");
    s.add();
    BOOST_TEST(s.take(3) == "442");
}

BOOST_AUTO_TEST_CASE(a_late_comer_catches_up) {
    Servers s({unlimited, unlimited});
    s.take(6);
    s.add();
    BOOST_TEST(s.take(3) == "333");
    BOOST_TEST(s.take(3) == "123");
}

// Each step is one of: a connection comes; one arrives at a server, or ends there; a server goes;
// one comes.
BOOST_AUTO_TEST_CASE(every_short_sequence_of_events_decides_as_the_model) {
    constexpr int kinds = 1 + 3 + 3 + 3 + 1;
    constexpr int length = 5;
    int sequences = 1;
    for (int i = 0; i < length; ++i)
        sequences *= kinds;
    int differences = 0;
    for (int code = 0; code < sequences; ++code) {
        Balance balance;
        Model model;
        for (std::size_t const capacity : {std::size_t(1), std::size_t(2), unlimited}) {
            balance.add(capacity);
            model.add(capacity);
        }
        int rest = code;
        for (int i = 0; i < length; ++i, rest /= kinds) {
            int const kind = rest % kinds;
            auto const server = static_cast<std::size_t>((kind - 1) % 3);
            if (kind == 0) {
                differences += balance.next().value_or(0) != model.next();
            } else if (kind == kinds - 1) {
                balance.add(1);
                model.add(1);
            } else if (auto& s = model.servers[server]; kind < 4 && s.on_their_way > 0) {
                balance.set_active(server + 1, ++s.active);
                balance.arrived(server + 1);
                --s.on_their_way;
            } else if (kind >= 4 && kind < 7 && s.active > 0) {
                balance.set_active(server + 1, --s.active);
            } else if (kind >= 7) {
                balance.remove(server + 1);
                s.there = false;
            }
            differences += balance.full() != model.full();
        }
        differences += balance.next().value_or(0) != model.next();
    }
    BOOST_TEST(differences == 0);
}

BOOST_AUTO_TEST_CASE(long_histories_keep_the_counts_within_one) {
    std::minstd_rand random(7);
    Servers s({unlimited, unlimited, unlimited, unlimited});
    for (int i = 0; i < 100'000; ++i) {
        s.take(1);
        if (random() % 3 == 0) { // an end anywhere
            auto const server = 1 + random() % 4;
            if (s.counts[server] > 0)
                s.set(server, s.counts[server] - 1);
        }
    }
    auto const [fewest, most] =
        std::ranges::minmax_element(s.counts, {}, [](auto const& server) { return server.second; });
    BOOST_TEST(most->second - fewest->second <= 2U);
}

BOOST_AUTO_TEST_SUITE_END()
