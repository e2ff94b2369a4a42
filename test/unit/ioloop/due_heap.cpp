// SPDX-License-Identifier: BSL-1.0
// The heap of what is due, beside a sorted list: order, places, removal anywhere.
#include "tornado/detail/due_heap.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

namespace {

struct Entry {
    int time;
    std::size_t number;

    bool operator<(Entry const& other) const noexcept { return time < other.time; }
};

struct Tell {
    std::vector<std::size_t>* places;

    void operator()(Entry const& entry, std::size_t place) const noexcept {
        (*places)[entry.number] = place;
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(due_heap)

BOOST_AUTO_TEST_CASE(it_is_a_sorted_list_whatever_comes_and_goes) {
    std::mt19937 random(1);
    for (std::size_t most = 1; most <= 200; most += most < 40 ? 1 : 40) {
        std::vector<std::size_t> places(3000);
        tornado::detail::DueHeap<Entry, Tell> heap(Tell{&places});
        std::vector<Entry> model;
        for (std::size_t number = 0; number < places.size(); ++number) {
            if (model.size() < most && random() % 5 < 3) {
                Entry const entry{static_cast<int>(random() % (2 * most)), number};
                heap.push(entry);
                model.push_back(entry);
            } else if (!model.empty()) {
                auto const victim =
                    random() % 2 != 0
                        ? random() % model.size()
                        : static_cast<std::size_t>(
                              std::ranges::find(model, heap.top().number, &Entry::number) -
                              model.begin());
                heap.remove(places[model[victim].number]);
                model.erase(model.begin() + static_cast<std::ptrdiff_t>(victim));
            }
            BOOST_REQUIRE(heap.size() == model.size());
            BOOST_REQUIRE(heap.empty() == model.empty());
            if (!model.empty())
                BOOST_REQUIRE(heap.top().time ==
                              std::min_element(model.begin(), model.end())->time);
        }
        int last = 0;
        for (; !heap.empty(); heap.remove(0)) {
            BOOST_REQUIRE(places[heap.top().number] == 0U);
            BOOST_REQUIRE(heap.top().time >= last);
            last = heap.top().time;
        }
    }
}

BOOST_AUTO_TEST_CASE(its_memory_can_be_given_back) {
    std::vector<std::size_t> places(2);
    tornado::detail::DueHeap<Entry, Tell> heap(Tell{&places});
    heap.push({2, 0});
    heap.push({1, 1});
    heap.release();
    BOOST_TEST(heap.empty());
    heap.push({3, 0});
    BOOST_TEST(heap.top().time == 3);
}

BOOST_AUTO_TEST_SUITE_END()
