// SPDX-License-Identifier: BSL-1.0
// Bytes that wait to be sent, small ones side by side so that a turn's writes leave in one call.
#pragma once

#include "bytes/block_cache.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tornado::detail {

/// A byte queue, without I/O. Small data are copied behind each other into blocks lent by the
/// thread's block cache; large strings are kept as they are and never copied (T145). What was
/// appended last is the tail, a part of a block; the segments are before it, and usually none.
class WriteQueue {
public:
    WriteQueue() = default;
    WriteQueue(WriteQueue const&) = delete;
    WriteQueue& operator=(WriteQueue const&) = delete;
    ~WriteQueue() { clear(); }

    std::size_t size() const noexcept { return size_; } ///< bytes
    bool empty() const noexcept { return size_ == 0; }

    /// Large: moved in; small: copied, its capacity recycled. Empty data leave no trace.
    void append(std::string&& data) {
        if (data.size() > max_small)
            return append_string(std::move(data));
        append(std::string_view(data));
        give_string(std::move(data));
    }
    /// Copied; the bytes need not outlive the call.
    void append(std::string_view data) {
        if (data.empty() || data.size() > tail_room())
            return append_slowly(data);
        std::memcpy(tail() + tail_size_, data.data(), data.size());
        tail_size_ += static_cast<std::uint32_t>(data.size());
        size_ += data.size();
    }

    /// Fills `spans` with the first parts in order, none of them empty, and returns how many were
    /// filled; 0 when the queue is empty. Valid until the next call that is not const. `Span` is
    /// made of a pointer and a size.
    template <class Span>
    std::size_t gather(std::span<Span> spans) const noexcept {
        std::size_t count = 0;
        if (segments_)
            for (auto i = segments_->first; i != segments_->list.size() && count != spans.size();
                 ++i)
                spans[count++] = Span(segments_->list[i].data, segments_->list[i].size);
        if (tail_size_ != 0 && count != spans.size())
            spans[count++] = Span(tail(), tail_size_);
        return count;
    }
    /// The first `n` bytes (n <= size()) are sent: drops them and gives back what they occupied.
    void consume(std::size_t n) noexcept {
        size_ -= n;
        if (size_ == 0)
            clear();
        else
            consume_part(n);
    }
    /// Keeps only the first `n` bytes.
    void truncate(std::size_t n) noexcept;

private:
    // Above it a segment of its own costs less than the copy; Tornado's figure.
    static constexpr std::size_t max_small = 2048;

    // A string that was moved in, or a slice of a block: of the tail's if it owns none, else of
    // its own, which the slices right before it may share.
    struct Segment {
        std::string string;
        Block block;
        char* data;
        std::size_t size;

        bool is_slice_of_tail() const noexcept { return string.empty() && !block; }
    };
    struct Segments {
        std::vector<Segment> list;
        std::size_t first = 0; // those before it are sent
    };

    char* tail() const noexcept { return block_.get() + tail_; }
    std::size_t tail_room() const noexcept { return block_ ? block_size - tail_ - tail_size_ : 0; }
    void append_string(std::string&& data);
    void append_slowly(std::string_view data);
    void consume_part(std::size_t n) noexcept;
    void cut_tail();
    void add(Segment segment);
    Segment* last_slice() noexcept;
    void release_tail() noexcept;
    void clear() noexcept {
        give_block(std::move(block_));
        if (segments_)
            clear_segments();
        tail_size_ = 0;
        size_ = 0;
    }
    void clear_segments() noexcept;

    std::unique_ptr<Segments> segments_;
    Block block_;            // the tail's
    std::uint32_t tail_ = 0; // where it begins there
    std::uint32_t tail_size_ = 0;
    std::size_t size_ = 0;
};

} // namespace tornado::detail
