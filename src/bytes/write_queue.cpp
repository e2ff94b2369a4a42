// SPDX-License-Identifier: BSL-1.0
// How waiting bytes are laid out: few segments, no copies of what is large, no memory when drained.
#include "bytes/write_queue.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

namespace tornado::detail {
namespace {

// What a drained queue keeps room for.
constexpr std::size_t max_idle_segments = 1;

} // namespace

void WriteQueue::append_slowly(std::string_view data) {
    if (data.size() > block_size)
        return append_string(std::string(data));
    while (!data.empty()) {
        if (tail_room() == 0) {
            auto block = take_block();
            if (block_) { // full
                cut_tail();
                last_slice()->block = std::move(block_);
            }
            block_ = std::move(block);
            tail_ = 0;
        }
        auto const n = std::min(data.size(), tail_room());
        std::memcpy(tail() + tail_size_, data.data(), n);
        tail_size_ += static_cast<std::uint32_t>(n);
        size_ += n;
        data.remove_prefix(n);
    }
}

void WriteQueue::consume_part(std::size_t n) noexcept {
    while (segments_ && segments_->first != segments_->list.size()) {
        auto& segment = segments_->list[segments_->first];
        auto const part = std::min(n, segment.size);
        segment.data += part;
        segment.size -= part;
        n -= part;
        if (segment.size != 0)
            break;
        give_block(std::move(segment.block));
        give_string(std::move(segment.string));
        ++segments_->first;
    }
    tail_ += static_cast<std::uint32_t>(n);
    tail_size_ -= static_cast<std::uint32_t>(n);
    release_tail();
}

void WriteQueue::truncate(std::size_t n) noexcept {
    if (n >= size_)
        return;
    if (n == 0)
        return clear();
    auto excess = size_ - n;
    size_ = n;
    auto const part = std::min<std::size_t>(excess, tail_size_);
    tail_size_ -= static_cast<std::uint32_t>(part);
    excess -= part;
    while (excess != 0) {
        auto& last = segments_->list.back();
        if (excess < last.size) {
            last.size -= excess;
            break;
        }
        excess -= last.size;
        if (last.block) { // it goes on as the tail's
            give_block(std::move(block_));
            block_ = std::move(last.block);
        }
        if (last.string.empty())
            tail_ = static_cast<std::uint32_t>(last.data - block_.get());
        segments_->list.pop_back();
    }
    release_tail();
}

void WriteQueue::append_string(std::string&& data) {
    cut_tail();
    add({std::move(data), nullptr, nullptr, 0});
    auto& segment = segments_->list.back();
    segment.data = segment.string.data();
    segment.size = segment.string.size();
    size_ += segment.size;
}

// What is in the tail becomes a segment; what is spare behind it is the tail now.
void WriteQueue::cut_tail() {
    if (tail_size_ == 0)
        return;
    add({{}, nullptr, tail(), tail_size_});
    tail_ += tail_size_;
    tail_size_ = 0;
}

void WriteQueue::add(Segment segment) {
    if (!segments_)
        segments_ = std::make_unique<Segments>();
    auto& [list, first] = *segments_;
    if (first > list.size() / 2 && list.size() == list.capacity()) {
        list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(first));
        first = 0;
    }
    list.push_back(std::move(segment));
}

// The last of the tail's block; slices of other blocks are all before those.
WriteQueue::Segment* WriteQueue::last_slice() noexcept {
    if (segments_)
        for (auto i = segments_->list.size(); i-- > segments_->first;)
            if (segments_->list[i].is_slice_of_tail())
                return &segments_->list[i];
    return nullptr;
}

// A block that nobody needs goes back, even while what follows it waits.
void WriteQueue::release_tail() noexcept {
    if (tail_size_ == 0 && block_ && !last_slice())
        give_block(std::move(block_));
}

void WriteQueue::clear_segments() noexcept {
    auto& [list, first] = *segments_;
    for (; first != list.size(); ++first) {
        give_block(std::move(list[first].block));
        give_string(std::move(list[first].string));
    }
    list.clear();
    first = 0;
    if (list.capacity() > max_idle_segments)
        segments_ = nullptr;
}

} // namespace tornado::detail
