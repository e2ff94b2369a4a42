// SPDX-License-Identifier: BSL-1.0
// A loop's timeouts: ordered by deadline, behind one Asio timer.
#pragma once

#include "tornado/detail/due_heap.hpp"

#include "ioloop/runner.hpp"
#include "ioloop/time.hpp"

#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace tornado::detail {

/// Setting and removing one costs no allocation once as many have been pending before.
class Timeouts : public std::enable_shared_from_this<Timeouts> {
public:
    /// Names a timeout: where it is kept, and a number that is unique in the process.
    struct Key {
        std::size_t slot;
        std::uint64_t id; // 0: of none
    };

    Timeouts(asio::io_context& context, std::shared_ptr<CallbackRunner> runner);

    Key add(Clock::time_point deadline, Callback callback);
    void remove(Key const& key);
    /// Drops all; what is added later is dropped too.
    void close();
    bool closed() const noexcept { return !timer_; }

    std::size_t size() const noexcept { return waiting_.size(); }
    /// When the next one is due; not while there is none.
    Clock::time_point next() const noexcept { return waiting_.top().deadline; }

private:
    struct Slot {
        std::uint64_t id;  // 0: free
        std::size_t place; // in the heap, or `due`; of a free one, the next free one
        Callback callback;
    };
    struct Entry {
        Clock::time_point deadline;
        std::uint64_t id; // equal deadlines keep their order
        std::size_t slot;

        bool operator<(Entry const& other) const noexcept {
            return deadline != other.deadline ? deadline < other.deadline : id < other.id;
        }
    };
    struct Tell {
        std::vector<Slot>* slots;

        void operator()(Entry const& entry, std::size_t place) const noexcept {
            (*slots)[entry.slot].place = place;
        }
    };
    static constexpr auto none = static_cast<std::size_t>(-1);
    static constexpr auto due = static_cast<std::size_t>(-2);

    bool holds(Key const& key) const noexcept;
    Callback take(std::size_t slot) noexcept;
    void arm();
    void fire();

    std::shared_ptr<CallbackRunner> runner_;
    std::optional<asio::steady_timer> timer_; // empty: closed
    bool armed_ = false;
    std::vector<Slot> slots_;
    std::size_t free_ = none; // the first free one
    DueHeap<Entry, Tell> waiting_{Tell{&slots_}};
    std::vector<Key> due_; // of the pass under way; apart, so that it can end
};

} // namespace tornado::detail
