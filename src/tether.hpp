// SPDX-License-Identifier: BSL-1.0
// Objects that may outlive their execution context: they are told of its end.
#pragma once

#include "tornado/error.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/intrusive/list_hook.hpp>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace boost::asio {
class execution_context;
class io_context;
} // namespace boost::asio

namespace tornado::detail {

class ContextEnd;

/// What the tethers of a context have in common.
struct TetheredContext {
    std::atomic<std::uint64_t> turns = 0; // of streams: see Tether::count_turn()
};

/// Told when the execution context that it is tied to ends, while all of the context's services
/// still exist: the last moment at which what it has of Asio's there, sockets, timers and
/// executors, can be used or destroyed (the destructor of a strand, too, needs the context).
///
/// Those who were tied first are told first. Objects of one context may be tied and untied on
/// several threads at a time; each belongs to one of them, and the context does not end beside any.
class Tether {
public:
    Tether(Tether const&) = delete;
    Tether& operator=(Tether const&) = delete;

protected:
    Tether() = default;
    ~Tether() { untie(); }

    /// False, and nothing is tied, if the context of `executor` is ending or has ended already.
    bool tie(asio::any_io_executor const& executor);
    bool tie(asio::execution_context& context);
    void untie() noexcept;
    bool tied() const noexcept { return context_ != nullptr; }

    /// For the loop's statistics. No read-modify-write, which would cost more than all the rest of
    /// counting, so that of turns on several threads at a time some are lost.
    void count_turn() noexcept {
        if (context_)
            context_->turns.store(context_->turns.load(std::memory_order_relaxed) + 1,
                                  std::memory_order_relaxed);
    }

private:
    friend class ContextEnd;

    /// Not tied any more.
    virtual void context_ended() noexcept = 0;
    /// Appends a line, with its end, on what is waited for; nothing if that is not worth one, or is
    /// another's to tell. May tie and untie nothing. On the thread that this belongs to.
    virtual void describe_to(std::string& /*lines*/) const {}

    TetheredContext* context_ = nullptr;
    boost::intrusive::list_member_hook<> hook_;
};

/// Whether the context is ending or has ended; the one of ended_executor() always has.
bool has_ended(asio::execution_context& context);

/// Appends what the context's tethers say of themselves, in the order in which they were tied. On
/// the thread that all of them belong to.
void describe_tethers(asio::execution_context& context, std::string& lines);
/// How many turns the context's streams have had.
std::uint64_t turns_of(asio::execution_context& context);

/// The executor of a context, for all objects that need not keep one of their own; it lives as long
/// as the context.
asio::any_io_executor const& shared_executor(asio::io_context& context);

/// What an object without a context has in place of its executor: one that runs nothing, and
/// destroys what it is given.
asio::any_io_executor const& ended_executor() noexcept;

/// An executor that is replaced by ended_executor() when its context ends.
class TetheredExecutor final : Tether {
public:
    explicit TetheredExecutor(asio::any_io_executor executor) : executor_(std::move(executor)) {
        if (!tie(executor_))
            executor_ = ended_executor();
    }

    asio::any_io_executor const& get() const noexcept { return executor_; }
    bool ended() const noexcept { return !tied(); }

private:
    void context_ended() noexcept override { executor_ = ended_executor(); }

    asio::any_io_executor executor_;
};

/// One of Asio's I/O objects, which is destroyed, and not there any more, when its context ends. On
/// a context that has ended it is never there.
template <class Object>
class Tethered final : Tether {
public:
    /// Args: what Object's constructor takes beside the executor.
    template <class... Args>
    explicit Tethered(asio::any_io_executor const& executor, Args&&... args) {
        if (tie(executor))
            object_.emplace(executor, std::forward<Args>(args)...);
    }

    explicit operator bool() const noexcept { return object_.has_value(); }
    Object& operator*() noexcept { return *object_; }
    Object const& operator*() const noexcept { return *object_; }
    Object* operator->() noexcept { return &*object_; }
    Object const* operator->() const noexcept { return &*object_; }

private:
    void context_ended() noexcept override { object_.reset(); }

    std::optional<Object> object_;
};

} // namespace tornado::detail
