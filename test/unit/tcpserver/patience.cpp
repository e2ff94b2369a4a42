// SPDX-License-Identifier: BSL-1.0
// Who is told to go, and who is not: stories, then every short history against the rule's wording.
#include "tcpserver/patience.hpp"

#include <boost/test/unit_test.hpp>

#include <limits>
#include <string>
#include <vector>

using tornado::detail::Patience;
using Verdict = Patience::Verdict;
using namespace std::chrono_literals;

namespace {

std::string word(Verdict verdict) {
    constexpr char const* words[] = {"fine", "idle", "mute", "slow"};
    return words[static_cast<int>(verdict)];
}

/// A connection and its peer.
struct Peer {
    explicit Peer(Patience::Limits const& limits) : patience(limits) {}

    /// Bytes for a read that needs more.
    void send(std::size_t n) {
        look.received += n;
        look.unread += n;
    }
    /// The read has all that has come; another one waits.
    void complete() { look.unread = 0; }
    void answer(std::size_t n) { look.sent += n; }

    std::string sweep() { return word(patience.judge(look, memory)); }
    /// How many sweeps it takes until the peer is told to go, each after `what`; 0 for none of
    /// many.
    template <class What>
    int lasts(std::string const& expected, What what) {
        for (int sweeps = 1; sweeps < 1000; ++sweeps) {
            what();
            if (auto const verdict = sweep(); verdict != "fine") {
                BOOST_TEST(verdict == expected);
                return sweeps;
            }
        }
        return 0;
    }

    Patience patience;
    Patience::Look look{0, 0, 0, true};
    Patience::Memory memory;
};

constexpr auto nothing = [] {};

// Eight sweeps each, an eighth of a second apart, and 80 bytes a window.
Patience::Limits const idle{.idle = 1s};
Patience::Limits const first_byte{.first_byte = 1s};
Patience::Limits const rate{.min_rate = 80, .window = 1s};

} // namespace

BOOST_AUTO_TEST_SUITE(patience)

BOOST_AUTO_TEST_CASE(a_sweep_is_an_eighth_of_the_shortest_limit) {
    BOOST_TEST((Patience(Patience::Limits()).period() == Patience::none));
    BOOST_TEST((Patience({.window = 1s}).period() == Patience::none)); // of no rate
    BOOST_TEST((Patience({.idle = 16s, .first_byte = 8s}).period() == 1s));
    BOOST_TEST((Patience({.idle = 16s, .min_rate = 1, .window = 4s}).period() == 500ms));
    BOOST_TEST((Patience({.idle = 1ns}).period() == 1ms));
}

BOOST_AUTO_TEST_CASE(no_limit_is_shorter_than_it_says_or_longer_by_more_than_a_quarter) {
    for (auto shortest = 10ms; shortest < 60ms; ++shortest)
        for (auto limit = shortest; limit < 300ms; ++limit) {
            Peer peer({.idle = limit, .first_byte = 1h, .min_rate = 1000, .window = shortest});
            // It moved just after a sweep, or just before one.
            auto const most = peer.lasts("idle", nothing) * peer.patience.period();
            auto const least = most - peer.patience.period();
            if (least < limit || most > limit + shortest / 4 + 1ms)
                BOOST_ERROR("of " << limit.count() << " ms beside " << shortest.count());
        }
}

BOOST_AUTO_TEST_CASE(very_long_and_very_short_limits_are_limits) {
    Peer peer({.idle = Patience::none - 1ns, .first_byte = 1ms});
    BOOST_TEST(peer.lasts("mute", nothing) == 2);
    Peer other({.idle = 1ns});
    BOOST_TEST(other.lasts("idle", nothing) == 2);
}

