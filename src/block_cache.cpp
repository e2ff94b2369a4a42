// SPDX-License-Identifier: BSL-1.0
// The memory that a thread keeps for its streams: a few blocks and a few strings.
#include "block_cache.hpp"

#include <array>
#include <utility>

namespace tornado::detail {
namespace {

constexpr std::size_t max_blocks = 4;
constexpr std::size_t max_strings = 8;

// Outlives the cache: streams that are destroyed while their thread ends ask it first.
thread_local bool cache_is_gone = false;

struct Cache {
    std::array<Block, max_blocks> blocks;
    std::array<std::string, max_strings> strings;
    std::size_t block_count = 0;
    std::size_t string_count = 0;
    std::size_t oldest_string = 0;

    ~Cache() { cache_is_gone = true; }
};

Cache* cache() noexcept {
    if (cache_is_gone)
        return nullptr;
    thread_local Cache instance;
    return &instance;
}

} // namespace

Block take_block() {
    if (auto* c = cache(); c && c->block_count > 0)
        return std::move(c->blocks[--c->block_count]);
    return Block(new char[block_size]);
}

void give_block(Block block) noexcept {
    if (!block)
        return;
    if (auto* c = cache(); c && c->block_count < max_blocks)
        c->blocks[c->block_count++] = std::move(block);
}

std::string take_string() {
    auto* const c = cache();
    return c && c->string_count > 0 ? std::move(c->strings[--c->string_count]) : std::string();
}

// The last one given first: it has the size of this moment's messages.
std::string take_string(std::size_t size) {
    auto* const c = cache();
    if (!c || size <= std::string().capacity())
        return {};
    for (auto i = c->string_count; i-- > 0;) {
        auto& string = c->strings[i];
        if (string.capacity() < size || string.capacity() / 4 > size + 64)
            continue;
        auto taken = std::move(string);
        if (i != --c->string_count)
            string = std::move(c->strings[c->string_count]);
        return taken;
    }
    return {};
}

void give_string(std::string&& string) noexcept {
    auto* const c = cache();
    auto given = std::move(string);
    if (!c || given.capacity() <= std::string().capacity() || given.capacity() > block_size)
        return;
    given.clear();
    auto const at =
        c->string_count < max_strings ? c->string_count++ : c->oldest_string++ % max_strings;
    c->strings[at] = std::move(given);
}

} // namespace tornado::detail
