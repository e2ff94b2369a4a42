// SPDX-License-Identifier: BSL-1.0
// Tornado's locks: what the coroutines and callbacks of one loop wait for.
#pragma once

#include "tornado/detail/export.hpp"
#include "tornado/detail/initiation.hpp"
#include "tornado/detail/waiting.hpp"
#include "tornado/error.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace tornado {

class IOLoop;

// ---- What all of them have in common
//
// Locks belong to one loop and its thread: of other threads none may be touched, and nobody ever
// blocks. Constructed without an argument they are on IOLoop::current(); with an executor they
// need no IOLoop. Waiters stand in line, the first one is served first. No operation completes
// inside the call that starts it, nor inside the one that grants it. Any number may wait.
//
// A wait is cancelled through its slot (any type), and completes with `operation_aborted`: the
// waiter has left the line, and took nothing with it. One whose turn has come is not cancelled any
// more. Tornado's `timeout=` is a token: `co_await lock.acquire(with_timeout(5s))`.
//
// May be destroyed at any moment on its thread: whoever waits then completes with
// `operation_aborted`. When the context ends first, handlers are destroyed uncalled, those that
// are given later too.

/// A flag that can be waited for. Tornado: locks.Event.
class TORNADO_ASIO_EXPORT Event final : public detail::Waiting {
public:
    /// Not set, on IOLoop::current().
    Event();
    /// The same on `loop`.
    explicit Event(IOLoop& loop);
    /// The same for plain Asio; completions run on `executor`.
    explicit Event(asio::any_io_executor const& executor);
    ~Event() override;

    /// Whether a wait would complete at once.
    bool is_set() const noexcept { return set_; }
    /// Wakes all who wait, also if clear() comes before they run. Harmless twice.
    void set();
    /// Whoever waits from now on waits for the next set().
    void clear() noexcept { set_ = false; }

    /// Waits until the flag is set; completes soon if it is. Completion: `void(error_code)`.
    template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
    [[nodiscard]] auto wait(Token&& token = asio::deferred_t()) {
        return asio::async_initiate<Token, void(error_code)>(
            detail::Initiation{this,
                               [](Event& self, auto&& handler) {
                                   self.start_wait({std::forward<decltype(handler)>(handler),
                                                    self.get_executor()});
                               }},
            token);
    }

private:
    void drop() noexcept override;
    void start_wait(detail::Completion<> completion);

    bool set_ = false;
    detail::WaitLine<detail::WaiterFor<>> line_;
};

/// Whoever waits is woken one by one, or all at once. There is no lock to hold, because nothing
/// happens beside a handler of the same loop. Tornado: locks.Condition.
class TORNADO_ASIO_EXPORT Condition final : public detail::Waiting {
public:
    /// On IOLoop::current().
    Condition();
    /// The same on `loop`.
    explicit Condition(IOLoop& loop);
    /// The same for plain Asio; completions run on `executor`.
    explicit Condition(asio::any_io_executor const& executor);
    ~Condition() override;

    /// Wakes the first `n` who wait, or as many as there are.
    void notify(std::size_t n = 1);
    /// Wakes all who wait.
    void notify_all();

    /// Waits to be notified. Completion: `void(error_code)`; Tornado's False after a time-out is
    /// the code of cancel_after or with_timeout here.
    template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
    [[nodiscard]] auto wait(Token&& token = asio::deferred_t()) {
        return asio::async_initiate<Token, void(error_code)>(
            detail::Initiation{this,
                               [](Condition& self, auto&& handler) {
                                   self.start_wait({std::forward<decltype(handler)>(handler),
                                                    self.get_executor()});
                               }},
            token);
    }

private:
    void drop() noexcept override;
    void start_wait(detail::Completion<> completion);

    detail::WaitLine<detail::WaiterFor<>> line_;
};

class Semaphore;

/// Something acquired that is released at the end of its scope: what Tornado's `async with` does.
/// May outlive its semaphore, and is then nothing. Empty when default-constructed or moved from.
class TORNADO_ASIO_EXPORT Permit {
public:
    /// Holds nothing.
    Permit() = default;
    /// What is held goes along.
    Permit(Permit&&) noexcept = default;
    /// Releases what was held, and holds what the other did.
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() { release(); }

    /// Whether it holds something of a semaphore that still lives.
    explicit operator bool() const noexcept { return !semaphore_.expired(); }
    /// Now instead of later; harmless twice.
    void release() noexcept;

private:
    friend class Semaphore;
    explicit Permit(std::shared_ptr<Semaphore*> const& semaphore) noexcept
        : semaphore_(semaphore) {}

    std::weak_ptr<Semaphore*> semaphore_;
};

