// SPDX-License-Identifier: BSL-1.0
// The seam between a stream and what carries its bytes: a socket, TLS over one, a pipe, a test's
// script.
#pragma once

#include "tornado/error.hpp"

#include "tether.hpp"
#include "transport/wait_memory.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace tornado::detail {

/// What a wait is for: bytes, room for bytes, or the loss of the connection, which is a hang-up
/// of both directions or an error.
enum class Direction : unsigned char { none, read, write, hang_up };

/// Who waits for a transport. Shared, because a wait keeps its waiter alive. A Tether, because a
/// wait whose context ends first is never told.
class Waiter : public Tether {
public:
    /// The wait has ended: the direction is worth an attempt, or `ec` says why it never will be.
    virtual void ready(Direction direction, error_code ec) = 0;

    WaitMemory& wait_memory() noexcept { return wait_memory_; }

protected:
    ~Waiter() = default;

private:
    WaitMemory wait_memory_;
};

/// The handler of a wait.
class Wakeup {
public:
    Wakeup(std::shared_ptr<Waiter> waiter, Direction direction) noexcept
        : waiter_(std::move(waiter)), direction_(direction) {}

    void operator()(error_code ec = {}) { waiter_->ready(direction_, ec); }

protected:
    Waiter& waiter() const noexcept { return *waiter_; }

private:
    std::shared_ptr<Waiter> waiter_;
    Direction direction_;
};

/// The same in the waiter's own memory, which Asio gives back while it still has the handler. Only
/// for waits that begin and end where the waiter runs.
class WakeupInPlace : public Wakeup {
public:
    using Wakeup::Wakeup;

    using allocator_type = WaitAllocator<void>;
    allocator_type get_allocator() const noexcept { return allocator_type(waiter().wait_memory()); }
};

/// A byte stream that is attempted first and waited for after. No attempt ever blocks: one that
/// cannot proceed gives `would_block`. The stream above makes every decision; a transport only
/// does.
class Transport {
public:
    using Endpoint = asio::generic::stream_protocol::endpoint;

    virtual ~Transport() = default;

    /// What distinguishes a connection from a pipe or a terminal.
    struct Manners {
        bool reads = true;  ///< false: the end of a pipe that only writes
        bool writes = true; ///< false: the one that is only read
        /// What nobody asked for may be received. Not from a terminal: others read it as well.
        bool reads_ahead = true;
        /// A close while bytes come in destroys what was sent before, so the peer's end comes
        /// first.
        bool lingers = true;
    };
    virtual Manners manners() const noexcept { return {}; }

    virtual asio::any_io_executor const& executor() noexcept = 0;
    virtual int native_handle() noexcept = 0;

    /// Receives into one or two buffers, as much as there is. End of stream is `asio::error::eof`.
    /// Fewer bytes than asked for mean that there were no more, unless has_more().
    virtual std::size_t read_some(std::span<asio::mutable_buffer const> buffers,
                                  error_code& ec) = 0;
    /// Whether the next read_some is worth an attempt at once, though the last one came up short.
    virtual bool has_more() const noexcept { return false; }
    /// Sends what the kernel takes; fewer bytes than given mean that it would take no more now.
    /// `would_block` beside a number above 0: so many were taken, and some of them wait in the
    /// transport for another call, which may be one with nothing new.
    virtual std::size_t write_some(std::span<asio::const_buffer const> buffers, error_code& ec) = 0;

    /// The same with the next `count` bytes (> 0) of a regular file, from `offset` on. 0 without an
    /// error: it ends before those.
    virtual std::size_t send_file(int file, std::uint64_t offset, std::size_t count,
                                  error_code& ec) = 0;

    /// Calls waiter->ready() once, from the executor. At most one wait in each direction at a time.
    /// One for a hang-up may end without one: ask lost() then.
    virtual void async_wait(Direction direction, std::shared_ptr<Waiter> waiter) = 0;

    /// Goes on with what comes before the first byte: the connection, TLS's handshake. Returns what
    /// to wait for before the next call; none when bytes can be carried, or when `ec` says why they
    /// never will be.
    virtual Direction establish(error_code& ec) = 0;
    /// What establish() is at, in words.
    virtual char const* stage() const noexcept { return "connecting"; }
    /// Begins to connect; the result is establish()'s.
    virtual Direction connect(Endpoint const& peer, error_code& ec) = 0;

    /// Whether the connection is lost, both ways: with the system's error, which is not told again,
    /// or `eof` if there is none. Bytes that came before may still be there to be read.
    virtual error_code lost() noexcept = 0;

    /// No more bytes will be written; what was written reaches the peer, then end of stream.
    /// `would_block`: as write_some, and to be called again after that.
    virtual void shutdown_write(error_code& ec) = 0;
    /// Whether a close now would answer bytes that are on their way here by a reset, before the
    /// peer has all of ours: then its end is to be waited for first.
    virtual bool must_linger() noexcept { return false; }
    /// Ends pending waits with operation_aborted and frees the descriptor.
    virtual void close() noexcept = 0;
    /// Ends pending waits likewise, and gives the open descriptor away.
    virtual int release(error_code& ec) = 0;
    /// The executor's context ends: destroys what is on it. After that only executor(), which is
    /// ended_executor() then, and native_handle() are called.
    virtual void leave_context() noexcept = 0;
};

} // namespace tornado::detail
