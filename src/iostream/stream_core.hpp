// SPDX-License-Identifier: BSL-1.0
// The body of a stream: the I/O side between its transport and its two halves.
#pragma once

#include "tornado/detail/function.hpp"
#include "tornado/iostream.hpp"
#include "tornado/netutil.hpp"

#include "iostream/fairness.hpp"
#include "iostream/read_side.hpp"
#include "iostream/write_side.hpp"
#include "transport/transport.hpp"

#include <boost/asio/steady_timer.hpp>

namespace tornado::detail {

class StreamCore;

/// Why a stream could not be established: something that TLS has found wrong, of which the stream
/// has written a line, rather than the system's word or an end.
bool is_tls_failure(error_code ec) noexcept;

/// What carries the bytes of an accepted connection, and owns it. Throws system_error when Asio
/// cannot take it, which is closed then.
std::unique_ptr<Transport> carrier_of(AcceptedSocket connection,
                                      asio::any_io_executor const& executor);

/// How long TLS's handshake may take where nobody says so. For tests to shorten.
extern std::chrono::steady_clock::duration handshake_limit;

/// Of one stream; told of each TLS handshake's end, and once, when its descriptor is free again.
class StreamObserver {
public:
    virtual void established() noexcept = 0;
    virtual void descriptor_freed() noexcept = 0;
    /// What a balancer said of it; null when nobody did.
    virtual std::shared_ptr<ProxyHeader const> proxy_header() const noexcept = 0;

protected:
    ~StreamObserver() = default;
};

/// Everything happens in a turn: turn(), run from the executor, takes steps until none is left to
/// take. A step completes one operation, or sends the queue, or receives once. So what the handlers
/// of one turn write leaves in one send, and a handler that starts the next read is served from the
/// buffer without leaving the turn.
///
///     open --close_after_flush--> flushing --all sent and the peer's end, or a deadline--> closed
///     open --close, a failure------------------------------------------------------------> closed
///     open --the peer's end: reads end now-----> open, until nothing is queued ----------> closed
///
/// A step that moves bytes is taken only while the turn's share lasts, so that a stream which could
/// go on for ever does not hold the loop.
///
/// A closed stream keeps its descriptor while what completed writes took is still being sent.
class StreamCore final : public Waiter, public std::enable_shared_from_this<StreamCore> {
public:
    using clock = std::chrono::steady_clock;

    /// `connected`: the transport can carry bytes now; otherwise connect() comes first.
    StreamCore(std::unique_ptr<Transport> transport, StreamOptions const& options,
               bool connected = true, std::uint64_t id = new_connection_id());
    StreamCore(StreamCore const&) = delete;
    StreamCore& operator=(StreamCore const&) = delete;
    ~StreamCore();

    /// `stream`: the public stream, to be kept alive while operations are in flight, until
    /// orphan().
    void serve(BaseIOStream& stream) noexcept {
        stream_ = &stream;
        owner_ = nullptr;
    }
    /// The public stream is gone: closes, and calls back no one.
    void orphan() noexcept;
    void observe(StreamObserver* observer) noexcept { observer_ = observer; }
    std::shared_ptr<ProxyHeader const> proxy_header() const noexcept {
        return observer_ ? observer_->proxy_header() : nullptr;
    }

    void read(ReadRequest&& request, StringCompletion&& handler) {
        if (may_read(handler)) {
            in_.start(std::move(request), std::move(handler));
            await_read();
        }
    }
    void read_into(asio::mutable_buffer buffer, bool partial, SizeCompletion&& handler) {
        if (may_read(handler)) {
            in_.start(buffer, partial, std::move(handler));
            await_read();
        }
    }
    void fill(SizeCompletion&& handler) { fill(in_.next_size(), std::move(handler)); }
    void fill(std::size_t n, SizeCompletion&& handler) {
        if (may_read(handler)) {
            in_.start(n, std::move(handler));
            await_read();
        }
    }
    std::string_view buffered() noexcept { return in_.show(); }
    void consume(std::size_t n) {
        if (in_.pending() || n > in_.size())
            refuse_to_consume(n);
        in_.consume(n);
    }
    template <class Data>
    std::uint64_t write(Data&& data, error_code& failure);
    void wait_written(std::uint64_t end, error_code const& failure, VoidCompletion&& handler) {
        if (!failure && may_complete() && out_.wait_complete(end, handler))
            schedule();
        else
            wait_queued(end, failure, std::move(handler));
    }
    void write_some(std::span<asio::const_buffer const> buffers, SizeCompletion&& handler);
    void send_file(std::shared_ptr<SourceFile const> file, FileCompletion&& handler);

