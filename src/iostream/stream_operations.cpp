// SPDX-License-Identifier: BSL-1.0
// A stream's operations as they are asked for: what is refused at once, and what cancels them.
#include "iostream/stream_core.hpp"
#include "transport/source_file.hpp"

#include <boost/asio/error.hpp>

#include <stdexcept>

namespace tornado::detail {

namespace {

template <class Slot, class Cancel>
void on_cancel(Slot slot, Cancel cancel) {
    if (slot.is_connected())
        slot.assign([cancel = std::move(cancel)](asio::cancellation_type) { cancel(); });
}

} // namespace

template <class Result>
bool StreamCore::refuse_read(Completion<Result>& handler) {
    handler.post(transport_->executor(),
                 closed() ? close_error()
                          : make_error_code(manners_.reads ? error::already_reading
                                                           : error::wrong_direction),
                 Result());
    return false;
}

template bool StreamCore::refuse_read(StringCompletion&);
template bool StreamCore::refuse_read(SizeCompletion&);

void StreamCore::refuse_to_consume(std::size_t n) const {
    if (in_.pending())
        throw system_error(error::already_reading, "consume");
    throw std::invalid_argument("consume: " + std::to_string(n) + " bytes are to be taken, and " +
                                std::to_string(in_.size()) +
                                " are buffered; wait for more with fill");
}

void StreamCore::allow_cancel_read(asio::cancellation_slot slot) {
    slot.assign([weak = weak_from_this()](asio::cancellation_type) {
        if (auto const self = weak.lock()) {
            self->in_.cancel();
            self->schedule();
        }
    });
}

void StreamCore::await_read_outside() {
    if (!readable_ && !at_end() && in_.examine(false) == ReadSide::Verdict::more) {
        hold();
        arm(); // only the transport can help
    } else {
        schedule();
    }
}

void StreamCore::wait_queued(std::uint64_t end, error_code failure, VoidCompletion&& handler) {
    if (!failure && state_ == State::closed && !out_.is_complete(end))
        failure = close_error();
    auto const slot = handler.slot();
    allow_cancel(slot, out_.wait(end, failure, may_complete(), std::move(handler)));
    schedule();
}

void StreamCore::write_some(std::span<asio::const_buffer const> buffers, SizeCompletion&& handler) {
    if (closed() || end_wanted_ || !manners_.writes)
        return handler.post(transport_->executor(), cannot_write(), 0);
    auto const slot = handler.slot();
    allow_cancel(slot, out_.append_some(buffers, std::move(handler)));
    schedule();
}

void StreamCore::send_file(std::shared_ptr<SourceFile const> file, FileCompletion&& handler) {
    if (closed() || end_wanted_ || !manners_.writes)
        return handler.post(transport_->executor(), cannot_write(), 0);
    auto const slot = handler.slot();
    auto const count = file->count();
    allow_cancel(slot, out_.append_file(std::move(file), count, std::move(handler)));
    schedule();
}

// `pending`: what out_ made of an operation; null if there is nothing to cancel.
template <class Pending>
void StreamCore::allow_cancel(asio::cancellation_slot slot, Pending const* pending) {
    if (!pending || !slot.is_connected())
        return;
    on_cancel(slot, [weak = weak_from_this(), pending] {
        if (auto const self = weak.lock()) {
            self->out_.cancel(pending, self->may_complete());
            self->schedule();
        }
    });
}

void StreamCore::establish() {
    connected_ = Connected::pending;
    awaited_ = Direction::none;
    schedule();
}

void StreamCore::connect(Transport::Endpoint const& peer) {
    connected_ = Connected::pending;
    readable_ = false; // the peer has yet to say something
    error_code ec;
    auto const next = transport_->connect(peer, ec);
    advance(next, ec);
    if (in_turn_ || next == Direction::none)
        schedule();
    else
        arm();
}

error_code StreamCore::cannot_connect() const {
    switch (connected_) {
    case Connected::no:
        return cannot_wait();
    case Connected::pending:
        return closed() ? close_error() : make_error_code(asio::error::already_started);
    case Connected::yes:
        break;
    }
    return closed() ? close_error() : make_error_code(asio::error::already_connected);
}

error_code StreamCore::cannot_wait() const {
    return closed()  ? close_error()
           : waiter_ ? make_error_code(error::already_waiting)
                     : error_code();
}

void StreamCore::wait_established(Established&& handler, asio::cancellation_slot slot,
                                  bool or_close) {
    waiter_ = std::make_unique<Established>(std::move(handler));
    wait_cancelled_ = false;
    on_cancel(slot, [weak = weak_from_this(), or_close] {
        auto const self = weak.lock();
        if (!self)
            return;
        if (or_close)
            self->shut(asio::error::operation_aborted, false);
        self->wait_cancelled_ = true;
        self->schedule();
    });
    hold();
    if (connected_ != Connected::pending)
        schedule();
}

} // namespace tornado::detail
