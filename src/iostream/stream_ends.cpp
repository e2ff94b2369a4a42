// SPDX-License-Identifier: BSL-1.0
// How a stream ends: by its user, by its peer, by a failure, and what is still sent and received
// after that.
#include "tornado/log.hpp"

#include "bytes/block_cache.hpp"
#include "iostream/stream_core.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>

namespace tornado::detail {

namespace {

bool is_reset(error_code ec) noexcept {
    return ec == asio::error::connection_reset || ec == asio::error::connection_aborted ||
           ec == asio::error::broken_pipe || ec == asio::error::timed_out;
}

} // namespace

// ---- Asked for

void StreamCore::set_close_callback(std::function<void()> callback) {
    close_callback_ =
        callback ? std::make_unique<std::function<void()>>(std::move(callback)) : nullptr;
    if (state_ == State::closed)
        schedule();
    else if (!in_turn_)
        arm(); // an idle stream notices the peer's end too (T074)
}

void StreamCore::close(error_code cause) {
    send_now(); // (T101)
    shut(cause, true);
}

void StreamCore::close_after_flush(clock::duration deadline) {
    if (closed())
        return;
    state_ = State::flushing;
    end_wanted_ = true;
    start_deadline(deadline);
    schedule();
}

void StreamCore::abort(error_code cause) {
    shut(cause, false);
    abandon();
    free_descriptor();
}

void StreamCore::shutdown_write() {
    if (closed())
        return;
    end_wanted_ = true;
    schedule();
}

int StreamCore::release(std::string* unread) {
    if (in_flight() || closed() || (!unread && !in_.empty()))
        throw system_error(error::not_idle,
                           "release: operations are in flight, or bytes wait in a buffer");
    error_code ec;
    auto const descriptor = transport_->release(ec);
    if (ec)
        throw system_error(ec, "release");
    if (unread)
        *unread = in_.take_all();
    close_callback_ = nullptr;
    shut({}, false);
    return descriptor;
}

// ---- Met with

error_code StreamCore::cannot_write() const {
    return closed()           ? close_error()
           : !manners_.writes ? make_error_code(error::wrong_direction)
                              : make_error_code(asio::error::broken_pipe);
}

bool StreamCore::has_operations() const noexcept {
    return in_.pending() || out_.waiting() || waiter_;
}

bool StreamCore::in_flight() const noexcept {
    return has_operations() || unsent() || state_ == State::flushing ||
           (connected_ == Connected::pending && !closed()) ||
           (state_ == State::closed && close_callback_);
}

error_code StreamCore::close_error() const {
    return error_ ? error_ : make_error_code(error::stream_closed);
}

// The peer's end, or a failure to receive.
void StreamCore::end(error_code cause) {
    // TLS that ends without a word is an end like any other (T139).
    bool const clean = cause == asio::error::eof || cause == asio::ssl::error::stream_truncated;
    if (!clean) {
        if (!is_reset(cause))
            log(Logger::general, LogLevel::warning,
                "error on read from " + name() + ": " + cause.message());
        return shut(cause, false);
    }
    if (!half_close_ && !unsent())
        return shut(cause, true);
    ended_ = true;
    if (!half_close_ && !error_)
        error_ = cause; // and close_if_ended() follows
}

void StreamCore::shut(error_code cause, bool keep_completed) {
    if (state_ == State::closed)
        return;
    state_ = State::closed;
    if (!error_)
        error_ = cause;
    awaited_ = Direction::none;
    bool const keep = keep_completed && established();
    out_.drop(close_error(), keep);
    held_ = held_ && keep;
    end_wanted_ = keep && !freed_ && transport_->must_linger();
    ended_ = !end_wanted_;
    if (!unsent() && !end_wanted_)
        free_descriptor();
    else
        start_deadline(linger_);
    schedule();
}

void StreamCore::free_descriptor() noexcept {
    if (std::exchange(freed_, true))
        return;
    transport_->close();
    deadline_.reset();
    if (auto* const observer = std::exchange(observer_, nullptr))
        observer->descriptor_freed();
}

void StreamCore::start_deadline(clock::duration delay) {
    deadline_.reset(new Deadline{asio::steady_timer(transport_->executor(), delay), moved()});
    deadline_->timer.async_wait([weak = weak_from_this()](error_code ec) {
        if (auto const self = weak.lock(); self && !ec)
            self->expire();
    });
}

void StreamCore::expire() {
    if (state_ == State::open && ended_ && unsent() && deadline_->moved != moved())
        return start_deadline(linger_);
    abort(asio::error::timed_out);
}

// What was still to be sent after the close.
void StreamCore::abandon() {
    out_.drop(close_error(), false);
    held_ = false;
    end_wanted_ = false;
}

void StreamCore::fail_sending(error_code cause) {
    // A broken pipe tells that the peer is gone; the kernel may still know why.
    if (cause == asio::error::broken_pipe)
        if (auto const why = transport_->lost(); why && why != asio::error::eof)
            cause = why;
    take_last_words();
    if (!is_reset(cause))
        log(Logger::general, LogLevel::warning,
            "Write error on " + name() + ": " + cause.message());
    shut(cause, false);
    abandon();
}

bool StreamCore::send_end() {
    if (!end_wanted_ || unsent() || !usable() || (end_sent_ && !ended_))
        return false;
    if (!end_sent_) {
        error_code ec; // a connection that is gone shows itself in the next receive
        transport_->shutdown_write(ec);
        held_ = ec == asio::error::would_block;
        writable_ = !held_;
        end_sent_ = !held_;
    }
    if (state_ == State::flushing && !manners_.lingers)
        ended_ = true;
    if (ended_ && end_sent_) // both sides are over
        shut(state_ == State::flushing ? error_code() : asio::error::eof, false);
    return true;
}

// What was being written when the peer's end was seen has left.
bool StreamCore::close_if_ended() {
    if (half_close_ || unsent() || state_ != State::open)
        return false;
    shut(error_, true);
    return true;
}

// What the peer sent before the connection was lost is delivered before that is told. It is in the
// kernel's buffer, and taken from there as far as the stream's limit goes.
void StreamCore::take_last_words() {
    readable_ = !ended_ && !closed();
    while (readable_ && in_.has_room() && !receive_once()) {
    }
}

// Nothing else tells of a lost connection while neither bytes nor room for bytes is waited for.
void StreamCore::check_lost() {
    auto const cause = closed() ? error_code() : transport_->lost();
    if (!cause)
        return; // such as urgent data: asked once more, it would be told again at once
    take_last_words();
    if (ended_)
        shut(cause, false);
    else
        end(cause);
}

// The peer's last words after close_after_flush, so that the kernel does not answer them with a
// reset.
bool StreamCore::receive_and_discard() {
    auto block = take_block();
    asio::mutable_buffer const room(block.get(), block_size);
    error_code ec;
    auto const n = transport_->read_some({&room, 1}, ec);
    give_block(std::move(block));
    readable_ = n == block_size || transport_->has_more();
    received_ += n;
    if (ec && ec != asio::error::would_block) {
        shut({}, false);
        if (!freed_) // it lingered
            free_descriptor();
    }
    return true;
}

} // namespace tornado::detail
