// SPDX-License-Identifier: BSL-1.0
// Lines of those who wait for an object of the same loop: first come, first served, and anyone may
// leave.
#pragma once

#include "tornado/detail/completion.hpp"
#include "tornado/detail/export.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/recycling_allocator.hpp>

#include <cstddef>
#include <list>
#include <memory>
#include <utility>

namespace tornado::detail {

/// An object that is waited for. Its waiters are work of its executor, as any operation is, and are
/// dropped when the executor's context ends.
class TORNADO_ASIO_EXPORT Waiting {
public:
    using executor_type = asio::any_io_executor;

    Waiting(Waiting const&) = delete;
    Waiting& operator=(Waiting const&) = delete;
    virtual ~Waiting();

    /// Where operations complete whose handler names no executor of its own.
    executor_type const& get_executor() const noexcept;

protected:
    explicit Waiting(executor_type const& executor);

private:
    template <class>
    friend class WaitLine;
    class Place;

    /// The context ends: destroys all waiters, and with them perhaps this object.
    virtual void drop() noexcept = 0;

    bool ended() const noexcept;
    void begin_wait();
    void end_wait() noexcept;

    std::unique_ptr<Place> place_;
};

/// One who waits, for a completion with these results.
template <class... Results>
struct WaiterFor {
    Completion<Results...> completion;

    asio::cancellation_slot slot() const noexcept { return completion.slot(); }
    void fail(asio::any_io_executor const& executor, error_code ec) {
        completion.post(executor, ec, Results()...);
    }
};

/// A line. Whoever leaves it by a cancellation (any type), or is in it when it is destroyed,
/// completes with operation_aborted; whoever was taken out of it is not cancelled any more.
template <class Waiter>
class WaitLine {
    using List = std::list<Waiter, asio::recycling_allocator<Waiter>>;

public:
    explicit WaitLine(Waiting& object) noexcept : object_(object) {}
    WaitLine(WaitLine const&) = delete;
    WaitLine& operator=(WaitLine const&) = delete;
    ~WaitLine() {
        while (!empty())
            leave(waiters_.begin());
    }

    bool empty() const noexcept { return waiters_.empty(); }

    void add(Waiter waiter) {
        if (object_.ended())
            return;
        auto const place = waiters_.insert(waiters_.end(), std::move(waiter));
        object_.begin_wait();
        if (auto slot = place->slot(); slot.is_connected())
            slot.assign([this, place](asio::cancellation_type) { leave(place); });
    }

    /// Takes the first one out and has it completed: `serve` posts its completion.
    template <class Serve>
    void serve_first(Serve serve) {
        take(waiters_.begin(), serve);
    }

    /// All of them, to be destroyed.
    [[nodiscard]] List take_all() noexcept {
        for (auto& waiter : waiters_) {
            if (auto slot = waiter.slot(); slot.is_connected())
                slot.clear();
            object_.end_wait();
        }
        return std::exchange(waiters_, List());
    }

private:
    using Place = typename List::iterator;

    // It is work until its completion is.
    struct Work {
        Waiting& object;
        ~Work() { object.end_wait(); }
    };

    // In the slot's own call, too: nothing of what that holds is used after it is cleared.
    template <class Serve>
    void take(Place place, Serve serve) {
        Work const until_then{object_};
        if (auto slot = place->slot(); slot.is_connected())
            slot.clear();
        auto waiter = std::move(*place);
        waiters_.erase(place);
        serve(waiter);
    }

    void leave(Place place) {
        take(place, [executor = object_.get_executor()](Waiter& waiter) {
            waiter.fail(executor, asio::error::operation_aborted);
        });
    }

    Waiting& object_;
    List waiters_;
};

} // namespace tornado::detail
