// SPDX-License-Identifier: BSL-1.0
// The writing half of a stream: its queue, and who waits for which part of it to be sent.
#pragma once

#include "tornado/base_iostream.hpp"

#include "bytes/write_queue.hpp"

#include <boost/asio/recycling_allocator.hpp>

#include <algorithm>
#include <array>
#include <list>
#include <memory>
#include <span>
#include <variant>

namespace tornado::detail {

/// Told what the transport took; says whose write is complete, in the order of the writes (T095).
/// Never touches a transport. Bytes are counted from the stream's beginning, so that a write is
/// known by the count at its end.
class WriteSide {
    struct Pending;

public:
    static constexpr std::size_t max_gather = 16;
    using Buffers = std::array<asio::const_buffer, max_gather>;

    explicit WriteSide(StreamOptions const& options) noexcept
        : max_(options.max_write_buffer_size) {}

    /// Queues data and returns the count at its end; `failure` says if the queue is too full for
    /// it.
    template <class Data>
    std::uint64_t append(Data&& data, error_code& failure) {
        if (data.size() > max_ - std::min(max_, size())) {
            failure = error::buffer_full;
            return queued_;
        }
        if (direct_size() != 0)
            queue_direct();
        queued_ += data.size();
        queue_.append(std::forward<Data>(data));
        complete_if_low();
        return queued_;
    }

    /// `handler` becomes due when all up to `end` is complete, or at once with `failure`. The
    /// result names it for cancel(); null if there is nothing to cancel, because it is due.
    Pending const* wait(std::uint64_t end, error_code failure, bool connected,
                        VoidCompletion&& handler);
    /// The same if it is due at once and nobody is before it: takes `handler` and returns true.
    bool wait_complete(std::uint64_t end, VoidCompletion& handler) noexcept {
        if (!is_complete(end) || waiting())
            return false;
        due_ = std::move(handler);
        return true;
    }
    /// Queues a copy of short data; sends long data from the caller's memory, if no other is being
    /// so sent.
    Pending const* append_some(std::span<asio::const_buffer const> buffers,
                               SizeCompletion&& handler);
    /// `count` bytes of a file, behind all that is queued; they take no memory and count for no
    /// limit. A write behind a file is complete when it was sent, not before.
    Pending const* append_file(std::shared_ptr<SourceFile const> source, std::uint64_t count,
                               FileCompletion&& handler);
    /// It becomes due with operation_aborted, if it is not due already; what was queued stays
    /// queued, but for a file: what is left of it is dropped.
    void cancel(Pending const* wait, bool connected);

    bool empty() const noexcept { return size() == 0 && !has_files(); }
    /// Bytes that are kept in memory.
    std::size_t size() const noexcept { return queue_.size() + direct_size(); }
    /// And those of files that are to be sent, in all.
    std::uint64_t size_of_files() const noexcept;
    /// In all, of files too.
    std::uint64_t sent() const noexcept { return sent_ + sent_of_files_; }
    bool waiting() const noexcept { return due_ || (rare_ && !rare_->pending.empty()); }
    bool is_complete(std::uint64_t end) const noexcept { return end <= completed_; }

    /// The file whose turn it is, and how much of it was sent; null if bytes come first.
    struct QueuedFile {
        std::shared_ptr<SourceFile const> source;
        std::uint64_t at; // behind so many bytes of the queue
        std::uint64_t count;
        std::uint64_t sent;
        Pending* pending;
    };
    QueuedFile const* next_file() const noexcept {
        return has_files() && rare_->files.front().at == sent_ ? &rare_->files.front() : nullptr;
    }
    /// The transport took the next `n` bytes of it.
    void consume_file(std::size_t n);
    /// Bytes that come before the next file.
    std::uint64_t before_file() const noexcept {
        return has_files() ? rare_->files.front().at - sent_ : unlimited;
    }

    /// The next bytes to send; returns how many buffers were filled. Not all of them may leave:
    /// before_file().
    std::size_t gather(Buffers& buffers) const noexcept;
    /// The transport took the first `n` bytes of them.
    void consume(std::size_t n);

    /// All that waits, as if it were sent.
    std::string take_unsent();

    /// True if the first in the order of the writes can be completed.
    bool due(bool connected) const noexcept {
        return due_ || (waiting() && due(rare_->pending.front(), connected));
    }
    void complete();

    /// Drops the queue, but for what completed writes took if `keep_completed`, and fails who waits
    /// for the rest.
    void drop(error_code cause, bool keep_completed);
    /// Gives up all handlers without calling them.
    auto forget() noexcept { return std::pair(std::move(rare_), std::move(due_)); }

    void set_watermarks(std::size_t low, std::size_t high, std::function<void(bool)> callback);
    /// True if the size has crossed a mark since the callback was last told.
    bool crossed() const noexcept {
        if (!rare_ || !rare_->watermarks)
            return false;
        auto const& marks = *rare_->watermarks;
        return marks.above ? size() <= low_ : size() > marks.high;
    }
    void tell_crossing();
    auto take_watermarks() noexcept {
        return rare_ ? std::move(rare_->watermarks) : std::unique_ptr<Watermarks>();
    }

private:
    // Where a pending write's bytes are.
    enum class Place : unsigned char {
        queue,
        direct, // in Direct; not due before some were sent
        file,   // in a QueuedFile; not due before all were
    };
    struct FileHandler { // of a type that is no other handler's
        FileCompletion call;
    };
    struct Pending {
        std::uint64_t end;  // due when this many bytes are complete
        std::uint64_t size; // what the handler is told
        Place place;
        error_code failure; // due at once
        std::variant<VoidCompletion, SizeCompletion, FileHandler> handler;
    };
    // Long data in the caller's memory.
    struct Direct {
        Buffers buffers;
        std::size_t count = 0;
        std::size_t size = 0;
    };
    struct Watermarks {
        std::size_t high;
        std::function<void(bool)> callback;
        bool above = false; // what the callback was last told
    };

    // What many streams never need; kept once it was.
    struct Rare {
        std::list<Pending, asio::recycling_allocator<Pending>> pending; // in their order
        std::list<QueuedFile, asio::recycling_allocator<QueuedFile>> files;
        std::unique_ptr<Direct> direct;
        std::unique_ptr<Watermarks> watermarks;
    };

    std::size_t direct_size() const noexcept {
        return rare_ && rare_->direct ? rare_->direct->size : 0;
    }
    Rare& rare() {
        if (!rare_)
            rare_ = std::make_unique<Rare>();
        return *rare_;
    }
    bool has_files() const noexcept { return rare_ && !rare_->files.empty(); }
    void complete_if_low() noexcept {
        if (size() <= low_ && !has_files())
            completed_ = queued_;
    }
    bool due(Pending const& pending, bool connected) const noexcept {
        return pending.failure ||
               (connected && pending.place == Place::queue && pending.end <= completed_);
    }
    Pending* add(Pending pending);
    void queue_direct();
    void end_direct(std::size_t taken) noexcept;
    void end_file(QueuedFile const& file) noexcept;

    std::size_t max_;
    std::size_t low_ = 64 * 1024;
    std::uint64_t queued_ = 0;
    std::uint64_t completed_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t sent_of_files_ = 0; // the other three count none of these
    WriteQueue queue_;
    VoidCompletion due_; // of a write that is complete already: the usual one, kept without a node
    std::unique_ptr<Rare> rare_;
};

} // namespace tornado::detail
