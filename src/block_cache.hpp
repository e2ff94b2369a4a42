// SPDX-License-Identifier: BSL-1.0
// Memory that a thread lends to whichever stream is at work, so that an idle stream holds none.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace tornado::detail {

/// Bytes of one block: what a stream receives into and coalesces small writes in.
inline constexpr std::size_t block_size = 64 * 1024;

using Block = std::unique_ptr<char[]>;

/// A block of `block_size` bytes, its content undefined, from this thread's cache if it has one.
Block take_block();
/// Back to this thread's cache, or freed when that is full; an empty pointer is ignored.
void give_block(Block block) noexcept;

/// An empty string, with the capacity of one given back on this thread if there is one.
std::string take_string();
/// The same for someone who will put `size` bytes in it: the capacity is neither too small nor so
/// large that whoever keeps the string would waste memory.
std::string take_string(std::size_t size);
/// Keeps a string's capacity for the next take_string on this thread, unless it is too small to
/// matter or larger than a block.
void give_string(std::string&& string) noexcept;

} // namespace tornado::detail
