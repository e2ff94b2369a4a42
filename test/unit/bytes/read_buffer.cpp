// SPDX-License-Identifier: BSL-1.0
// The read buffer against a plain string: every split, every limit, and what it holds when idle.
#include "bytes/read_buffer.hpp"

#include "support/allocations.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <string>
#include <utility>

using namespace tornado::detail;

namespace {

// Receives like a scattered read: fills the spans in order.
void receive(ReadBuffer& buffer, std::string_view bytes, std::size_t limit = block_size) {
    while (!bytes.empty()) {
        auto const room = buffer.prepare(limit);
        auto const total = room[0].size() + room[1].size();
        if (total < std::min(limit, block_size / 2) || total > limit)
            BOOST_FAIL("prepare(" << limit << ") gave " << total);
        auto const n = std::min(total, bytes.size());
        auto const head = std::min(n, room[0].size());
        std::copy_n(bytes.data(), head, room[0].data());
        std::copy_n(bytes.data() + head, n - head, room[1].data());
        buffer.commit(n);
        bytes.remove_prefix(n);
    }
}

std::string pattern(std::size_t n, std::minstd_rand::result_type seed = 1) {
    std::minstd_rand random(seed);
    std::string bytes(n, '\0');
    for (auto& byte : bytes)
        byte = static_cast<char>(random());
    return bytes;
}

} // namespace

BOOST_AUTO_TEST_SUITE(read_buffer)

BOOST_AUTO_TEST_CASE(an_idle_stream_pays_five_words) {
    static_assert(sizeof(ReadBuffer) <= 48);
    ReadBuffer buffer;
    BOOST_TEST(buffer.empty());
    BOOST_TEST(buffer.size() == 0u);
    BOOST_TEST(buffer.view().empty());
    auto const before = tornado::test::allocations();
    buffer.settle();
    BOOST_TEST(tornado::test::allocations() == before);
}

