// SPDX-License-Identifier: BSL-1.0
// The write queue against a plain string: order, coalescing, exact advance, and memory given back.
#include "bytes/write_queue.hpp"

#include "support/allocations.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace tornado::detail;
using namespace std::literals;

namespace {

std::vector<std::string_view> segments(WriteQueue const& queue) {
    std::vector<std::string_view> spans(1000);
    spans.resize(queue.gather(std::span<std::string_view>(spans)));
    return spans;
}

std::string content(WriteQueue const& queue) {
    std::string all;
    for (auto const span : segments(queue)) {
        if (span.empty())
            BOOST_FAIL("an empty segment");
        all += span;
    }
    if (all.size() != queue.size() || all.empty() != queue.empty())
        BOOST_FAIL("size() is " << queue.size() << " with " << all.size() << " bytes");
    return all;
}

std::string pattern(std::size_t n, std::minstd_rand::result_type seed = 1) {
    std::minstd_rand random(seed);
    std::string bytes(n, '\0');
    for (auto& byte : bytes)
        byte = static_cast<char>(random());
    return bytes;
}

} // namespace

BOOST_AUTO_TEST_SUITE(write_queue)

BOOST_AUTO_TEST_CASE(an_idle_stream_pays_five_words) {
    static_assert(sizeof(WriteQueue) <= 48);
    WriteQueue queue;
    BOOST_TEST(content(queue) == "");
    queue.consume(0);
    queue.truncate(0);
    queue.truncate(10);
    BOOST_TEST(queue.empty());
    BOOST_TEST(queue.gather(std::span<std::string_view>()) == 0u);
}

BOOST_AUTO_TEST_CASE(T066_empty_data_leave_no_trace) {
    WriteQueue queue;
    auto const before = tornado::test::allocations();
    queue.append(""sv);
    queue.append(std::string());
    BOOST_TEST(queue.empty());
    BOOST_TEST(tornado::test::allocations() == before);
    queue.append("a"sv);
    queue.append(""sv);
    queue.append(std::string(5000, 'b'));
    queue.append(std::string());
    BOOST_TEST(segments(queue).size() == 2u);
}

BOOST_AUTO_TEST_CASE(T145_small_data_coalesce_into_one_segment) {
    WriteQueue queue;
    std::string expected;
    for (int i = 0; i < 100; ++i) {
        auto const bytes = pattern(static_cast<std::size_t>(i), static_cast<unsigned>(i));
        expected += bytes;
        if (i % 2)
            queue.append(std::string(bytes));
        else
            queue.append(std::string_view(bytes));
    }
    BOOST_TEST((content(queue) == expected));
    BOOST_TEST(segments(queue).size() == 1u);
}

