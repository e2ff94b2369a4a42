// SPDX-License-Identifier: BSL-1.0
#include "iostream/stream_core.hpp"

#include "tornado/log.hpp"

#include "transport/source_file.hpp"
#include "transport/stream_socket.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>

#include <algorithm>
#include <ctime>
#include <stdexcept>

namespace tornado::detail {

namespace {

// After so many steps other handlers of the loop have their turn, however few bytes were moved.
constexpr int steps_a_turn = 256;
// A turn that sends a file sends so much of it, in any company: sendfile(2) moves as much at a
// time, and of less the calls would cost more than the bytes.
constexpr std::size_t bytes_of_file = 64 * 1024;

constinit thread_local Company company;

template <class Callback>
void call_logged(char const* what, StreamCore const& stream, Callback&& callback) {
    try {
        callback();
    } catch (...) {
        log(Logger::application, LogLevel::error,
            std::string("Exception in ") + what + " of " + stream.name() + ": " +
                describe(std::current_exception()));
    }
}

// For the age of a stream: to some milliseconds, at a fraction of the price of the steady clock,
// whose time it is.
StreamCore::clock::time_point coarse_now() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return StreamCore::clock::time_point(std::chrono::seconds(now.tv_sec) +
                                         std::chrono::nanoseconds(now.tv_nsec));
}

// The first `most` bytes of a list of buffers.
std::span<asio::const_buffer> cut(std::span<asio::const_buffer> buffers, std::size_t most) {
    for (auto& buffer : buffers) {
        if (buffer.size() >= most) {
            buffer = asio::buffer(buffer, most);
            return buffers.first(static_cast<std::size_t>(&buffer - buffers.data()) + 1);
        }
        most -= buffer.size();
    }
    return buffers;
}

} // namespace

bool is_tls_failure(error_code ec) noexcept {
    return ec && ec.category() != boost::system::system_category() && ec != asio::error::eof;
}

StreamCore::StreamCore(std::unique_ptr<Transport> transport, StreamOptions const& options,
                       bool connected, std::uint64_t id)
    : transport_(std::move(transport)),
      in_(options),
      out_(options),
      linger_(options.linger),
      id_(id),
      born_(coarse_now()),
      share_(company),
      manners_(transport_->manners()),
      connected_(connected ? Connected::yes : Connected::no),
      half_close_(options.half_close) {
    if (!tie(transport_->executor()))
        context_ended();
}

StreamCore::~StreamCore() {
    free_descriptor();
}

void StreamCore::orphan() noexcept {
    stream_ = nullptr;
    close_callback_ = nullptr;
    close({});
}

// ---- A turn

void StreamCore::ready(Direction direction, error_code ec) {
    switch (direction) {
    case Direction::none:
        scheduled_ = false;
        break;
    case Direction::read:
        waiting_read_ = false;
        readable_ = true;
        break;
    case Direction::write:
        waiting_write_ = false;
        writable_ = true;
        break;
    case Direction::hang_up:
        if (!ec)
            check_lost();
        break;
    }
    if (ec && ec != asio::error::operation_aborted)
        shut(ec, false);
    turn();
}

void StreamCore::context_ended() noexcept {
    auto const self = weak_from_this().lock(); // what is dropped may be all that holds it
    if (state_ != State::closed && !error_)
        error_ = asio::error::operation_aborted;
    state_ = State::closed;
    awaited_ = Direction::none;
    ended_ = true;
    scheduled_ = false;
    abandon();
    free_descriptor();
    transport_->leave_context();
    drop_operations();
}

// What was asked for before the context ended, and after.
void StreamCore::drop_operations() noexcept {
    // Destroyed at the end of this scope, when nothing here refers to them any more.
    auto const self = weak_from_this().lock();
    auto const owner = std::move(owner_);
    auto const callback = std::exchange(close_callback_, nullptr);
    auto const waiter = std::move(waiter_);
    auto const writes = out_.forget();
    auto const read = in_.drop();
}

void StreamCore::post_turn() {
    if (!tied())
        return drop_operations();
    scheduled_ = true;
    asio::post(transport_->executor(), Wakeup(shared_from_this(), Direction::none));
}

void StreamCore::turn() {
    if (in_turn_)
        return; // a handler runs the context; the turn that called it goes on
    in_turn_ = true;
    count_turn();
    int left = steps_a_turn;
    auto const before = moved();
    auto const until = before + share_.begin(company);
    auto const end_turn = [&](bool more) {
        in_turn_ = false;
        share_.end(company, moved() - before);
        finish_turn(more);
    };
    try {
        while (left != 0 && step(until))
            --left;
    } catch (
        ...) { // a handler's exception is the loop's business; the stream goes on in another turn
        end_turn(true);
        throw;
    }
    end_turn(left == 0);
}

