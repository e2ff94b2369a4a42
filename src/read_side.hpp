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
    void start(ReadRequest&& request, StringCompletion&& handler);
    void start(asio::mutable_buffer into, bool partial, SizeCompletion&& handler);
    /// The pending read is to complete with operation_aborted; what it took is put back.
    void cancel() noexcept;

    /// `at_end`: nothing more will be received.
    Verdict examine(bool at_end);
    /// Ends the pending read, with what it asked for if the verdict was `ready` and `ec` is empty.
    void complete(error_code ec);

    /// True if the pending read needs bytes, or if none are buffered ahead.
    bool wants_input() const noexcept;
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

} // namespace tornado::detail
