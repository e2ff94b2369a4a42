// SPDX-License-Identifier: BSL-1.0
#include "read_side.hpp"

#include <algorithm>

namespace tornado::detail {

ReadSide::ReadSide(StreamOptions const& options) noexcept
    : max_buffer_size_(options.max_buffer_size),
      chunk_size_(std::max<std::size_t>(1, std::min(options.read_chunk_size, max_buffer_size_))) {}

void ReadSide::start(asio::mutable_buffer into, bool partial, SizeCompletion&& handler) {
    into_ = into;
    filled_ = 0;
    partial_ = partial;
    handler_.emplace<SizeCompletion>(std::move(handler));
    pending_ = unexamined_ = true;
}

void ReadSide::cancel() noexcept {
    cancelled_ = pending();
}

// The stream's own buffer first, so that bytes keep their order (T089).
ReadSide::Verdict ReadSide::fill() {
    filled_ +=
        buffer_.take_into(static_cast<char*>(into_.data()) + filled_, into_.size() - filled_);
    bool const enough = filled_ == into_.size() || (partial_ && filled_ != 0);
    return enough ? Verdict::ready : Verdict::more;
}

// The handler may start the next read, so nothing here is touched once it runs.
void ReadSide::complete(error_code const& ec) {
    pending_ = cancelled_ = false;
    if (auto* const handler = std::get_if<StringCompletion>(&handler_))
        return (*handler)(ec, ec ? std::string() : buffer_.take(answer_));
    if (ec) { // nothing is lost: what it took goes back in front
        buffer_.put_back({static_cast<char const*>(into_.data()), filled_});
        filled_ = 0;
    }
    std::get<SizeCompletion>(handler_)(ec, filled_);
}

ReadSide::Handler ReadSide::drop() noexcept {
    pending_ = false;
    return std::move(handler_);
}

std::array<asio::mutable_buffer, 2> ReadSide::prepare() {
    if (into_pending())
        return {into_ + filled_, asio::mutable_buffer()};
    // One byte more than allowed tells a full buffer from one that would overflow.
    auto const allowed = max_buffer_size_ - std::min(buffer_.size(), max_buffer_size_);
    auto const spans = buffer_.prepare(allowed < chunk_size_ ? allowed + 1 : chunk_size_);
    return {asio::buffer(spans[0].data(), spans[0].size()),
            asio::buffer(spans[1].data(), spans[1].size())};
}

void ReadSide::commit(std::size_t n) {
    if (into_pending())
        filled_ += n;
    else
        buffer_.commit(n);
    unexamined_ = true;
}

} // namespace tornado::detail