BOOST_AUTO_TEST_CASE(T145_a_large_string_stays_where_it_is) {
    for (std::size_t n : {2047u, 2048u, 2049u, 100'000u}) {
        WriteQueue queue;
        queue.append("small"sv);
        std::string large(n, 'x');
        auto const* const address = large.data();
        queue.append(std::move(large));
        queue.append("small"sv);
        BOOST_TEST(segments(queue).size() == (n > 2048 ? 3u : 1u));
        BOOST_TEST((segments(queue).size() == 1 || segments(queue)[1].data() == address));
    }
}

BOOST_AUTO_TEST_CASE(T077_a_view_is_copied_whatever_its_size) {
    for (std::size_t n : {1u, 2048u, 2049u, 65'535u, 65'536u, 65'537u, 1'000'000u}) {
        WriteQueue queue;
        auto const bytes = pattern(n);
        auto source = bytes;
        queue.append("head"sv);
        queue.append(std::string_view(source));
        source.assign(n, '!');
        BOOST_TEST((content(queue) == "head" + bytes));
    }
}

BOOST_AUTO_TEST_CASE(T145_every_advance_is_exact) {
    for (std::size_t step = 1; step < 40; ++step) {
        WriteQueue queue;
        std::string expected;
        for (unsigned i = 0; i < 6; ++i) {
            auto const bytes = pattern(i % 2 ? 2049 + i : 10 + i, i);
            queue.append(std::string(bytes));
            expected += bytes;
        }
        while (!expected.empty()) {
            BOOST_TEST_REQUIRE((content(queue) == expected));
            auto const n = std::min(step * 17, expected.size());
            queue.consume(n);
            expected.erase(0, n);
        }
        BOOST_TEST(content(queue) == "");
    }
}

BOOST_AUTO_TEST_CASE(every_truncation_of_every_order) {
    for (unsigned order = 0; order < 64; ++order) {
        std::string whole;
        std::vector<std::size_t> cuts{0};
        for (unsigned i = 0; i < 6; ++i) {
            whole += pattern(order >> i & 1 ? 3000 : 5, i);
            cuts.insert(cuts.end(), {whole.size() - 1, whole.size(), whole.size() + 1});
        }
        for (auto const sent : {std::size_t{0}, std::size_t{4}, std::size_t{5}, whole.size() / 2}) {
            for (auto const cut : cuts) {
                WriteQueue queue;
                for (unsigned i = 0; i < 6; ++i)
                    queue.append(pattern(order >> i & 1 ? 3000 : 5, i));
                queue.consume(sent);
                queue.truncate(cut);
                auto expected = whole.substr(sent).substr(0, cut);
                BOOST_TEST_REQUIRE((content(queue) == expected));
                queue.append("more"sv);
                BOOST_TEST_REQUIRE((content(queue) == expected + "more"));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(random_steps_equal_a_string) {
    for (unsigned seed = 1; seed <= 100; ++seed) {
        std::minstd_rand random(seed);
        auto const size = [&](std::size_t most) {
            return random() % (std::size_t{1} << random() % 18) % (most + 1);
        };
        auto const whole = pattern(200'000, seed);
        WriteQueue queue;
        std::string model;
        for (int step = 0; step < 300; ++step) {
            auto const bytes = std::string_view(whole).substr(random() % 100'000, size(100'000));
            switch (random() % 8) {
            case 0:
            case 1:
            case 2:
                queue.append(bytes);
                model += bytes;
                break;
            case 3:
            case 4:
                queue.append(std::string(bytes));
                model += bytes;
                break;
            case 5:
            case 6: {
                auto const n = random() % 4 ? size(model.size()) : model.size();
                queue.consume(n);
                model.erase(0, n);
                break;
            }
            default:
                if (random() % 4 == 0) {
                    auto const n = random() % (model.size() + 2);
                    queue.truncate(n);
                    model.resize(std::min(n, model.size()));
                }
            }
            BOOST_TEST_REQUIRE((content(queue) == model));
        }
    }
}

BOOST_AUTO_TEST_CASE(gather_fills_what_it_is_given) {
    WriteQueue queue;
    for (int i = 0; i < 5; ++i)
        queue.append(std::string(3000, static_cast<char>('a' + i)));
    for (std::size_t room = 0; room < 8; ++room) {
        std::array<std::string_view, 8> spans;
        BOOST_TEST(queue.gather(std::span(spans).first(room)) == std::min<std::size_t>(room, 5));
        for (std::size_t i = 0; i < std::min<std::size_t>(room, 5); ++i)
            BOOST_TEST((spans[i] == std::string(3000, static_cast<char>('a' + i))));
        BOOST_TEST(spans.back().empty());
    }
}

BOOST_AUTO_TEST_CASE(steady_small_writes_allocate_nothing) {
    WriteQueue queue;
    std::array<std::string_view, 16> spans;
    auto const turn = [&] {
        for (int i = 0; i < 5; ++i) {
            queue.append("a small view that has no place inside a string object"sv);
            auto string = take_string(60);
            string.assign(60, 'x');
            queue.append(std::move(string));
        }
        BOOST_TEST_REQUIRE(queue.gather(std::span<std::string_view>(spans)) == 1u);
        queue.consume(100);
        queue.consume(queue.size());
    };
    for (int i = 0; i < 8; ++i)
        turn();
    auto const before = tornado::test::allocations();
    for (int i = 0; i < 1000; ++i)
        turn();
    BOOST_TEST(tornado::test::allocations() == before);
}

BOOST_AUTO_TEST_CASE(blocks_go_back_as_soon_as_they_are_sent) {
    std::thread([] {
        WriteQueue queue;
        for (int i = 0; i < 200; ++i) {
            queue.append(std::string_view(pattern(2000)));
            queue.append(pattern(2100)); // keeps the small ones apart
        }
        queue.consume(queue.size() - 1);
        auto const before = tornado::test::allocations();
        std::array<Block, 4> const blocks{take_block(), take_block(), take_block(), take_block()};
        BOOST_TEST(tornado::test::allocations() == before);
        queue.consume(1);
        BOOST_TEST(queue.empty());
    }).join();
}

BOOST_AUTO_TEST_CASE(small_data_between_large_share_a_block) {
    std::thread([] {
        WriteQueue queue;
        std::vector<std::string> large(400, pattern(3000));
        auto const before = tornado::test::allocations();
        for (auto& string : large) {
            queue.append("HTTP/1.1 200 OK\r\n\r\n"sv);
            queue.append(std::move(string));
        }
        // One block and a handful of growth steps of the list of segments, not 400 blocks.
        BOOST_TEST(tornado::test::allocations() - before < 20u);
        BOOST_TEST(segments(queue).size() == 800u);
    }).join();
}

BOOST_AUTO_TEST_CASE(a_drained_queue_holds_no_block_and_no_large_list) {
    if (!tornado::test::counts_allocations)
        return;
    std::thread([] {
        WriteQueue queue;
        for (int i = 0; i < 1000; ++i)
            queue.append(std::string(3000, 'x'));
        queue.append("small"sv);
        queue.consume(queue.size());
        auto const before = tornado::test::allocations();
        auto block = take_block();
        BOOST_TEST(tornado::test::allocations() == before);
        give_block(std::move(block));
        queue.append("small"sv);
        BOOST_TEST(tornado::test::allocations() == before); // and needs no list for this
        queue.append(std::string(3000, 'x'));
        BOOST_TEST(tornado::test::allocations() > before + 1); // it starts anew
    }).join();
}

BOOST_AUTO_TEST_CASE(a_queue_that_never_drains_stays_bounded) {
    WriteQueue queue;
    queue.append(std::string(3000, 'x'));
    auto const large = std::string(3000, 'x');
    for (int i = 0; i < 100; ++i) {
        queue.append(std::string(large));
        queue.consume(3000);
    }
    auto const before = tornado::test::allocations();
    for (int i = 0; i < 1000; ++i) {
        auto string = take_string(3000);
        string = large;
        queue.append(std::move(string));
        queue.consume(3000);
    }
    BOOST_TEST(tornado::test::allocations() == before);
    BOOST_TEST(queue.size() == 3000u);
}

BOOST_AUTO_TEST_SUITE_END()
