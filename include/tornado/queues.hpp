// SPDX-License-Identifier: BSL-1.0
// Tornado's queues: what some coroutines and callbacks of one loop produce and others consume.
#pragma once

#include "tornado/detail/export.hpp"
#include "tornado/detail/initiation.hpp"
#include "tornado/detail/queues.hpp"
#include "tornado/detail/waiting.hpp"
#include "tornado/ioloop.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <cstddef>
#include <functional>
#include <stdexcept>
#include <utility>

namespace tornado {

/// get_nowait() found nothing.
class TORNADO_ASIO_EXPORT QueueEmpty : public std::runtime_error {
public:
    /// The library's.
    QueueEmpty();
    ~QueueEmpty() override;
};

/// put_nowait() found no room.
class TORNADO_ASIO_EXPORT QueueFull : public std::runtime_error {
public:
    /// The library's; `maxsize` is told in what().
    explicit QueueFull(std::size_t maxsize);
    ~QueueFull() override;
};

/// Items from producers to consumers, the oldest first; with `maxsize` producers wait while it is
/// full. Tornado: queues.Queue.
///
///     Queue<std::string> jobs(100);
///     co_await jobs.put("one");                          // a producer
///     for (;;) {                                         // a consumer
///         auto const job = co_await jobs.get();
///         co_await work(job);
///         jobs.task_done();
///     }
///     co_await jobs.join();                              // until all are done
///
/// T may be move-only. It needs a default constructor, because a get() that fails completes with a
/// T beside its code, as Asio's channels do: hold a type without one in std::optional. The queue
/// belongs to one loop and its thread: IOLoop::current() if none is named; with an executor it
/// needs no IOLoop. Of other threads, add_callback is the way in. Consumers stand in one line and
/// producers in another, the first one is served first. No operation completes inside the call that
/// starts it, nor inside the one that makes it possible. Any number may wait.
///
/// A wait is cancelled through its slot (any type), and completes with `operation_aborted`: the
/// waiter has left the line; a producer's item was never in the queue. One whose turn has come is
/// not cancelled any more, so that with `get(with_timeout(5s))` no item is lost; a race that drops
/// results, such as `||`, may drop an item. Tornado's `timeout=` is such a token.
///
/// May be destroyed at any moment on its thread: whoever waits then completes with
/// `operation_aborted`. When the context ends first, handlers are destroyed uncalled.
template <class T, class Items = detail::OldestFirst<T>>
class Queue final : public detail::Waiting {
public:
    /// What it holds.
    using value_type = T;

    /// `maxsize`: how many items it holds, 0: any number. Throws std::invalid_argument if it is
    /// negative.
    explicit Queue(long long maxsize = 0) : Queue(IOLoop::current(), maxsize) {}
    /// The same on `loop`.
    explicit Queue(IOLoop& loop, long long maxsize = 0)
        : Queue(asio::any_io_executor(loop.get_executor()), maxsize) {}
    /// The same for plain Asio; completions run on `executor`.
    explicit Queue(asio::any_io_executor const& executor, long long maxsize = 0)
        : Waiting(executor),
          maxsize_(detail::checked_maxsize(maxsize)),
          getters_(*this),
          putters_(*this),
          joiners_(*this) {}

    /// How many items it holds; 0: any number.
    std::size_t maxsize() const noexcept { return maxsize_; }
    /// Items in the queue; those of producers who wait are not.
    std::size_t qsize() const noexcept { return items_.size(); }
    /// Whether get() would wait.
    bool empty() const noexcept { return qsize() == 0; }
    /// Whether put() would wait.
    bool full() const noexcept { return maxsize_ != 0 && qsize() >= maxsize_; }

