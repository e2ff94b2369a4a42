// SPDX-License-Identifier: BSL-1.0
// The thread's cache of blocks and strings: what it lends again, what it refuses, how it ends.
#include "bytes/block_cache.hpp"

#include "support/allocations.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

using namespace tornado::detail;

BOOST_AUTO_TEST_SUITE(block_cache)

BOOST_AUTO_TEST_CASE(a_block_given_back_is_lent_again) {
    auto block = take_block();
    auto* const address = block.get();
    std::fill_n(address, block_size, 'x');
    give_block(std::move(block));
    auto const before = tornado::test::allocations();
    auto const again = take_block();
    BOOST_TEST((again.get() == address));
    BOOST_TEST(tornado::test::allocations() == before);
}

BOOST_AUTO_TEST_CASE(only_so_many_blocks_are_kept) {
    if (!tornado::test::counts_allocations)
        return;
    std::thread([] {
        std::vector<Block> blocks(most_blocks + 6);
        for (auto& block : blocks)
            block = take_block();
        for (auto& block : blocks)
            give_block(std::move(block));
        auto const before = tornado::test::allocations();
        for (auto& block : blocks)
            block = take_block();
        BOOST_TEST(tornado::test::allocations() - before == 6u);
    }).join();
}

BOOST_AUTO_TEST_CASE(an_empty_block_is_ignored) {
    give_block(nullptr);
    BOOST_TEST((take_block() != nullptr));
}

BOOST_AUTO_TEST_CASE(a_string_given_back_keeps_its_capacity_and_not_its_bytes) {
    std::thread([] {
        std::string string(1000, 'x');
        auto const* const address = string.data();
        give_string(std::move(string));
        auto const before = tornado::test::allocations();
        auto again = take_string();
        BOOST_TEST(again.empty());
        BOOST_TEST(again.capacity() >= 1000u);
        BOOST_TEST((again.data() == address));
        give_string(std::move(again));
        BOOST_TEST((take_string(900).data() == address));
        BOOST_TEST(tornado::test::allocations() == before);
        BOOST_TEST(take_string().capacity() == std::string().capacity());
    }).join();
}

BOOST_AUTO_TEST_CASE(strings_too_small_or_too_large_are_not_kept) {
    std::thread([] {
        give_string(std::string(3, 'x'));
        std::string large(block_size + 1, 'x');
        give_string(std::move(large));
        BOOST_TEST(large.capacity() == std::string().capacity()); // it is freed at once
        BOOST_TEST(take_string().capacity() == std::string().capacity());
        give_string(std::string(block_size, 'x'));
        BOOST_TEST(take_string().capacity() == block_size);
    }).join();
}

BOOST_AUTO_TEST_CASE(a_string_taken_for_a_size_is_neither_too_small_nor_a_waste) {
    std::thread([] {
        give_string(std::string(100, 'x'));
        give_string(std::string(60'000, 'x'));
        BOOST_TEST(take_string(10).capacity() == std::string().capacity());
        BOOST_TEST(take_string(1000).capacity() == std::string().capacity());
        BOOST_TEST(take_string(50).capacity() == 100u);
        BOOST_TEST(take_string(59'000).capacity() == 60'000u);
        BOOST_TEST(take_string(50).capacity() == std::string().capacity());
    }).join();
}

BOOST_AUTO_TEST_CASE(strings_that_nobody_takes_make_way_for_new_ones) {
    std::thread([] {
        for (int i = 0; i < 8; ++i)
            give_string(std::string(50'000, 'x'));
        give_string(std::string(100, 'x'));
        BOOST_TEST(take_string(100).capacity() == 100u);
    }).join();
}

BOOST_AUTO_TEST_CASE(the_string_that_was_given_first_makes_way_first) {
    std::thread([] {
        for (std::size_t i = 1; i <= 8; ++i)
            give_string(std::string(i * 1000, 'x'));
        for (std::size_t i = 1; i <= 3; ++i)
            give_string(std::string(10'000 + i * 1000, 'x'));
        for (std::size_t const kept : std::initializer_list<std::size_t>{
                 13'000, 12'000, 11'000, 8000, 7000, 6000, 5000, 4000})
            BOOST_TEST(take_string(kept).capacity() == kept);
    }).join();
}

BOOST_AUTO_TEST_CASE(memory_may_come_back_while_its_thread_ends) {
    struct Holder {
        Block block;
        std::string string;
        ~Holder() {
            BOOST_TEST((tornado::detail::block_cache == nullptr));
            give_block(std::move(block));
            give_string(std::move(string));
            BOOST_TEST((take_block() != nullptr));
            BOOST_TEST(take_string().empty());
            BOOST_TEST(take_string(100).empty());
        }
    };
    std::thread([] {
        thread_local Holder early; // complete before the cache is made, so destroyed after it
        early.string.assign(1000, 'x');
        early.block = take_block();
        give_block(take_block()); // makes the cache
    }).join();
}

BOOST_AUTO_TEST_SUITE_END()