BOOST_AUTO_TEST_CASE(the_bytes_of_a_window_are_rounded_down) {
    BOOST_TEST(Patience::bytes_in_window({.min_rate = 3, .window = 333ms}) == 0U);
    BOOST_TEST(Patience::bytes_in_window({.min_rate = 3, .window = 334ms}) == 1U);
    BOOST_TEST(Patience::bytes_in_window({.min_rate = 1000, .window = 10s}) == 10'000U);
    BOOST_TEST(Patience::bytes_in_window({.min_rate = 10, .window = -1s}) == 0U);
    BOOST_TEST(Patience::bytes_in_window({.min_rate = std::numeric_limits<std::size_t>::max(),
                                          .window = 24h}) == 1'000'000'000'000'000'000U);
}

// ---- Silence

BOOST_AUTO_TEST_CASE(a_silent_connection_is_idle_whatever_it_waits_for) {
    for (bool const awaited : {true, false})
        for (bool const spoke : {true, false})
            for (bool const unread : {true, false}) {
                Peer peer(idle);
                peer.look.awaited = awaited;
                if (spoke) {
                    peer.send(100);
                    if (!unread)
                        peer.complete();
                }
                BOOST_TEST(peer.lasts("idle", nothing) == 9);
            }
}

BOOST_AUTO_TEST_CASE(a_byte_in_either_direction_ends_a_silence) {
    Peer sender(idle);
    BOOST_TEST(sender.lasts("idle", [&] { sender.send(1); }) == 0);
    Peer taker(idle);
    BOOST_TEST(taker.lasts("idle", [&] { taker.answer(1); }) == 0);
    for (int i = 0; i < 7; ++i)
        BOOST_TEST(taker.sweep() == "fine");
    taker.answer(1);
    BOOST_TEST(taker.lasts("idle", nothing) == 9);
}

// ---- The first byte

BOOST_AUTO_TEST_CASE(a_mute_peer_goes) {
    Peer peer(first_byte);
    BOOST_TEST(peer.lasts("mute", [&] { peer.answer(1); }) == 9);
}

BOOST_AUTO_TEST_CASE(a_peer_that_spoke_once_is_not_mute) {
    Peer peer(first_byte);
    for (int i = 0; i < 8; ++i)
        BOOST_TEST(peer.sweep() == "fine");
    peer.send(1);
    BOOST_TEST(peer.lasts("mute", nothing) == 0);
}

BOOST_AUTO_TEST_CASE(nobody_is_mute_while_nobody_listens) {
    Peer peer(first_byte);
    peer.look.awaited = false;
    BOOST_TEST(peer.lasts("mute", nothing) == 0);
    peer.look.awaited = true;
    BOOST_TEST(peer.lasts("mute", nothing) == 9);
}

BOOST_AUTO_TEST_CASE(of_two_reasons_the_one_that_says_more_is_given) {
    Peer mute({.idle = 1s, .first_byte = 1s});
    BOOST_TEST(mute.lasts("mute", nothing) == 9);
    Peer slow({.idle = 1s, .min_rate = 1, .window = 1s});
    slow.send(1);
    BOOST_TEST(slow.lasts("slow", nothing) == 9);
}

// ---- The rate

BOOST_AUTO_TEST_CASE(a_message_that_trickles_is_slow) {
    Peer peer(rate); // 72 bytes a window
    BOOST_TEST(peer.lasts("slow", [&] { peer.send(9); }) == 9);
}

BOOST_AUTO_TEST_CASE(a_message_that_stops_is_slow) {
    Peer peer(rate);
    peer.send(10'000);
    BOOST_TEST(peer.lasts("slow", nothing) == 9);
}

BOOST_AUTO_TEST_CASE(a_burst_is_good_for_its_own_window_only) {
    Peer peer(rate);
    peer.send(1);
    BOOST_TEST(peer.sweep() == "fine");
    peer.send(10'000);
    BOOST_TEST(peer.lasts("slow", nothing) == 16);
}

BOOST_AUTO_TEST_CASE(a_message_at_the_rate_may_be_as_long_as_it_likes) {
    Peer steady(rate);
    BOOST_TEST(steady.lasts("slow", [&] { steady.send(10); }) == 0);
    Peer uneven(rate);
    int sweep = 0;
    BOOST_TEST(uneven.lasts("slow", [&] { uneven.send(sweep++ % 8 == 5 ? 80 : 0); }) == 0);
}

BOOST_AUTO_TEST_CASE(a_pause_between_messages_is_not_judged) {
    Peer peer(rate);
    for (int i = 0; i < 3; ++i) {
        peer.send(1);
        for (int sweep = 0; sweep < 8; ++sweep)
            BOOST_TEST(peer.sweep() == "fine");
        peer.complete();
        BOOST_TEST(peer.lasts("slow", nothing) == 0);
    }
}

BOOST_AUTO_TEST_CASE(nor_is_the_time_before_the_first_message) {
    Peer peer(rate);
    BOOST_TEST(peer.lasts("slow", nothing) == 0);
    peer.send(1);
    BOOST_TEST(peer.lasts("slow", nothing) == 9);
}

BOOST_AUTO_TEST_CASE(short_messages_each_of_which_begins_with_the_end_of_the_last_are_not_slow) {
    Peer peer(rate); // "\nhalf", "\nhalf", ...
    BOOST_TEST(peer.lasts("slow", [&] {
        peer.look.received += 5;
        peer.look.unread = 4;
    }) == 0);
}

BOOST_AUTO_TEST_CASE(a_busy_handler_is_not_the_peers_fault) {
    Peer peer(rate);
    peer.send(1);
    for (int i = 0; i < 8; ++i)
        BOOST_TEST(peer.sweep() == "fine");
    peer.look.awaited = false;
    BOOST_TEST(peer.lasts("slow", nothing) == 0);
    peer.look.awaited = true; // the next read waits, and the window is a new one
    BOOST_TEST(peer.lasts("slow", nothing) == 9);
}

BOOST_AUTO_TEST_CASE(what_is_sent_to_the_peer_is_no_excuse) {
    Peer peer(rate);
    peer.send(1);
    BOOST_TEST(peer.lasts("slow", [&] { peer.answer(1000); }) == 9);
}

// ---- All of it

// The whole history, judged by the wording of the options.
class Model {
public:
    Verdict judge(Patience::Look const& look) {
        looks_.push_back(look);
        auto const mute =
            run([](auto const& a, auto const&) { return a.awaited && a.received == 0; });
        if (mute > 2)
            return Verdict::mute;
        auto const reading = run([](auto const& a, auto const& last) {
            return a.awaited && a.unread != 0 &&
                   a.received - a.unread == last.received - last.unread;
        });
        if (reading > 2 && (reading - 1) % 2 == 0 &&
            look.received - looks_[looks_.size() - 3].received < 2)
            return Verdict::slow;
        auto const silent = run([](auto const& a, auto const& last) {
            return a.received + a.sent == last.received + last.sent;
        });
        return silent > 3 ? Verdict::idle : Verdict::fine;
    }

private:
    /// How many looks, the last one backwards, are as `is` says.
    template <class Is>
    std::size_t run(Is is) const {
        std::size_t n = 0;
        while (n < looks_.size() && is(looks_[looks_.size() - 1 - n], looks_.back()))
            ++n;
        return n;
    }

    std::vector<Patience::Look> looks_;
};

BOOST_AUTO_TEST_CASE(every_short_history_is_judged_as_the_model) {
    Patience::Limits const limits{
        .idle = 3ms, .first_byte = 2ms, .min_rate = 1000, .window = 2ms}; // a sweep each ms
    constexpr int kinds = 7;
    constexpr int length = 7;
    int histories = 1;
    for (int i = 0; i < length; ++i)
        histories *= kinds;
    int differences = 0;
    int seen[4] = {};
    for (int code = 0; code < histories; ++code) {
        Peer peer(limits);
        Model model;
        int rest = code;
        for (int i = 0; i < length; ++i, rest /= kinds) {
            switch (rest % kinds) {
            case 0:
                break;
            case 1:
                peer.send(1);
                break;
            case 2:
                peer.send(2);
                break;
            case 3:
                peer.complete();
                break;
            case 4:
                peer.complete();
                peer.send(1);
                break;
            case 5:
                peer.look.awaited = !peer.look.awaited;
                break;
            case 6:
                peer.answer(1);
                break;
            }
            auto const verdict = peer.patience.judge(peer.look, peer.memory);
            differences += verdict != model.judge(peer.look);
            ++seen[static_cast<int>(verdict)];
            if (verdict != Verdict::fine)
                break;
        }
    }
    BOOST_TEST(differences == 0);
    for (int const count : seen)
        BOOST_TEST(count > 1000);
}

BOOST_AUTO_TEST_SUITE_END()
