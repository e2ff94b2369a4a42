// SPDX-License-Identifier: BSL-1.0
// Bytes that wait to be sent, small ones side by side so that a turn's writes leave in one call.
#pragma once

#include "block_cache.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tornado::detail {

/// A byte queue in segments, without I/O. Small data are copied behind each other into blocks lent
/// by the thread's block cache; large strings are kept as they are and never copied (T145).
class WriteQueue {
public:
    WriteQueue() = default;
    WriteQueue(WriteQueue const&) = delete;
    WriteQueue& operator=(WriteQueue const&) = delete;
    ~WriteQueue();

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
        auto& tail = segments_.back();
        std::memcpy(tail.data + tail.size, data.data(), data.size());
        tail.size += data.size();
        size_ += data.size();
    }

    /// Fills `spans` with the first segments in order, none of them empty, and returns how many
    /// were filled; 0 when the queue is empty. Valid until the next call that is not const.
    /// `Span` is made of a pointer and a size.
    template <class Span>
    std::size_t gather(std::span<Span> spans) const noexcept {
        auto const count = std::min(spans.size(), segments_.size() - first_);
        for (std::size_t i = 0; i < count; ++i)
            spans[i] = Span(segments_[first_ + i].data, segments_[first_ + i].size);
        return count;
    }
    /// The first `n` bytes (n <= size()) are sent: drops them and gives back what they occupied.
    void consume(std::size_t n) noexcept;
    /// Keeps only the first `n` bytes.
    void truncate(std::size_t n) noexcept;

private:
    // A range of a string that was moved in, or of a block. Segments may share a block; the last of
    // them in the queue owns it, because it is drained last.
    struct Segment {
        std::string string;
        Block block;
        char* data;
        std::size_t size;
    };

    // Above it a segment of its own costs less than the copy; Tornado's figure.
    static constexpr std::size_t max_small = 2048;

    void append_string(std::string&& data);
    // What the last segment can still take in place.
    std::size_t tail_room() const noexcept {
        if (segments_.empty() || !segments_.back().block)
            return 0;
        auto const& tail = segments_.back();
        return static_cast<std::size_t>(tail.block.get() + block_size - tail.data) - tail.size;
    }
    void append_slowly(std::string_view data);
    Segment& writable_segment();
    void make_room();
    void clear() noexcept;

    std::vector<Segment> segments_;
    std::size_t first_ = 0; // those before it are sent
    std::size_t size_ = 0;
};

} // namespace tornado::detail