void StreamCore::finish_turn(bool more) {
    in_.settle();
    if (more || (unsent() && writable_ && usable()))
        schedule();
    else
        arm();
    auto const watermarks = closed() ? out_.take_watermarks() : nullptr; // it may hold the stream
    if (!in_flight() || connected_ == Connected::no) // only its owner could connect it
        auto const last = std::move(owner_);
}

inline bool StreamCore::finish_read() {
    auto const verdict = in_.examine(at_end());
    if (verdict == ReadSide::Verdict::more && !at_end())
        return false;
    if (verdict == ReadSide::Verdict::ready)
        in_.complete({});
    else
        fail_read(verdict);
    return true;
}

// One step, of what there is to do the first; false if there is nothing. Bytes are moved until so
// many were, in all.
bool StreamCore::step(std::uint64_t until) {
    if (connected_ == Connected::pending && proceed())
        return true;
    if (waiter_ && finish_waiting())
        return true;
    if (out_.due(may_complete())) {
        out_.complete();
        return true;
    }
    if (in_.due(at_end()) && finish_read())
        return true;
    if (unsent() && until > moved() && send(until - moved()))
        return true;
    if (end_wanted_ && send_end())
        return true;
    if (out_.crossed() && !closed()) {
        tell_crossing();
        return true;
    }
    if (readable_ && until > moved() && receive(until - moved()))
        return true;
    return closed() ? state_ == State::closed && finish_close() : ended_ && close_if_ended();
}

// One step towards the first byte, if what it waits for has come.
bool StreamCore::proceed() {
    if (freed_ || (awaited_ == Direction::read && !readable_) ||
        (awaited_ == Direction::write && !writable_))
        return false;
    error_code ec;
    auto const next = transport_->establish(ec);
    advance(next, ec);
    return true;
}

void StreamCore::advance(Direction next, error_code ec) {
    awaited_ = next;
    if (ec) {
        if (is_tls_failure(ec))
            log(Logger::general, LogLevel::warning, "SSL Error on " + name() + ": " + ec.message());
        return shut(ec, false);
    }
    switch (next) {
    case Direction::none:
        connected_ = Connected::yes;
        if (state_ == State::open)
            deadline_.reset();
        if (observer_)
            observer_->established();
        break;
    case Direction::read:
        readable_ = false;
        break;
    case Direction::write:
        writable_ = false;
        break;
    case Direction::hang_up: // nothing waits for that to be established
        break;
    }
}

bool StreamCore::finish_waiting() {
    if (connected_ == Connected::pending && !closed() && !wait_cancelled_)
        return false;
    auto const waiter = std::move(waiter_);
    auto const ec = closed()          ? close_error()
                    : wait_cancelled_ ? make_error_code(asio::error::operation_aborted)
                                      : error_code();
    (*waiter)(ec, ec ? nullptr : owner_);
    return true;
}

void StreamCore::fail_read(ReadSide::Verdict verdict) {
    error_code ec;
    if (verdict == ReadSide::Verdict::unsatisfiable) {
        ec = error::unsatisfiable_read;
        log(Logger::general, LogLevel::info, "Unsatisfiable read, closing " + name());
        shut(ec, true);
    } else if (verdict == ReadSide::Verdict::too_costly) {
        ec = error::expression_too_costly;
        log(Logger::general, LogLevel::warning,
            "Regular expression too costly on what was received, closing " + name());
        shut(ec, true);
    } else if (verdict == ReadSide::Verdict::overflow) {
        ec = error::buffer_full;
        log(Logger::general, LogLevel::error,
            "Reached maximum read buffer size, closing " + name());
        shut(ec, true);
    } else if (verdict == ReadSide::Verdict::cancelled) {
        ec = asio::error::operation_aborted;
    } else {
        ec = closed() || error_ ? close_error() : asio::error::eof;
    }
    in_.complete(ec);
}

bool StreamCore::finish_close() {
    if (!close_callback_)
        return false;
    call_logged("close callback", *this, *std::exchange(close_callback_, nullptr));
    return true;
}

