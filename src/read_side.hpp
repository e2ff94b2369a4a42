// SPDX-License-Identifier: BSL-1.0
// The reading half of a stream: its buffer, the one pending read, and what that read is owed.
#pragma once

#include "tornado/iostream.hpp"

#include "read_buffer.hpp"
#include "read_request.hpp"

#include <array>
#include <variant>

namespace tornado::detail {

/// Fed with what the transport received; says when the pending read is complete. Never touches a
/// transport.
class ReadSide {
public:
    /// What can be done for the pending read.
    enum class Verdict : unsigned char { none, more, ready, unsatisfiable, overflow, cancelled };

    using Handler = std::variant<StringCompletion, SizeCompletion>;

    explicit ReadSide(StreamOptions const& options) noexcept;

    bool pending() const noexcept { return pending_; }
    /// Only while none is pending.
    void start(ReadRequest&& request, StringCompletion&& handler) {
        request_ = std::move(request);
        handler_.emplace<StringCompletion>(std::move(handler));
        pending_ = unexamined_ = true;
    }
    void start(asio::mutable_buffer into, bool partial, SizeCompletion&& handler);
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

    /// True if the pending read needs bytes, or if none are buffered ahead.
    bool wants_input() const noexcept { return pending_ || buffer_.empty(); }
    /// Room to receive into; commit() says how much of it was filled.
    std::array<asio::mutable_buffer, 2> prepare();
    void commit(std::size_t n);
    /// The turn is over: memory that is not needed goes back.
    void settle() { buffer_.settle(); }

    std::string take_all() { return buffer_.take(buffer_.size()); }
    bool empty() const noexcept { return buffer_.empty(); }
    /// Gives up the pending read's handler without calling it.
    Handler drop() noexcept;

private:
    Verdict look(bool at_end);
    Verdict fill();
    bool into_pending() const noexcept { return pending_ && handler_.index() == 1; }

    std::size_t max_buffer_size_;
    std::size_t chunk_size_;
    ReadBuffer buffer_;
    ReadRequest request_;
    Handler handler_;
    asio::mutable_buffer into_; // of a pending read_into
    std::size_t filled_ = 0;    // bytes of into_ that are there
    std::size_t answer_ = 0;    // bytes that satisfy request_
    bool pending_ = false;
    bool partial_ = false;
    Verdict verdict_ = Verdict::none; // the last
    bool unexamined_ = false;         // something changed since then
    bool cancelled_ = false;
};

inline ReadSide::Verdict ReadSide::look(bool at_end) {
    if (handler_.index() == 1)
        return fill();
    auto const answer =
        at_end ? request_.examine_at_end(buffer_.view()) : request_.examine(buffer_.view());
    switch (answer.what) {
    case ReadRequest::Answer::What::ready:
        answer_ = answer.bytes;
        return Verdict::ready;
    case ReadRequest::Answer::What::unsatisfiable:
        return Verdict::unsatisfiable;
    case ReadRequest::Answer::What::more:
        break;
    }
    return buffer_.size() > max_buffer_size_ ? Verdict::overflow : Verdict::more;
}

} // namespace tornado::detail