    /// Puts an item in, when there is room. Completion: `void(error_code)`. The default token,
    /// `asio::deferred`, puts nothing before it is awaited.
    template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
    [[nodiscard]] auto put(T item, Token&& token = asio::deferred_t()) {
        return asio::async_initiate<Token, void(error_code)>(
            detail::Initiation{this,
                               [](Queue& self, auto&& handler, T given) {
                                   self.start_put({{{std::forward<decltype(handler)>(handler),
                                                     self.get_executor()}},
                                                   std::move(given)});
                               }},
            token, std::move(item));
    }

    /// Puts an item in at once. Throws QueueFull.
    void put_nowait(T item) {
        if (full())
            throw QueueFull(maxsize_);
        ++unfinished_;
        items_.push(std::move(item));
        if (!getters_.empty())
            getters_.serve_first(
                [this](auto& getter) { getter.completion.post(get_executor(), {}, items_.pop()); });
    }

    /// Takes an item out, when there is one. Completion: `void(error_code, T)`.
    template <asio::completion_token_for<void(error_code, T)> Token = asio::deferred_t>
    [[nodiscard]] auto get(Token&& token = asio::deferred_t()) {
        return asio::async_initiate<Token, void(error_code, T)>(
            detail::Initiation{
                this,
                [](Queue& self, auto&& handler) {
                    self.start_get({std::forward<decltype(handler)>(handler), self.get_executor()});
                }},
            token);
    }

    /// Takes an item out at once; the first producer who waits gets the room. Throws QueueEmpty.
    T get_nowait() {
        if (!putters_.empty())
            putters_.serve_first([this](Putter& putter) {
                ++unfinished_;
                items_.push(std::move(putter.item));
                putter.completion.post(get_executor(), {});
            });
        if (empty())
            throw QueueEmpty();
        return items_.pop();
    }

    /// One item that was taken out has been dealt with. Throws std::logic_error if all have been.
    void task_done() {
        detail::check_unfinished(unfinished_);
        if (--unfinished_ == 0)
            while (!joiners_.empty())
                joiners_.serve_first(
                    [this](auto& joiner) { joiner.completion.post(get_executor(), {}); });
    }

    /// Waits until task_done() was called for every item that was ever put in; completes soon if
    /// that is so. Completion: `void(error_code)`.
    template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
    [[nodiscard]] auto join(Token&& token = asio::deferred_t()) {
        return asio::async_initiate<Token, void(error_code)>(
            detail::Initiation{this,
                               [](Queue& self, auto&& handler) {
                                   self.start_join({std::forward<decltype(handler)>(handler),
                                                    self.get_executor()});
                               }},
            token);
    }

private:
    struct Putter : detail::WaiterFor<> {
        T item;
    };

    void start_put(Putter putter) {
        if (full())
            return putters_.add(std::move(putter));
        put_nowait(std::move(putter.item));
        putter.completion.post(get_executor(), {});
    }

    void start_get(detail::Completion<T> completion) {
        if (empty())
            getters_.add({std::move(completion)});
        else
            completion.post(get_executor(), {}, get_nowait());
    }

    void start_join(detail::Completion<> completion) {
        if (unfinished_ != 0)
            joiners_.add({std::move(completion)});
        else
            completion.post(get_executor(), {});
    }

    void drop() noexcept override {
        auto const getters = getters_.take_all();
        auto const putters = putters_.take_all();
        auto const joiners = joiners_.take_all();
    }

    std::size_t const maxsize_;
    std::size_t unfinished_ = 0;
    Items items_;
    detail::WaitLine<detail::WaiterFor<T>> getters_; // then there is no item,
    detail::WaitLine<Putter> putters_;               // and then no room
    detail::WaitLine<detail::WaiterFor<>> joiners_;
};

/// The least item first, by `Less`. Tornado: queues.PriorityQueue.
template <class T, class Less = std::less<T>>
using PriorityQueue = Queue<T, detail::LeastFirst<T, Less>>;

/// The newest item first. Tornado: queues.LifoQueue.
template <class T>
using LifoQueue = Queue<T, detail::NewestFirst<T>>;

} // namespace tornado
