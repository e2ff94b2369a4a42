// SPDX-License-Identifier: BSL-1.0
// The memory that a thread keeps for its streams: how it begins and ends, and what is rare.
#include "bytes/block_cache.hpp"

namespace tornado::detail {
namespace {

// Outlives the cache: streams that are destroyed while their thread ends ask it first.
thread_local bool block_cache_is_gone = false;

struct Owner {
    BlockCache cache;

    Owner() noexcept { block_cache = &cache; }
    ~Owner() {
        block_cache = nullptr;
        block_cache_is_gone = true;
    }
};

BlockCache* make_cache() noexcept {
    if (block_cache_is_gone)
        return nullptr;
    thread_local Owner owner;
    return &owner.cache;
}

} // namespace

Block new_block() {
    return Block(new char[block_size]);
}

void keep_block(Block block) noexcept {
    auto* const cache = make_cache();
    if (cache && cache->blocks.size() < cache->blocks.capacity())
        cache->blocks.push_back(std::move(block));
}

std::string search_string(std::size_t size) {
    auto& strings = block_cache->strings;
    for (auto i = strings.size(); i-- > 0;) {
        if (fits(strings[i], size)) {
            strings[i].swap(strings.back());
            return take_last_string();
        }
    }
    return {};
}

void keep_string(std::string string) noexcept {
    auto* const cache = make_cache();
    if (!cache || string.capacity() > block_size)
        return;
    string.clear();
    auto& strings = cache->strings;
    if (strings.size() != strings.capacity())
        strings.push_back(std::move(string));
    else
        strings[cache->oldest_string++ % strings.capacity()] = std::move(string);
}

} // namespace tornado::detail