    /// Who waits for the transport to be established; the stream is null if it failed, or if no
    /// shared_ptr owns it.
    using Established = Function<void(error_code, std::shared_ptr<BaseIOStream>)>;
    /// Begins what comes before the first byte.
    void establish();
    void connect(Transport::Endpoint const& peer);
    /// The same over the transport that `wrap` makes of the present one and of what that has not
    /// sent. Only if is_idle().
    template <class Wrap>
    void establish_over(Wrap wrap);
    /// Closes with `timed_out` what is not established by then.
    void limit_establishing(clock::duration limit) { start_deadline(limit); }
    /// What is under way keeps the public stream from here on, if a shared_ptr owns it: else from
    /// its first turn on.
    void keep_while_establishing() noexcept {
        if (connected_ == Connected::pending)
            hold();
    }
    /// Why connect() or wait_established() may not be called now.
    error_code cannot_connect() const;
    error_code cannot_wait() const;
    /// Cancelling it ends the wait; the stream too, if `or_close`.
    void wait_established(Established&& handler, asio::cancellation_slot slot, bool or_close);

    void set_close_callback(std::function<void()> callback);
    void set_write_watermarks(std::size_t low, std::size_t high,
                              std::function<void(bool)> callback) {
        out_.set_watermarks(low, high, std::move(callback));
        schedule();
    }
    void close(error_code cause);
    void close_after_flush(clock::duration deadline);
    /// Frees the descriptor at once; what is still to be sent, after a close too, is dropped.
    void abort(error_code cause);
    void shutdown_write();
    /// The open descriptor, and the bytes that nobody read.
    int release(std::string* unread);

    bool closed() const noexcept { return state_ != State::open; }
    bool established() const noexcept { return connected_ == Connected::yes; }
    /// Established, or on the way there.
    bool connects() const noexcept { return connected_ != Connected::no; }
    /// Established, nothing pending, nothing unread.
    bool is_idle() const noexcept {
        return !closed() && established() && !has_operations() && in_.empty() && !end_wanted_;
    }
    /// Nothing more will be received.
    bool at_end() const noexcept { return ended_ || state_ != State::open; }
    bool reading() const noexcept { return in_.pending() || awaited_ == Direction::read; }
    bool writing() const noexcept { return unsent(); }
    error_code error() const noexcept { return closed() ? error_ : error_code(); }
    std::uint64_t id() const noexcept { return id_; }
    /// The client behind a balancer, where that has said so; empty where there is none to name.
    Address peer() const;
    /// For log lines: connection_name().
    std::string name() const;
    std::uint64_t bytes_read() const noexcept { return received_; }
    std::uint64_t bytes_written() const noexcept { return out_.sent(); }
    /// A read waits for bytes that could come.
    bool awaits_bytes() const noexcept { return in_.pending() && established() && !at_end(); }
    /// Bytes that no completed read has taken.
    std::size_t unread() const noexcept { return in_.unread(); }
    Transport& transport() const noexcept { return *transport_; }

private:
    enum class State : unsigned char { open, flushing, closed };
    enum class Connected : unsigned char { no, pending, yes };

    void ready(Direction direction, error_code ec) override;
    void context_ended() noexcept override;
    void describe_to(std::string& lines) const override;
    void drop_operations() noexcept;

    /// The public stream lives while operations are in flight.
    void hold() noexcept {
        if (!owner_ && stream_)
            owner_ = stream_->weak_from_this().lock();
    }
    /// Something is to be done: in this turn, or in one to come.
    void schedule() {
        hold();
        if (!in_turn_ && !scheduled_)
            post_turn();
    }
    void post_turn();
    void turn();
    void finish_turn(bool more);
    bool step(std::uint64_t until);
    bool proceed();
    void advance(Direction next, error_code ec);
    bool finish_waiting();
    bool finish_read();
    void fail_read(ReadSide::Verdict verdict);
    bool finish_close();
    bool send(std::size_t most = no_limit);
    bool send_bytes(std::size_t most, error_code& ec);
    bool send_next_file(std::size_t most, error_code& ec);
    void count_sent(std::size_t n, error_code const& ec) noexcept;
    /// As much as the kernel takes now, of what is before any file.
    void send_now();
    bool send_end();
    void fail_sending(error_code cause);
    bool close_if_ended();
    void tell_crossing();
    bool receive(std::size_t most);
    error_code receive_once(std::size_t most = no_limit);
    bool receive_and_discard();
    void take_last_words();
    void check_lost();
    void arm();
    void wait_for(Direction direction, bool& waiting);
    bool looks_again() noexcept;