/// Lets so many in at a time. Tornado: locks.Semaphore.
///
///     Semaphore connections(10);
///     auto const permit = co_await connections.acquire_scoped();
///
/// What is released goes to the first in line, and to nobody else: not to one who asks later, nor
/// to one who has left.
class TORNADO_ASIO_EXPORT Semaphore : public detail::Waiting {
public:
    /// `value`: how many may still come in. Throws std::invalid_argument if it is negative.
    explicit Semaphore(long long value = 1);
    /// The same on `loop`.
    Semaphore(IOLoop& loop, long long value = 1);
    /// The same for plain Asio; completions run on `executor`.
    Semaphore(asio::any_io_executor const& executor, long long value = 1);
    ~Semaphore() override;

    /// Waits for room and takes it, until release(). Completion: `void(error_code)`. In a race
    /// that may drop its result, such as `||`, take acquire_scoped().
    template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
    [[nodiscard]] auto acquire(Token&& token = asio::deferred_t()) {
        return asio::async_initiate<Token, void(error_code)>(
            detail::Initiation{
                this,
                [](Semaphore& self, auto&& handler) {
                    self.start_acquire(
                        {{std::forward<decltype(handler)>(handler), self.get_executor()}, {}});
                }},
            token);
    }

    /// The same, until the permit goes. Completion: `void(error_code, Permit)`.
    template <asio::completion_token_for<void(error_code, Permit)> Token = asio::deferred_t>
    [[nodiscard]] auto acquire_scoped(Token&& token = asio::deferred_t()) {
        return asio::async_initiate<Token, void(error_code, Permit)>(
            detail::Initiation{
                this,
                [](Semaphore& self, auto&& handler) {
                    self.start_acquire(
                        {{}, {std::forward<decltype(handler)>(handler), self.get_executor()}});
                }},
            token);
    }

    /// Makes room for one, whether or not somebody has acquired it.
    virtual void release();

protected:
    /// How many may still come in.
    std::size_t value() const noexcept { return value_; }

private:
    struct Acquirer { // one of the two
        detail::Completion<> plain;
        detail::Completion<Permit> scoped;

        asio::cancellation_slot slot() const noexcept;
        void fail(asio::any_io_executor const& executor, error_code ec);
    };

    void drop() noexcept override;
    void start_acquire(Acquirer acquirer);
    void grant(Acquirer acquirer);

    std::size_t value_;
    std::shared_ptr<Semaphore*> const self_ = std::make_shared<Semaphore*>(this); // for permits
    detail::WaitLine<Acquirer> line_;
};

/// A semaphore that is never released more often than acquired: release() throws std::logic_error
/// then. Tornado: locks.BoundedSemaphore.
class TORNADO_ASIO_EXPORT BoundedSemaphore final : public Semaphore {
public:
    /// As a Semaphore.
    explicit BoundedSemaphore(long long value = 1);
    /// The same on `loop`.
    BoundedSemaphore(IOLoop& loop, long long value = 1);
    /// The same for plain Asio; completions run on `executor`.
    BoundedSemaphore(asio::any_io_executor const& executor, long long value = 1);
    ~BoundedSemaphore() override;

    /// Throws std::logic_error, and makes no room, when all have been released.
    void release() override;

private:
    std::size_t const limit_;
};

/// One at a time. Tornado: locks.Lock.
///
///     auto const held = co_await lock.acquire_scoped();
class TORNADO_ASIO_EXPORT Lock {
public:
    /// Any of Asio's.
    using executor_type = asio::any_io_executor;

    /// Nobody's, on IOLoop::current().
    Lock() = default;
    /// The same on `loop`.
    explicit Lock(IOLoop& loop);
    /// The same for plain Asio; completions run on `executor`.
    explicit Lock(asio::any_io_executor const& executor);
    ~Lock();

    /// Where completions run.
    executor_type const& get_executor() const noexcept { return semaphore_.get_executor(); }

    /// Waits for the lock and takes it, until release(). Completion: `void(error_code)`.
    template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
    [[nodiscard]] auto acquire(Token&& token = asio::deferred_t()) {
        return semaphore_.acquire(std::forward<Token>(token));
    }

    /// The same, until the permit goes. Completion: `void(error_code, Permit)`.
    template <asio::completion_token_for<void(error_code, Permit)> Token = asio::deferred_t>
    [[nodiscard]] auto acquire_scoped(Token&& token = asio::deferred_t()) {
        return semaphore_.acquire_scoped(std::forward<Token>(token));
    }

    /// The first in line has it now. Throws std::logic_error if nobody had it.
    void release();

private:
    BoundedSemaphore semaphore_;
};

} // namespace tornado