bool StreamCore::send(std::size_t most) {
    if (!writable_ || !usable())
        return false;
    error_code ec;
    bool const took_all = out_.next_file() ? send_next_file(most, ec) : send_bytes(most, ec);
    if (!ec) {
        writable_ = took_all;
    } else if (ec == asio::error::would_block) {
        writable_ = false;
    } else {
        fail_sending(ec);
    }
    if (state_ == State::closed && !unsent() && !end_wanted_)
        free_descriptor();
    return true;
}

// True if the transport took all that it was given; so the next.
bool StreamCore::send_bytes(std::size_t most, error_code& ec) {
    union Uninitialized { // sixteen pairs of zeros would be a third of the cost
        Uninitialized() noexcept {}
        WriteSide::Buffers buffers;
    } room;
    most = static_cast<std::size_t>(std::min<std::uint64_t>(most, out_.before_file()));
    auto const gathered = cut(std::span(room.buffers).first(out_.gather(room.buffers)), most);
    auto const n = transport_->write_some(gathered, ec);
    out_.consume(n);
    count_sent(n, ec);
    return n == asio::buffer_size(gathered);
}

bool StreamCore::send_next_file(std::size_t most, error_code& ec) {
    auto const& file = *out_.next_file();
    auto const at = file.source->offset() + file.sent;
    auto const left = file.count - file.sent;
    auto const part =
        static_cast<std::size_t>(std::min<std::uint64_t>(left, std::max(most, bytes_of_file)));
    auto const n = transport_->send_file(file.source->descriptor(), at, part, ec);
    count_sent(n, ec);
    if (n != 0) {
        out_.consume_file(n);
    } else if (!ec) {
        log(Logger::general, LogLevel::warning,
            "send_file: a file has become shorter: nothing is left at offset " +
                std::to_string(at) + ", and " + std::to_string(left) +
                " bytes more were to be sent; closing " + name());
        shut(error::file_shrunk, true);
    }
    return n == part;
}

void StreamCore::count_sent(std::size_t n, error_code const& ec) noexcept {
    held_ = ec == asio::error::would_block && (held_ || n != 0);
}

void StreamCore::send_now() {
    while (unsent() && !out_.next_file() && send()) {
    }
}

void StreamCore::tell_crossing() {
    call_logged("write watermark callback", *this, [this] { out_.tell_crossing(); });
}

bool StreamCore::receive(std::size_t most) {
    if (ended_ || !usable())
        return false;
    if (closed())
        return end_sent_ && receive_and_discard();
    if (!wants_input())
        return false;
    if (auto const ec = receive_once(most))
        end(ec);
    return true;
}

// Gives the end of the stream, if that is what was received.
error_code StreamCore::receive_once(std::size_t most) {
    auto const room = in_.prepare(most);
    error_code ec;
    auto const n = transport_->read_some(room, ec);
    readable_ = !ec && (n == asio::buffer_size(room) || transport_->has_more());
    received_ += n;
    if (std::exchange(looking_, false))
        quick_ = n != 0;
    if (n != 0)
        in_.commit(n);
    return ec == asio::error::would_block ? error_code() : ec;
}

void StreamCore::arm() {
    if (connected_ == Connected::no || freed_)
        return;
    bool const pending = connected_ == Connected::pending;
    if (pending)
        hold();
    bool const output = pending ? awaited_ == Direction::write : unsent() && !writable_;
    if (output)
        wait_for(Direction::write, waiting_write_);
    if (output && ended_ && !half_close_ && !deadline_)
        start_deadline(linger_); // longer while the answer moves: see expire()
    bool const input = pending    ? awaited_ == Direction::read
                       : closed() ? end_wanted_ && end_sent_
                                  : !ended_ && wants_input();
    if (!input) {
        if (!output && !pending && !closed())
            wait_for(Direction::hang_up, waiting_hang_up_);
        return;
    }
    if (waiting_read_)
        return;
    if (readable_ || (!pending && looks_again()))
        return schedule();
    wait_for(Direction::read, waiting_read_);
}

void StreamCore::wait_for(Direction direction, bool& waiting) {
    if (!std::exchange(waiting, true))
        transport_->async_wait(direction, shared_from_this());
}

// A wait costs a call of its own. A peer that answers at once needs none: what it has sent is there
// when the others have had their turns. Whether it does, the last look has told; now and then one
// is tried.
bool StreamCore::looks_again() noexcept {
    constexpr unsigned period = 16;
    looking_ = in_.pending() && (quick_ || ++waits_ % period == 0);
    readable_ = readable_ || looking_;
    return looking_;
}

} // namespace tornado::detail
