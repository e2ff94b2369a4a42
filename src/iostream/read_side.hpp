// SPDX-License-Identifier: BSL-1.0
// The reading half of a stream: its buffer, the one pending read, and what that read is owed.
#pragma once

#include "tornado/base_iostream.hpp"

#include "bytes/read_buffer.hpp"
#include "bytes/read_request.hpp"

#include <array>
#include <cstdint>
#include <variant>

namespace tornado::detail {

/// Fed with what the transport received; says when the pending read is complete. Never touches a
/// transport.
class ReadSide {
public:
    /// What can be done for the pending read.
    enum class Verdict : unsigned char {
        none,
        more,
        ready,
        unsatisfiable,
        too_costly,
        overflow,
        cancelled,
    };

    explicit ReadSide(StreamOptions const& options) noexcept;

    bool pending() const noexcept { return pending_; }
    /// Only while none is pending.
    void start(ReadRequest&& request, StringCompletion&& handler) {
        read_.emplace<StringRead>(std::move(request), std::move(handler));
        pending_ = unexamined_ = true;
    }
    void start(asio::mutable_buffer into, bool partial, SizeCompletion&& handler) {
        read_.emplace<IntoRead>(into, partial, std::move(handler));
        bytes_ = 0;
        pending_ = unexamined_ = true;
    }
    /// A read that takes nothing: due when `n` bytes are buffered.
    void start(std::size_t n, SizeCompletion&& handler) {
        read_.emplace<FillRead>(n, std::move(handler));
        pending_ = unexamined_ = true;
    }
    /// The pending read is to complete with operation_aborted; what it took is put back.
    void cancel() noexcept;

    /// True if a verdict on the pending read may be other than `more`.
    bool due(bool at_end) const noexcept {
        return pending_ && (unexamined_ || at_end || cancelled_ || verdict_ != Verdict::more);
    }
    /// `at_end`: nothing more will be received.
    Verdict examine(bool at_end) {
        if (!pending_)
            return Verdict::none;
        if (cancelled_)
            return Verdict::cancelled;
        if (unexamined_ || (at_end && verdict_ == Verdict::more))
            verdict_ = look(at_end);
        unexamined_ = false;
        return verdict_;
    }
    /// Ends the pending read, with what it asked for if the verdict was `ready` and `ec` is empty.
    void complete(error_code const& ec);

    /// True if the pending read needs bytes, or if none are buffered ahead; with `watching`, if
    /// less than a chunk is.
    bool wants_input(bool watching = false) const noexcept {
        return pending_ || buffer_.size() < (watching ? chunk_size_ : 1);
    }
    /// Whether the buffer has room, by the stream's limit.
    bool has_room() const noexcept { return buffer_.size() < max_buffer_size_; }
    /// Room to receive into, for `most` bytes at most; commit() says how much of it was filled.
    std::array<asio::mutable_buffer, 2> prepare(std::size_t most = no_limit);
    void commit(std::size_t n);
    /// The turn is over: memory that is not needed goes back.
    void settle() { buffer_.settle(); }

    /// What is buffered; whoever asks has seen it.
    std::string_view show() noexcept {
        unseen_ = false;
        return buffer_.view();
    }
    /// For how many buffered bytes one waits who wants to see more.
    std::size_t next_size() const noexcept {
        return buffer_.size() + (buffer_.empty() || !unseen_);
    }
    std::size_t size() const noexcept { return buffer_.size(); }
    /// Only while no read is pending; n <= size().
    void consume(std::size_t n) noexcept { buffer_.drop(n); }

    std::string take_all() { return buffer_.take(buffer_.size()); }
    bool empty() const noexcept { return buffer_.empty(); }
    /// Bytes in the buffer, and those that the pending read has in its own.
    std::size_t unread() const noexcept {
        bool const into = pending_ && std::holds_alternative<IntoRead>(read_);
        return buffer_.size() + (into ? bytes_ : 0);
    }
    /// The pending read in words; empty if there is none.
    std::string describe() const;
    /// Gives up the pending read, its handler uncalled.
    auto drop() noexcept {
        pending_ = false;
        return std::move(read_);
    }

private:
    struct StringRead {
        StringRead() = default;
        StringRead(ReadRequest&& r, StringCompletion&& h) noexcept
            : request(std::move(r)), handler(std::move(h)) {}

        ReadRequest request;
        StringCompletion handler;
    };
    struct IntoRead {
        IntoRead(asio::mutable_buffer b, bool p, SizeCompletion&& h) noexcept
            : buffer(b), partial(p), handler(std::move(h)) {}

        asio::mutable_buffer buffer;
        bool partial;
        SizeCompletion handler;
    };

    struct FillRead {
        FillRead(std::size_t size, SizeCompletion&& h) noexcept : n(size), handler(std::move(h)) {}

        std::size_t n;
        SizeCompletion handler;
    };

    Verdict look(bool at_end);
    Verdict look(IntoRead const& read);
    Verdict look(FillRead const& read) const noexcept;
    /// The pending read whose memory is to be received into.
    IntoRead const* into_pending() const noexcept {
        auto const* const into = pending_ ? std::get_if<IntoRead>(&read_) : nullptr;
        return into && bytes_ != into->buffer.size() ? into : nullptr;
    }

    std::size_t max_buffer_size_;
    ReadBuffer buffer_;
    std::variant<StringRead, IntoRead, FillRead> read_; // the pending one, or the last
    std::size_t bytes_ = 0; // which satisfy it, or are in its buffer already
    std::uint32_t chunk_size_;
    bool pending_ = false;
    Verdict verdict_ = Verdict::none; // the last
    bool unexamined_ = false;         // something changed since then
    bool unseen_ = false;             // bytes have come since show()
    bool cancelled_ = false;
};

inline ReadSide::Verdict ReadSide::look(bool at_end) {
    auto* const read = std::get_if<StringRead>(&read_);
    if (!read)
        return std::holds_alternative<IntoRead>(read_) ? look(*std::get_if<IntoRead>(&read_))
                                                       : look(*std::get_if<FillRead>(&read_));
    auto const buffered = buffer_.view();
    auto const answer =
        at_end ? read->request.examine_at_end(buffered) : read->request.examine(buffered);
    switch (answer.what) {
    case ReadRequest::Answer::What::ready:
        bytes_ = answer.bytes;
        return Verdict::ready;
    case ReadRequest::Answer::What::unsatisfiable:
        return Verdict::unsatisfiable;
    case ReadRequest::Answer::What::too_costly:
        return Verdict::too_costly;
    case ReadRequest::Answer::What::more:
        break;
    }
    return buffered.size() > max_buffer_size_ ? Verdict::overflow : Verdict::more;
}

} // namespace tornado::detail
