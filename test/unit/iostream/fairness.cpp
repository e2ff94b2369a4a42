// SPDX-License-Identifier: BSL-1.0
// What each of several streams may move in a turn.
#include "iostream/fairness.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <vector>

BOOST_AUTO_TEST_SUITE(fairness)

using tornado::detail::Company;
using tornado::detail::Share;

namespace {

// A turn in which a stream moves all that it may.
std::uint32_t take_all(Share& share, Company& company) {
    auto const may = share.begin(company);
    share.end(company, may);
    return may;
}

// The last share of each, after so many bytes that nobody polite was about of late.
std::vector<std::uint32_t> busy(Company& company, std::size_t streams) {
    std::vector<Share> shares(streams, Share(company));
    std::vector<std::uint32_t> last(streams);
    for (std::uint64_t moved = 0; moved < 3 * Share::of_late;)
        for (std::size_t i = 0; i != streams; ++i)
            moved += last[i] = take_all(shares[i], company);
    return last;
}

} // namespace

BOOST_AUTO_TEST_CASE(streams_that_are_all_busy_share_a_long_round) {
    for (std::size_t const streams : {1u, 4u, 8u, 50u}) {
        Company company;
        for (auto const share : busy(company, streams))
            BOOST_TEST(share == std::min<std::size_t>(Share::most, Share::long_round / streams));
    }
}

BOOST_AUTO_TEST_CASE(a_share_never_is_less_than_the_least) {
    Company company;
    for (auto const share : busy(company, 1000))
        BOOST_TEST(share == Share::least);
}

BOOST_AUTO_TEST_CASE(one_that_is_polite_makes_the_round_short_at_once) {
    Company company;
    busy(company, 2);
    Share polite(company);
    Share a(company), b(company);
    polite.begin(company);
    polite.end(company, 100);
    take_all(a, company);
    take_all(b, company);
    BOOST_TEST(take_all(a, company) == Share::short_round / 2);
    BOOST_TEST(take_all(b, company) == Share::short_round / 2);
}

BOOST_AUTO_TEST_CASE(the_round_stays_short_until_many_bytes_were_moved) {
    Company company;
    Share polite(company), a(company);
    polite.begin(company);
    polite.end(company, 1);
    take_all(a, company);
    std::uint64_t moved = Share::least;
    while (moved < Share::of_late) {
        auto const may = take_all(a, company);
        BOOST_REQUIRE(may == Share::short_round);
        moved += may;
    }
    BOOST_TEST(take_all(a, company) == Share::most);
}

BOOST_AUTO_TEST_CASE(a_busy_stream_with_a_small_turn_now_and_then_is_not_polite) {
    Company company;
    busy(company, 1);
    Share a(company);
    for (int i = 0; i != 20; ++i) {
        take_all(a, company);
        a.begin(company);
        a.end(company, 10);
    }
    BOOST_TEST(company.moved_since_polite > Share::of_late);
}

BOOST_AUTO_TEST_CASE(a_busy_stream_becomes_polite_after_some_small_turns) {
    Company company;
    busy(company, 1);
    Share a(company);
    a.begin(company);
    a.end(company, Share::long_round);
    int turns = 0;
    for (; company.moved_since_polite != 0 && turns != 100; ++turns) {
        a.begin(company);
        a.end(company, 10);
    }
    BOOST_TEST(turns == 10); // from 4 MiB, halved, to less than 8 KiB
}

BOOST_AUTO_TEST_CASE(a_turn_that_moves_nothing_says_nothing) {
    Company company;
    busy(company, 1);
    Share a(company);
    auto const before = company.moved_since_polite;
    a.begin(company);
    a.end(company, 0);
    BOOST_TEST(company.moved_since_polite == before);
}

BOOST_AUTO_TEST_CASE(the_count_of_turns_may_wrap) {
    Company company;
    company.turns = 0xffffffff;
    Share a(company);
    Share b(company);
    BOOST_TEST(a.begin(company) == Share::short_round);
    BOOST_TEST(b.begin(company) == Share::short_round / 2);
    BOOST_TEST(a.begin(company) == Share::short_round / 2);
}

BOOST_AUTO_TEST_SUITE_END()
