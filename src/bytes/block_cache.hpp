// SPDX-License-Identifier: BSL-1.0
// Memory that a thread lends to whichever stream is at work, so that an idle stream holds none.
#pragma once

#include <boost/container/static_vector.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace tornado::detail {

/// Bytes of one block: what a stream receives into and coalesces small writes in.
inline constexpr std::size_t block_size = 64 * 1024;

/// What a string holds without an allocation.
inline constexpr std::size_t short_string = 15;

using Block = std::unique_ptr<char[]>;

/// Blocks that a thread keeps, 4 MiB. So many streams may be written to in one turn, as those
/// behind a relay are, before any of them sends; the system's allocator would give the memory of
/// each back to the kernel, to fault it in again at the next turn.
inline constexpr std::size_t most_blocks = 64;

/// What a thread keeps: blocks and a few empty strings, the latest given last.
struct BlockCache {
    boost::container::static_vector<Block, most_blocks> blocks;
    boost::container::static_vector<std::string, 8> strings;
    std::size_t oldest_string = 0;
};

/// The running thread's; null before it has one and when it is ending.
inline constinit thread_local BlockCache* block_cache = nullptr;

// What the inline functions below leave.
Block new_block();
void keep_block(Block block) noexcept;
std::string search_string(std::size_t size);
void keep_string(std::string string) noexcept;

/// A block of `block_size` bytes, its content undefined, from this thread's cache if it has one.
inline Block take_block() {
    auto* const cache = block_cache;
    if (!cache || cache->blocks.empty())
        return new_block();
    auto block = std::move(cache->blocks.back());
    cache->blocks.pop_back();
    return block;
}
/// Back to this thread's cache, or freed when that is full; an empty pointer is ignored.
inline void give_block(Block block) noexcept {
    auto* const cache = block_cache;
    if (cache && block && cache->blocks.size() != cache->blocks.capacity())
        cache->blocks.push_back(std::move(block));
    else if (block)
        keep_block(std::move(block));
}

/// True if `string` has room for `size` bytes, and not so much that whoever keeps them in it would
/// waste memory.
inline bool fits(std::string const& string, std::size_t size) noexcept {
    return string.capacity() >= size && string.capacity() / 4 <= size + 64;
}
/// Only if there is one.
inline std::string take_last_string() {
    auto& strings = block_cache->strings;
    auto taken = std::move(strings.back());
    strings.pop_back();
    return taken;
}
/// An empty string, with the capacity of one given back on this thread if there is one.
inline std::string take_string() {
    return block_cache && !block_cache->strings.empty() ? take_last_string() : std::string();
}
/// The same for someone who will put `size` bytes in it: one that fits.
inline std::string take_string(std::size_t size) {
    auto* const cache = block_cache;
    if (!cache || cache->strings.empty() || size <= short_string)
        return {};
    // The last one given has the size of this moment's messages.
    return fits(cache->strings.back(), size) ? take_last_string() : search_string(size);
}
/// Keeps a string's capacity for the next take_string on this thread, unless it is too small to
/// matter or larger than a block; that is freed.
inline void give_string(std::string&& string) noexcept {
    if (string.capacity() <= short_string)
        return;
    auto* const cache = block_cache;
    if (!cache || string.capacity() > block_size ||
        cache->strings.size() == cache->strings.capacity())
        return keep_string(std::move(string));
    string.clear();
    cache->strings.push_back(std::move(string));
}

} // namespace tornado::detail
