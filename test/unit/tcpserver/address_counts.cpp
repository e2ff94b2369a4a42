// SPDX-License-Identifier: BSL-1.0
// Whose connections are counted together, and every short history against a plain model.
#include "tcpserver/address_counts.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

using tornado::detail::AddressCounts;

namespace {

using Bytes = std::vector<unsigned char>;

Bytes v4(unsigned char last) {
    return {192, 0, 2, last};
}

/// 2001:db8:0:`net`::`host`
Bytes v6(unsigned char net, unsigned char host) {
    return {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, net, 0, 0, 0, 0, 0, 0, 0, host};
}

Bytes mapped(Bytes const& ip) {
    Bytes result(10, 0);
    result.insert(result.end(), 2, 0xff);
    result.insert(result.end(), ip.begin(), ip.end());
    return result;
}

/// Whether the two count as one peer.
bool are_one(Bytes const& a, Bytes const& b) {
    AddressCounts counts(1);
    auto const first = counts.enter(a);
    BOOST_TEST(first.has_value());
    return !counts.enter(b);
}

} // namespace

BOOST_AUTO_TEST_SUITE(address_counts)

BOOST_AUTO_TEST_CASE(an_ipv4_address_is_one_peer) {
    BOOST_TEST(are_one(v4(1), v4(1)));
    for (std::size_t bit = 0; bit < 32; ++bit) {
        auto other = v4(1);
        other[bit / 8] ^= static_cast<unsigned char>(0x80 >> bit % 8);
        BOOST_TEST(!are_one(v4(1), other));
    }
}

BOOST_AUTO_TEST_CASE(the_first_64_bits_of_an_ipv6_address_are_one_peer) {
    for (std::size_t bit = 0; bit < 128; ++bit) {
        auto other = v6(1, 1);
        other[bit / 8] ^= static_cast<unsigned char>(0x80 >> bit % 8);
        BOOST_TEST(are_one(v6(1, 1), other) == (bit >= 64));
    }
}

BOOST_AUTO_TEST_CASE(an_ipv4_address_mapped_to_ipv6_is_counted_as_ipv4) {
    BOOST_TEST(are_one(v4(1), mapped(v4(1))));
    BOOST_TEST(are_one(mapped(v4(1)), v4(1)));
    BOOST_TEST(!are_one(mapped(v4(1)), mapped(v4(2))));
}

BOOST_AUTO_TEST_CASE(any_other_prefix_maps_nothing) {
    for (std::size_t bit = 0; bit < 96; ++bit) {
        auto other = mapped(v4(1));
        other[bit / 8] ^= static_cast<unsigned char>(0x80 >> bit % 8);
        BOOST_TEST(!are_one(v4(1), other));
        other[15] = 2;
        auto same = other;
        same[15] = 3;
        BOOST_TEST(are_one(other, same));
    }
}

BOOST_AUTO_TEST_CASE(equal_bits_of_two_families_are_two_peers) {
    BOOST_TEST(!are_one({0, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}));
    BOOST_TEST(!are_one({0, 0, 0, 0}, Bytes(16, 0)));
}

BOOST_AUTO_TEST_CASE(what_has_no_address_is_not_counted) {
    AddressCounts counts(1);
    for (std::size_t size : {0U, 3U, 5U, 15U, 17U})
        for (int i = 0; i < 3; ++i) {
            auto const place = counts.enter(Bytes(size, 1));
            BOOST_TEST_REQUIRE(place.has_value());
            BOOST_TEST(!*place);
        }
    BOOST_TEST(counts.size() == 0U);
}

BOOST_AUTO_TEST_CASE(without_a_limit_nothing_is_counted) {
    AddressCounts counts(AddressCounts::unlimited);
    std::vector<AddressCounts::Place> places;
    for (int i = 0; i < 100; ++i)
        places.push_back(counts.enter(v4(1)).value());
    BOOST_TEST(counts.size() == 0U);
}

BOOST_AUTO_TEST_CASE(a_place_that_moves_is_left_once) {
    AddressCounts counts(1);
    auto place = counts.enter(v4(1)).value();
    auto other = std::move(place);
    place.reset();
    BOOST_TEST(!counts.enter(v4(1)));
    other.reset();
    BOOST_TEST(counts.size() == 0U);
    BOOST_TEST(counts.enter(v4(1)).has_value());
}

// Each step is an arrival from one of four addresses, two of which are one peer, or an end.
BOOST_AUTO_TEST_CASE(every_short_history_counts_as_the_model) {
    std::array const addresses{std::pair(v4(1), 0), std::pair(mapped(v4(1)), 0),
                               std::pair(v6(1, 1), 1), std::pair(v6(2, 1), 2)};
    constexpr int kinds = 4 + 3;
    constexpr int length = 6;
    int histories = 1;
    for (int i = 0; i < length; ++i)
        histories *= kinds;
    int differences = 0;
    for (std::size_t const limit : {std::size_t(1), std::size_t(2)})
        for (int code = 0; code < histories; ++code) {
            AddressCounts counts(limit);
            std::map<int, std::vector<AddressCounts::Place>> model;
            int rest = code;
            for (int i = 0; i < length; ++i, rest /= kinds) {
                int const kind = rest % kinds;
                if (kind < 4) {
                    auto const& [bytes, peer] = addresses[static_cast<std::size_t>(kind)];
                    auto place = counts.enter(bytes);
                    differences += place.has_value() != (model[peer].size() < limit);
                    if (place)
                        model[peer].push_back(std::move(*place));
                } else if (auto& places = model[kind - 4]; !places.empty()) {
                    places.erase(places.begin());
                }
                std::size_t peers = 0;
                for (auto const& [peer, places] : model)
                    peers += !places.empty();
                differences += counts.size() != peers;
            }
        }
    BOOST_TEST(differences == 0);
}

BOOST_AUTO_TEST_SUITE_END()
