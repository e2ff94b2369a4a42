// SPDX-License-Identifier: BSL-1.0
#include "iostream/read_side.hpp"

#include <algorithm>
#include <string>

namespace tornado::detail {

namespace {
constexpr std::size_t max_chunk = 1 << 30;
}

ReadSide::ReadSide(StreamOptions const& options) noexcept
    : max_buffer_size_(options.max_buffer_size),
      chunk_size_(static_cast<std::uint32_t>(std::clamp<std::size_t>(
          std::min(options.read_chunk_size, max_buffer_size_), 1, max_chunk))) {}

std::string ReadSide::describe() const {
    if (!pending_)
        return {};
    if (auto const* const read = std::get_if<StringRead>(&read_))
        return read->request.describe();
    if (auto const* const fill = std::get_if<FillRead>(&read_))
        return "waits until " + std::to_string(fill->n) + " bytes are buffered";
    auto const& into = *std::get_if<IntoRead>(&read_);
    return std::string("reads ") + (into.partial ? "up to " : "") +
           std::to_string(into.buffer.size()) + " bytes";
}

void ReadSide::cancel() noexcept {
    cancelled_ = pending();
}

// The stream's own buffer first, so that bytes keep their order (T089).
ReadSide::Verdict ReadSide::look(IntoRead const& read) {
    auto const rest = read.buffer + bytes_;
    bytes_ += buffer_.take_into(static_cast<char*>(rest.data()), rest.size());
    bool const done = bytes_ == read.buffer.size() || (read.partial && bytes_ != 0);
    return done ? Verdict::ready : Verdict::more;
}

// What the limit forbids to wait for is an overflow as soon as it is passed.
ReadSide::Verdict ReadSide::look(FillRead const& read) const noexcept {
    auto const size = buffer_.size();
    if (size >= read.n && read.n <= max_buffer_size_)
        return Verdict::ready;
    return size > max_buffer_size_ ? Verdict::overflow : Verdict::more;
}

// The handler may start the next read, so nothing here is touched once it runs.
void ReadSide::complete(error_code const& ec) {
    pending_ = cancelled_ = false;
    if (auto* const read = std::get_if<StringRead>(&read_))
        return read->handler(ec, ec ? std::string() : buffer_.take(bytes_));
    if (auto* const fill = std::get_if<FillRead>(&read_)) {
        unseen_ = unseen_ && ec; // whoever is told the size knows of all
        return fill->handler(ec, buffer_.size());
    }
    auto& into = *std::get_if<IntoRead>(&read_);
    if (ec) { // nothing is lost: what it took goes back in front
        buffer_.put_back({static_cast<char const*>(into.buffer.data()), std::exchange(bytes_, 0)});
        unseen_ = true;
    }
    into.handler(ec, bytes_);
}

std::array<asio::mutable_buffer, 2> ReadSide::prepare(std::size_t most) {
    if (auto const* const into = into_pending())
        return {asio::buffer(into->buffer + bytes_, most), asio::mutable_buffer()};
    auto const size = buffer_.size();
    auto const allowed = max_buffer_size_ - std::min(size, max_buffer_size_);
    // Without a read to serve, no more than a chunk is looked ahead (T085).
    auto const wanted = pending_ || size >= chunk_size_ ? chunk_size_ : chunk_size_ - size;
    // One byte more than allowed tells a full buffer from one that would overflow a read.
    auto const spans =
        buffer_.prepare(std::min(allowed < wanted ? allowed + pending_ : wanted, most));
    return {asio::buffer(spans[0].data(), spans[0].size()),
            asio::buffer(spans[1].data(), spans[1].size())};
}

void ReadSide::commit(std::size_t n) {
    if (into_pending())
        bytes_ += n;
    else
        buffer_.commit(n);
    unexamined_ = unseen_ = true;
}

} // namespace tornado::detail
