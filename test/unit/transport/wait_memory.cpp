// SPDX-License-Identifier: BSL-1.0
// One wait has its memory in the object that waits, any other elsewhere.
#include "transport/wait_memory.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <memory>

namespace {

using tornado::detail::WaitAllocator;
using tornado::detail::WaitMemory;
using Small = std::array<char, 10>;
using Full = std::array<char, WaitMemory::room>;
using Large = std::array<char, WaitMemory::room + 1>;

bool is_within(void const* memory, WaitMemory const& place) {
    auto const* const begin = reinterpret_cast<char const*>(&place);
    return memory >= begin && memory < begin + sizeof place;
}

template <class T>
struct Lent {
    explicit Lent(WaitMemory& memory) : allocator(memory), at(allocator.allocate(1)) {}
    Lent(Lent const&) = delete;
    Lent& operator=(Lent const&) = delete;
    ~Lent() { allocator.deallocate(at, 1); }

    WaitAllocator<T> allocator;
    T* at;
};

} // namespace

BOOST_AUTO_TEST_SUITE(wait_memory)

BOOST_AUTO_TEST_CASE(one_at_a_time_is_lent_and_lent_again) {
    WaitMemory memory;
    for (int i = 0; i != 3; ++i) {
        Lent<Full> const first(memory);
        BOOST_TEST(is_within(first.at, memory));
        Lent<Small> const second(memory);
        BOOST_TEST(!is_within(second.at, memory));
    }
    Lent<Small> const small(memory);
    BOOST_TEST(is_within(small.at, memory));
}

BOOST_AUTO_TEST_CASE(the_second_may_outlast_the_first) {
    WaitMemory memory;
    auto first = std::make_unique<Lent<Small>>(memory);
    Lent<Small> const second(memory);
    first.reset();
    Lent<Small> const third(memory);
    BOOST_TEST(!is_within(second.at, memory));
    BOOST_TEST(is_within(third.at, memory));
}

BOOST_AUTO_TEST_CASE(what_is_larger_is_elsewhere) {
    WaitMemory memory;
    Lent<Large> const large(memory);
    BOOST_TEST(!is_within(large.at, memory));
    Lent<Full> const full(memory);
    BOOST_TEST(is_within(full.at, memory));
}

BOOST_AUTO_TEST_CASE(allocators_are_equal_that_lend_of_the_same) {
    WaitMemory one, other;
    WaitAllocator<Small> const a(one);
    BOOST_TEST((a == WaitAllocator<Full>(a)));
    BOOST_TEST(!(a == WaitAllocator<Full>(other)));
}

BOOST_AUTO_TEST_SUITE_END()
