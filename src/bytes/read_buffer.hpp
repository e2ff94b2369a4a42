// SPDX-License-Identifier: BSL-1.0
// The bytes that a stream has received and nobody has taken yet. No I/O.
#pragma once

#include "bytes/block_cache.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace tornado::detail {

/// A contiguous run of received bytes. Storage is lent by the thread's block cache while a stream
/// is at work; settle() gives it back and keeps what is left in memory of its own, cut to size.
class ReadBuffer {
public:
    ReadBuffer() = default;
    ReadBuffer(ReadBuffer const&) = delete;
    ReadBuffer& operator=(ReadBuffer const&) = delete;
    ~ReadBuffer();

    std::size_t size() const noexcept { return end_ - begin_; }
    bool empty() const noexcept { return begin_ == end_; }
    /// Valid until the next call that is not const.
    std::string_view view() const noexcept { return {storage_.get() + begin_, size()}; }

    /// Room for one receive of at most `limit` bytes (> 0): first what is spare behind the bytes,
    /// then, if that is short, a block to overflow into. The second span may be empty. Together at
    /// least min(limit, block_size / 2) bytes and at most `limit`. Valid until the next call that
    /// is not const.
    std::array<std::span<char>, 2> prepare(std::size_t limit);
    /// The first `n` bytes of what the last call, a prepare(), gave now hold received bytes.
    void commit(std::size_t n);

    /// The first `n` bytes (n <= size()), taken out; the string is a recycled one.
    std::string take(std::size_t n) {
        auto taken = take_string(n);
        taken.append(storage_.get() + begin_, n); // to nothing
        drop(n);
        return taken;
    }
    /// The first `n` bytes (n <= size()) are done with; what view() gave of the others stays valid.
    void drop(std::size_t n) noexcept {
        begin_ += n;
        if (begin_ == end_)
            begin_ = end_ = 0;
    }
    /// Copies the first min(n, size()) bytes to `to` and takes them out; returns how many.
    std::size_t take_into(char* to, std::size_t n) noexcept;
    /// Puts bytes back in front of all others.
    void put_back(std::string_view bytes);

    /// The stream goes idle: lent blocks go back, what is left moves to memory cut to its size when
    /// it fills less than a quarter of the storage.
    void settle();

private:
    void move_to(std::size_t capacity, std::size_t front = 0);
    void release() noexcept;

    Block storage_; // a lent block exactly when capacity_ is block_size
    Block overflow_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

} // namespace tornado::detail
