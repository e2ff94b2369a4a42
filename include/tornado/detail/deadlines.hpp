// SPDX-License-Identifier: BSL-1.0
// The deadlines of a context: as many as there are operations, behind one timer.
#pragma once

#include "tornado/detail/due_heap.hpp"
#include "tornado/detail/export.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace boost::asio {
class execution_context;
}

namespace tornado::detail {

namespace asio = boost::asio;

/// Something with a time limit. It is its owner's, who removes it before it goes.
class Deadline {
public:
    using clock = std::chrono::steady_clock;

    Deadline() = default;
    Deadline(Deadline const&) = delete;
    Deadline& operator=(Deadline const&) = delete;

protected:
    ~Deadline() = default;

private:
    friend class Deadlines;
    static constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();

    /// The time is over: has the rest done elsewhere. Called with the deadlines locked.
    virtual void expire() = 0;
    /// Where the timer may run.
    virtual asio::any_io_executor executor() const = 0;

    std::size_t place_ = nowhere; // in the heap
};

/// Most deadlines are never reached, so adding and removing one leaves the timer alone: it is set
/// when there is none or a later one, and when it goes off too early it is set again. Thread-safe.
class TORNADO_ASIO_EXPORT Deadlines : public std::enable_shared_from_this<Deadlines> {
public:
    using clock = Deadline::clock;

    /// Those of this context. What is added after the context's end never expires.
    static std::shared_ptr<Deadlines> of(asio::execution_context& context);

    void add(Deadline& deadline, clock::duration limit);
    /// It will not expire. False if the timer waits for nothing now: then settle() is to follow,
    /// when whoever called had the opportunity to add the next one.
    [[nodiscard]] bool remove(Deadline& deadline) noexcept;
    /// Appends a line on those that wait, for IOLoop::describe().
    void describe(std::string& lines);
    /// Without a deadline nothing waits, so that the context can run out of work.
    void settle() noexcept;

private:
    class Service;

    struct Entry {
        clock::time_point time;
        Deadline* deadline;

        bool operator<(Entry const& other) const noexcept { return time < other.time; }
    };
    struct Tell {
        void operator()(Entry const& entry, std::size_t place) const noexcept {
            entry.deadline->place_ = place;
        }
    };

    void take(Deadline& deadline) noexcept;
    void arm();
    void fire();
    void close() noexcept;

    std::mutex mutex_;
    DueHeap<Entry, Tell> heap_;
    std::optional<asio::steady_timer> timer_;
    bool armed_ = false;
    bool closed_ = false;
};

} // namespace tornado::detail