BOOST_AUTO_TEST_CASE(bytes_that_do_not_fit_in_front_of_themselves_are_not_moved) {
    for (bool const fit : {false, true}) {
        ReadBuffer buffer;
        auto const bytes = pattern(60'000);
        receive(buffer, bytes);
        static_cast<void>(buffer.take(fit ? 30'000 : 29'999));
        auto const* const before = buffer.view().data();
        auto const room = buffer.prepare(block_size);
        BOOST_TEST((buffer.view().data() != before) == fit);
        BOOST_TEST(room[1].empty() == fit);
        BOOST_TEST(buffer.view() == bytes.substr(fit ? 30'000 : 29'999));
    }
}

BOOST_AUTO_TEST_CASE(T061_taking_nothing_from_nothing) {
    ReadBuffer buffer;
    BOOST_TEST(buffer.take(0) == "");
    char byte = 'x';
    BOOST_TEST(buffer.take_into(&byte, 0) == 0u);
    BOOST_TEST(buffer.take_into(&byte, 1) == 0u);
    buffer.put_back("");
    BOOST_TEST(buffer.empty());
    receive(buffer, "abc");
    BOOST_TEST(buffer.take(0) == "");
    BOOST_TEST(buffer.view() == "abc");
}

BOOST_AUTO_TEST_CASE(a_receive_goes_straight_into_a_lent_block) {
    give_block(take_block());
    ReadBuffer buffer;
    auto const before = tornado::test::allocations();
    auto const room = buffer.prepare(block_size);
    BOOST_TEST(room[0].size() == block_size);
    BOOST_TEST(room[1].empty());
    std::memcpy(room[0].data(), "abc", 3);
    buffer.commit(3);
    BOOST_TEST((buffer.view().data() == room[0].data()));
    BOOST_TEST(tornado::test::allocations() == before);
}

BOOST_AUTO_TEST_CASE(a_receive_that_brings_nothing_leaves_nothing) {
    give_block(take_block());
    auto const before = tornado::test::allocations();
    ReadBuffer buffer;
    for (int i = 0; i < 100; ++i) {
        buffer.prepare(block_size);
        if (i % 2)
            buffer.commit(0);
        buffer.settle();
    }
    BOOST_TEST(tornado::test::allocations() == before);
}

BOOST_AUTO_TEST_CASE(T089_every_split_of_arrival_and_of_taking) {
    auto const bytes = pattern(9);
    for (unsigned arrivals = 0; arrivals < 256; ++arrivals) {
        for (unsigned takings = 0; takings < 256; takings += 3) {
            ReadBuffer buffer;
            std::string got;
            for (std::size_t i = 0; i < bytes.size(); ++i) {
                receive(buffer, bytes.substr(i, 1));
                if (arrivals >> i & 1)
                    buffer.settle();
                if (takings >> i & 1)
                    got += buffer.take(buffer.size() / 2);
                BOOST_TEST_REQUIRE((got + std::string(buffer.view()) == bytes.substr(0, i + 1)));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(every_limit_is_kept) {
    for (auto const kept : {std::size_t{0}, std::size_t{1}, std::size_t{200}, std::size_t{5000},
                            block_size / 2, block_size - 1, block_size, 3 * block_size}) {
        for (auto const limit :
             {std::size_t{1}, std::size_t{2}, std::size_t{255}, std::size_t{256}, block_size / 2,
              block_size - 1, block_size, block_size + 1, 20 * block_size}) {
            auto const bytes = pattern(kept + limit);
            ReadBuffer buffer;
            receive(buffer, std::string_view(bytes).substr(0, kept));
            buffer.settle();
            receive(buffer, std::string_view(bytes).substr(kept), limit);
            BOOST_TEST((buffer.view() == bytes));
        }
    }
}

BOOST_AUTO_TEST_CASE(around_the_edges_of_a_block_nothing_is_lost) {
    for (std::size_t first = block_size - 3; first <= block_size + 3; ++first) {
        for (std::size_t taken = 0; taken <= first; taken += first / 7) {
            for (auto const next : {std::size_t{1}, std::size_t{100}, block_size}) {
                auto const bytes = pattern(first + next);
                ReadBuffer buffer;
                receive(buffer, std::string_view(bytes).substr(0, first), 2 * block_size);
                BOOST_TEST((buffer.take(taken) == bytes.substr(0, taken)));
                receive(buffer, std::string_view(bytes).substr(first), 2 * block_size);
                BOOST_TEST((buffer.view() == std::string_view(bytes).substr(taken)));
                buffer.settle();
                BOOST_TEST((buffer.view() == std::string_view(bytes).substr(taken)));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(T089_T092_random_steps_equal_a_string) {
    for (unsigned seed = 1; seed <= 100; ++seed) {
        std::minstd_rand random(seed);
        auto const size = [&](std::size_t most) {
            return random() % (std::size_t{1} << random() % 18) % (most + 1);
        };
        auto const whole = pattern(400'000, seed);
        auto const bytes_of = [&](std::size_t n) {
            return std::string_view(whole).substr(random() % 200'000, n);
        };
        ReadBuffer buffer;
        std::string model;
        std::string scratch(1 << 18, '\0');
        for (int step = 0; step < 300; ++step) {
            switch (random() % 8) {
            case 0:
            case 1:
            case 2: {
                auto const bytes = bytes_of(size(200'000));
                receive(buffer, bytes, 1 + size(100'000));
                model += bytes;
                break;
            }
            case 3:
            case 4: {
                auto const n = random() % 3 ? size(model.size()) : model.size();
                BOOST_TEST_REQUIRE((buffer.take(n) == model.substr(0, n)));
                model.erase(0, n);
                break;
            }
            case 5: {
                auto const n = size(200'000);
                auto const taken = buffer.take_into(scratch.data(), n);
                BOOST_TEST_REQUIRE(taken == std::min(n, model.size()));
                BOOST_TEST_REQUIRE((model.substr(0, taken) == scratch.substr(0, taken)));
                model.erase(0, taken);
                break;
            }
            case 6: {
                auto const bytes = bytes_of(size(random() % 4 ? 50 : 100'000));
                buffer.put_back(bytes);
                model.insert(0, bytes);
                break;
            }
            default:
                if (random() % 2)
                    buffer.prepare(1 + size(100'000));
                buffer.settle();
            }
            BOOST_TEST_REQUIRE(buffer.size() == model.size());
            BOOST_TEST_REQUIRE((buffer.view() == model));
            BOOST_TEST_REQUIRE(buffer.empty() == model.empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(what_was_taken_can_be_put_back) {
    for (std::size_t taken = 0; taken <= 10; ++taken) {
        ReadBuffer buffer;
        receive(buffer, "0123456789");
        auto const bytes = buffer.take(taken);
        buffer.put_back(bytes);
        BOOST_TEST(buffer.view() == "0123456789");
        buffer.put_back("more than there is room for in front");
        BOOST_TEST(buffer.view() == "more than there is room for in front0123456789");
    }
}

BOOST_AUTO_TEST_CASE(steady_messages_allocate_nothing) {
    ReadBuffer buffer;
    auto const turn = [&] {
        for (std::size_t n : {1u, 40u, 600u}) {
            auto const room = buffer.prepare(block_size);
            std::fill_n(room[0].data(), n, 'x');
            buffer.commit(n);
            give_string(buffer.take(n));
        }
        buffer.settle();
    };
    for (int i = 0; i < 8; ++i)
        turn();
    auto const before = tornado::test::allocations();
    for (int i = 0; i < 1000; ++i)
        turn();
    BOOST_TEST(tornado::test::allocations() == before);
}

BOOST_AUTO_TEST_CASE(a_full_stream_with_a_rest_in_each_turn_never_grows) {
    ReadBuffer buffer;
    auto const before = [&] {
        receive(buffer, std::string(100, 'x'));
        return tornado::test::allocations();
    }();
    for (int i = 0; i < 1000; ++i) {
        auto const room = buffer.prepare(block_size);
        BOOST_TEST_REQUIRE(room[1].empty());
        buffer.commit(room[0].size());
        std::array<char, block_size> taken;
        buffer.take_into(taken.data(), buffer.size() - 100);
    }
    BOOST_TEST(tornado::test::allocations() == before);
}

BOOST_AUTO_TEST_CASE(settle_gives_the_block_back_and_keeps_a_rest_small) {
    give_block(take_block());
    ReadBuffer buffer;
    receive(buffer, "left over");
    auto const* const lent = buffer.view().data();
    buffer.settle();
    BOOST_TEST(buffer.view() == "left over");
    BOOST_TEST((buffer.view().data() != lent));
    BOOST_TEST((take_block().get() == lent));
    auto const room = buffer.prepare(block_size);
    BOOST_TEST(room[0].size() == 256 - buffer.size());
    BOOST_TEST(room[0].size() + room[1].size() >= block_size / 2);
}

BOOST_AUTO_TEST_CASE(a_rest_that_was_taken_makes_way_for_a_block) {
    ReadBuffer buffer;
    receive(buffer, "left over");
    buffer.settle();
    buffer.take(9);
    BOOST_TEST(buffer.prepare(block_size)[0].size() == block_size);
}

BOOST_AUTO_TEST_CASE(settle_gives_back_an_overflow_that_nothing_reached) {
    ReadBuffer buffer;
    receive(buffer, "left over");
    buffer.settle();
    auto const* const lent = buffer.prepare(block_size)[1].data();
    buffer.settle();
    auto const block = take_block();
    BOOST_TEST((lent >= block.get() && lent < block.get() + block_size));
}

BOOST_AUTO_TEST_CASE(settle_leaves_what_fills_a_quarter) {
    for (std::size_t n : {block_size / 4 - 1, block_size / 4}) {
        ReadBuffer buffer;
        receive(buffer, std::string(n, 'x'));
        auto const* const before = buffer.view().data();
        buffer.settle();
        BOOST_TEST((buffer.view().data() == before) == (n == block_size / 4));
    }
}

BOOST_AUTO_TEST_CASE(a_storage_grown_large_shrinks_when_drained) {
    give_block(take_block());
    ReadBuffer buffer;
    receive(buffer, pattern(10 << 20));
    buffer.take(buffer.size() - 10);
    buffer.settle();
    BOOST_TEST(buffer.prepare(block_size)[0].size() == 256u - 10);
    buffer.settle();
    buffer.take(10);
    buffer.settle();
    auto const before = tornado::test::allocations();
    BOOST_TEST(buffer.prepare(block_size)[0].size() == block_size);
    BOOST_TEST(tornado::test::allocations() == before);
}

BOOST_AUTO_TEST_CASE(T070_many_small_arrivals_move_few_bytes) {
    constexpr std::size_t total = 4 << 20;
    for (std::size_t const piece : {1000u, 1024u, 65536u}) {
        for (bool const settles : {false, true}) {
            ReadBuffer buffer;
            auto const bytes = pattern(piece);
            auto const before = tornado::test::allocations();
            std::size_t moved = 0;
            char const* at = nullptr;
            while (buffer.size() < total) {
                auto const kept = buffer.size();
                receive(buffer, bytes);
                if (settles)
                    buffer.settle();
                if (at && buffer.view().data() != at)
                    moved += kept;
                at = buffer.view().data();
            }
            BOOST_TEST(moved <= 2 * total);
            BOOST_TEST(tornado::test::allocations() - before <= 20u);
        }
    }
}

BOOST_AUTO_TEST_CASE(T085_a_reader_that_keeps_up_moves_and_allocates_little) {
    ReadBuffer buffer;
    receive(buffer, pattern(100));
    auto const before = tornado::test::allocations();
    for (int i = 0; i < 10'000; ++i) {
        auto const room = buffer.prepare(1000);
        buffer.commit(room[0].size() + room[1].size());
        std::array<char, 1000> taken;
        buffer.take_into(taken.data(), taken.size());
    }
    BOOST_TEST(buffer.size() == 100u);
    BOOST_TEST(tornado::test::allocations() == before);
}

BOOST_AUTO_TEST_SUITE_END()
