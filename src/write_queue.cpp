// SPDX-License-Identifier: BSL-1.0
// How waiting bytes are laid out: few segments, no copies of what is large, no memory when drained.
#include "write_queue.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

namespace tornado::detail {
namespace {

// What a drained queue keeps room for.
constexpr std::size_t max_idle_segments = 1;

} // namespace

WriteQueue::~WriteQueue() {
    clear();
}

void WriteQueue::append_slowly(std::string_view data) {
    if (data.size() > block_size)
        return append_string(std::string(data));
    while (!data.empty()) {
        auto& segment = writable_segment();
        auto* const end = segment.data + segment.size;
        auto const spare = static_cast<std::size_t>(segment.block.get() + block_size - end);
        auto const n = std::min(data.size(), spare);
        std::memcpy(end, data.data(), n);
        segment.size += n;
        size_ += n;
        data.remove_prefix(n);
    }
}

void WriteQueue::consume(std::size_t n) noexcept {
    size_ -= n;
    if (size_ == 0)
        return clear();
    while (n > 0) {
        auto& segment = segments_[first_];
        auto const part = std::min(n, segment.size);
        segment.data += part;
        segment.size -= part;
        n -= part;
        if (segment.size == 0) {
            give_block(std::move(segment.block));
            give_string(std::move(segment.string));
            ++first_;
        }
    }
}

void WriteQueue::truncate(std::size_t n) noexcept {
    if (n >= size_)
        return;
    if (n == 0)
        return clear();
    auto excess = size_ - n;
    size_ = n;
    while (excess >= segments_.back().size) {
        excess -= segments_.back().size;
        auto block = std::move(segments_.back().block);
        segments_.pop_back();
        // The block passes to the segment before it in the same block, if one is left.
        for (auto i = segments_.size(); block && i-- > first_;) {
            if (segments_[i].string.empty()) {
                if (!segments_[i].block)
                    segments_[i].block = std::move(block);
                break;
            }
        }
        give_block(std::move(block));
    }
    segments_.back().size -= excess;
}

void WriteQueue::append_string(std::string&& data) {
    make_room();
    auto& segment = segments_.emplace_back(Segment{std::move(data), nullptr, nullptr, 0});
    segment.data = segment.string.data();
    segment.size = segment.string.size();
    size_ += segment.size;
}

// The last segment if it ends in front of spare bytes of its block; else a new, empty one, in the
// last block that has some or in a fresh block.
WriteQueue::Segment& WriteQueue::writable_segment() {
    make_room();
    for (auto i = segments_.size(); i-- > first_;) {
        auto& owner = segments_[i];
        if (!owner.block)
            continue;
        auto* const end = owner.data + owner.size;
        if (end == owner.block.get() + block_size)
            break;
        if (i == segments_.size() - 1)
            return owner;
        return segments_.emplace_back(Segment{{}, std::move(owner.block), end, 0});
    }
    auto block = take_block();
    auto* const data = block.get();
    return segments_.emplace_back(Segment{{}, std::move(block), data, 0});
}

// Room for one more segment, so that adding it cannot fail half-way.
void WriteQueue::make_room() {
    if (segments_.size() < segments_.capacity())
        return;
    if (first_ > segments_.size() / 2) {
        segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    } else {
        segments_.reserve(std::max<std::size_t>(1, 2 * segments_.capacity()));
    }
}

void WriteQueue::clear() noexcept {
    for (auto i = first_; i < segments_.size(); ++i) {
        give_block(std::move(segments_[i].block));
        give_string(std::move(segments_[i].string));
    }
    segments_.clear();
    first_ = size_ = 0;
    if (segments_.capacity() > max_idle_segments)
        std::vector<Segment>().swap(segments_);
}

} // namespace tornado::detail
