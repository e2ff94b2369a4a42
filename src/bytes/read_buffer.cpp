// SPDX-License-Identifier: BSL-1.0
// Where received bytes are kept: in a lent block during a turn, in memory cut to size between
// turns.
#include "bytes/read_buffer.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace tornado::detail {
namespace {

constexpr std::size_t enough = block_size / 2; // room that makes a receive worth its system call
constexpr std::size_t smallest = 256;

// With a quarter to spare, so that a message which trickles in does not move at each step.
std::size_t capacity_for(std::size_t size) {
    return std::bit_ceil(std::max(size + size / 4, smallest));
}

void copy(char* to, char const* from, std::size_t n) noexcept {
    if (n > 0)
        std::memcpy(to, from, n);
}

} // namespace

ReadBuffer::~ReadBuffer() {
    release();
    give_block(std::move(overflow_));
}

std::array<std::span<char>, 2> ReadBuffer::prepare(std::size_t limit) {
    if (empty() && capacity_ < enough) { // no lent block, then
        storage_ = take_block();
        capacity_ = block_size;
        begin_ = end_ = 0;
    }
    auto const wanted = std::min(limit, enough);
    if (capacity_ - end_ < wanted && size() <= begin_) {
        copy(storage_.get(), storage_.get() + begin_, size());
        end_ = size();
        begin_ = 0;
    }
    std::span const spare(storage_.get() + end_, std::min(limit, capacity_ - end_));
    if (spare.size() >= wanted)
        return {spare, {}};

    // What precedes the overflow fits in front of it: then the overflow block can become the
    // storage.
    auto const front = capacity_ - begin_;
    auto const offset = front <= enough ? front : 0;
    if (!overflow_)
        overflow_ = take_block();
    return {spare, std::span(overflow_.get() + offset,
                             std::min(limit - spare.size(), block_size - offset))};
}

void ReadBuffer::commit(std::size_t n) {
    auto const spare = std::min(n, capacity_ - end_);
    auto const excess = n - spare;
    if (excess > 0) {
        auto const front = capacity_ - begin_;
        if (front <= enough) {
            copy(overflow_.get(), storage_.get() + begin_, front);
            release();
            storage_ = std::move(overflow_);
            capacity_ = block_size;
            end_ = front + excess;
            return;
        }
        end_ += spare;
        move_to(capacity_for(std::max(size() + excess, capacity_)));
        copy(storage_.get() + end_, overflow_.get(), excess);
        end_ += excess;
    } else {
        end_ += n;
    }
    give_block(std::move(overflow_));
}

std::size_t ReadBuffer::take_into(char* to, std::size_t n) noexcept {
    n = std::min(n, size());
    copy(to, storage_.get() + begin_, n);
    drop(n);
    return n;
}

void ReadBuffer::put_back(std::string_view bytes) {
    if (begin_ < bytes.size())
        move_to(capacity_for(size() + bytes.size()), bytes.size());
    begin_ -= bytes.size();
    copy(storage_.get() + begin_, bytes.data(), bytes.size());
}

void ReadBuffer::settle() {
    give_block(std::move(overflow_));
    if (empty())
        release();
    else if (size() < capacity_ / 4 && capacity_for(size()) < capacity_)
        move_to(capacity_for(size()));
}

// Moves the bytes to a new storage, `front` bytes behind its beginning.
void ReadBuffer::move_to(std::size_t capacity, std::size_t front) {
    auto storage = capacity == block_size ? take_block() : Block(new char[capacity]);
    auto const count = size();
    copy(storage.get() + front, storage_.get() + begin_, count);
    release();
    storage_ = std::move(storage);
    capacity_ = capacity;
    begin_ = front;
    end_ = front + count;
}

void ReadBuffer::release() noexcept {
    if (capacity_ == block_size)
        give_block(std::move(storage_));
    storage_.reset();
    capacity_ = begin_ = end_ = 0;
}

} // namespace tornado::detail