    template <class Result>
    bool may_read(Completion<Result>& handler) {
        if (in_.pending() || !manners_.reads)
            return refuse_read(handler);
        if (auto const slot = handler.slot(); slot.is_connected())
            allow_cancel_read(slot);
        return true;
    }
    template <class Result>
    bool refuse_read(Completion<Result>& handler);
    [[noreturn]] void refuse_to_consume(std::size_t n) const;
    void allow_cancel_read(asio::cancellation_slot slot);
    void await_read() {
        if (in_turn_)
            hold();
        else
            await_read_outside();
    }
    void await_read_outside();
    void wait_queued(std::uint64_t end, error_code failure, VoidCompletion&& handler);
    template <class Pending>
    void allow_cancel(asio::cancellation_slot slot, Pending const* pending);
    bool wants_input() const noexcept {
        return in_.pending() || (manners_.reads_ahead && in_.wants_input(watching()));
    }
    error_code cannot_write() const;
    bool usable() const noexcept { return connected_ == Connected::yes && !freed_; }
    bool may_complete() const noexcept {
        return connected_ == Connected::yes || closed();
    } // a write
    /// Bytes wait to be sent, here or in the transport.
    bool unsent() const noexcept { return !out_.empty() || held_; }
    bool has_operations() const noexcept;
    bool in_flight() const noexcept;
    error_code close_error() const;
    /// Bytes that were moved, in all.
    std::uint64_t moved() const noexcept { return received_ + out_.sent(); }
    /// The peer's end, or a reset, is looked out for while bytes are unread, too.
    bool watching() const noexcept { return close_callback_ != nullptr; }
    void end(error_code cause);
    void shut(error_code cause, bool keep_completed);
    void free_descriptor() noexcept;
    void start_deadline(clock::duration delay);
    void expire();
    void abandon();

    std::unique_ptr<Transport> transport_;
    BaseIOStream* stream_ = nullptr;
    std::shared_ptr<BaseIOStream> owner_; // while in_flight()
    StreamObserver* observer_ = nullptr;
    ReadSide in_;
    WriteSide out_;
    std::unique_ptr<Established> waiter_;                   // few streams have one
    std::unique_ptr<std::function<void()>> close_callback_; // and few have one
    struct Deadline {
        asio::steady_timer timer;
        std::uint64_t moved; // when it was set: what still moves is given more time
    };
    std::unique_ptr<Deadline> deadline_;
    clock::duration linger_;
    std::uint64_t id_;
    clock::time_point born_;
    std::uint64_t received_ = 0;
    Share share_;
    error_code error_;

    Transport::Manners manners_;
    State state_ = State::open;
    Connected connected_;
    Direction awaited_ = Direction::none; // while connected_ is pending
    bool half_close_;
    bool readable_ = true;      // worth an attempt: not known to be empty
    bool writable_ = true;      // worth an attempt: not known to be full
    bool waiting_read_ = false; // a wait of the transport is pending
    bool waiting_write_ = false;
    bool waiting_hang_up_ = false; // or has been told what is none, and does not ask again
    bool scheduled_ = false;       // a turn is posted
    bool in_turn_ = false;
    bool freed_ = false;          // the descriptor is
    bool wait_cancelled_ = false; // that of waiter_
    bool held_ = false;           // the transport has taken bytes that it has yet to send
    bool ended_ = false; // nothing more will be received; if the stream is open, error_ tells why
    bool end_wanted_ = false; // the write side is to end after the queue
    bool end_sent_ = false;
    bool looking_ = false; // the next receive is a look again
    bool quick_ = false;   // the last look was worth it
    unsigned char waits_ = 0;
};

template <class Data>
std::uint64_t StreamCore::write(Data&& data, error_code& failure) {
    if (closed() || end_wanted_ || !manners_.writes) {
        failure = cannot_write();
        return 0;
    }
    auto const end = out_.append(std::forward<Data>(data), failure);
    schedule();
    return end;
}

template <class Wrap>
void StreamCore::establish_over(Wrap wrap) {
    send_now();
    transport_ = wrap(std::move(transport_), out_.take_unsent());
    establish();
}

/// The body of a public stream, for the parts of the library that need it.
struct StreamAccess {
    static StreamCore& core(BaseIOStream& stream) noexcept { return *stream.core_; }
    static void give_body(BaseIOStream& stream, std::shared_ptr<StreamCore> core) noexcept {
        core->serve(stream);
        stream.core_ = std::move(core);
    }
};

} // namespace tornado::detail
