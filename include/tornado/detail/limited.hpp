// SPDX-License-Identifier: BSL-1.0
// The seam of cancel_after and with_timeout: an operation, its handler and its deadline in one
// piece of memory; and what sleep and multi begin.
#pragma once

#include "tornado/detail/deadlines.hpp"
#include "tornado/detail/failures.hpp"
#include "tornado/detail/recycling.hpp"

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/associator.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/system_executor.hpp>

#include <atomic>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tornado::detail {

/// What is to happen when the time is over: the operation is cancelled in this way, and completes
/// as it does then (cancel_after), or with error::timeout in place of operation_aborted
/// (with_timeout).
struct Limit {
    Deadline::clock::duration time;
    asio::cancellation_type type = asio::cancellation_type::terminal;
    bool is_told = false;
};

/// The token that cancel_after and with_timeout make.
template <class Token>
struct Limited {
    Limit limit;
    Token token;
};

/// Of `as_tuple(with_timeout(...))`.
template <class First, class... Rest>
requires requires(First first) {
    timeout_in_place_of(first);
}
std::tuple<First, Rest...> timeout_in_place_of(std::tuple<First, Rest...> results) {
    std::get<0>(results) = timeout_in_place_of(std::get<0>(results));
    return results;
}

/// The handler that an operation is given in place of its own.
template <class Operation>
class LimitedHandler {
public:
    using handler_type = typename Operation::handler_type;
    using cancellation_slot_type = asio::cancellation_slot;

    explicit LimitedHandler(Operation* operation) noexcept : operation_(operation) {}
    LimitedHandler(LimitedHandler&& other) noexcept
        : operation_(std::exchange(other.operation_, nullptr)) {}
    ~LimitedHandler() {
        if (operation_)
            operation_->finish([](handler_type&&) {});
    }

    cancellation_slot_type get_cancellation_slot() const noexcept { return operation_->slot(); }
    handler_type const& handler() const noexcept { return operation_->handler(); }

    void operator()() {
        std::exchange(operation_, nullptr)->finish([](handler_type&& handler) {
            std::move(handler)();
        });
    }
    template <class First, class... Rest>
    void operator()(First&& first, Rest&&... rest) {
        bool const is_over = operation_->is_told_to_be_over();
        std::exchange(operation_, nullptr)->finish([&](handler_type&& handler) {
            if constexpr (requires { timeout_in_place_of(std::forward<First>(first)); }) {
                if (is_over)
                    return std::move(handler)(timeout_in_place_of(std::forward<First>(first)),
                                              std::forward<Rest>(rest)...);
            }
            std::move(handler)(std::forward<First>(first), std::forward<Rest>(rest)...);
        });
    }

private:
    Operation* operation_;
};

/// Counts itself: the operation is one reference until it completes, a cancellation that is on its
/// way another. `Executor`: the operation's. It is cancelled on the handler's own executor, as
/// Asio's operations want it, or on the operation's if `OnExecutor`.
template <class Handler, class Executor, bool OnExecutor>
class LimitedOperation final : public Deadline {
    using Traits = typename std::allocator_traits<std::remove_cvref_t<decltype(own_or_recycling(
        std::declval<asio::associated_allocator_t<Handler>>()))>>::
        template rebind_traits<LimitedOperation>;
    using Allocator = typename Traits::allocator_type;

public:
    using handler_type = Handler;

    template <class Given>
    static LimitedHandler<LimitedOperation> make(Given&& handler, Executor const& executor,
                                                 Limit const& limit) {
        Allocator allocator(own_or_recycling(asio::get_associated_allocator(handler)));
        auto* const memory = Traits::allocate(allocator, 1);
        LimitedOperation* operation = nullptr;
        try {
            operation = ::new (static_cast<void*>(memory))
                LimitedOperation(std::forward<Given>(handler), allocator, executor, limit);
        } catch (...) {
            Traits::deallocate(allocator, memory, 1);
            throw;
        }
        LimitedHandler<LimitedOperation> limited(operation);
        operation->begin(limit.time);
        return limited;
    }

    asio::cancellation_slot slot() noexcept { return signal_.slot(); }
    Handler const& handler() const noexcept { return handler_; }
    bool is_told_to_be_over() const noexcept { return over_ && is_told_; }

    /// `end` is given the handler, when nothing here refers to it any more.
    template <class End>
    void finish(End end) {
        Settling settling;
        if (!deadlines_->remove(*this))
            settling.deadlines = deadlines_;
        finished_ = true;
        if (auto outer = asio::get_associated_cancellation_slot(handler_); outer.is_connected())
            outer.clear();
        Handler handler(std::move(handler_));
        release();
        end(std::move(handler));
    }

private:
    class Cancel {
    public:
        explicit Cancel(LimitedOperation* operation) noexcept : operation_(operation) {
            ++operation->references_;
        }
        Cancel(Cancel&& other) noexcept : operation_(std::exchange(other.operation_, nullptr)) {}
        ~Cancel() {
            if (operation_)
                operation_->release();
        }

        void operator()() {
            if (!operation_->finished_) {
                operation_->over_ = true;
                operation_->signal_.emit(operation_->type_);
            }
        }

    private:
        LimitedOperation* operation_;
    };

    // After the handler, whose next deadline may do with the timer as it is.
    struct Settling {
        std::shared_ptr<Deadlines> deadlines;

        ~Settling() {
            if (deadlines)
                deadlines->settle();
        }
    };

    template <class Given>
    LimitedOperation(Given&& handler, Allocator const& allocator, Executor const& executor,
                     Limit const& limit)
        : handler_(std::forward<Given>(handler)),
          allocator_(allocator),
          executor_(executor),
          deadlines_(Deadlines::of(asio::query(executor, asio::execution::context))),
          type_(limit.type),
          is_told_(limit.is_told) {}

    void begin(clock::duration time) {
        if (auto outer = asio::get_associated_cancellation_slot(handler_); outer.is_connected())
            outer.assign([this](asio::cancellation_type type) { signal_.emit(type); });
        deadlines_->add(*this, time);
    }

    asio::any_io_executor executor() const override { return executor_; }

    void expire() override {
        if constexpr (OnExecutor)
            asio::post(executor_, Cancel(this));
        else
            asio::post(asio::get_associated_executor(handler_, executor_), Cancel(this));
    }

    void release() noexcept {
        if (--references_ == 0) {
            auto allocator = std::move(allocator_);
            this->~LimitedOperation();
            Traits::deallocate(allocator, this, 1);
        }
    }

    Handler handler_;
    [[no_unique_address]] Allocator allocator_;
    Executor executor_;
    std::shared_ptr<Deadlines> deadlines_;
    asio::cancellation_signal signal_;
    asio::cancellation_type type_;
    bool is_told_;
    std::atomic<int> references_ = 1;
    std::atomic<bool> finished_ = false;
    std::atomic<bool> over_ = false;
};

/// The initiation of an operation, which begins the deadline first. It is an initiation in its
/// turn, with an executor if the other has one, or with one for each handler.
template <class Initiation>
class InitiateLimited : public Initiation {
public:
    InitiateLimited(Initiation initiation, Limit const& limit)
        : Initiation(std::move(initiation)), limit_(limit) {}

    template <class Handler, class... Args>
    void operator()(Handler&& handler, Args&&... args) const& {
        static_cast<Initiation const&> (*this)(limited(std::forward<Handler>(handler)),
                                               std::forward<Args>(args)...);
    }
    template <class Handler, class... Args>
    void operator()(Handler&& handler, Args&&... args) && {
        static_cast<Initiation&&> (*this)(limited(std::forward<Handler>(handler)),
                                          std::forward<Args>(args)...);
    }

private:
    template <class Handler>
    auto limited(Handler&& handler) const {
        constexpr bool on_executor = requires {
            Initiation::belongs_to_executor;
        };
        auto executor = executor_for(handler);
        return LimitedOperation<std::decay_t<Handler>, decltype(executor), on_executor>::make(
            std::forward<Handler>(handler), executor, limit_);
    }

    template <class Handler>
    auto executor_for(Handler const& handler) const {
        if constexpr (requires { Initiation::executor_of(handler); }) {
            return Initiation::executor_of(handler);
        } else if constexpr (requires { typename Initiation::executor_type; }) {
            return this->get_executor();
        } else {
            using Executor = asio::associated_executor_t<Handler>;
            static_assert(!std::is_same_v<Executor, asio::system_executor>,
                          "a time limit: neither the operation nor its handler has an executor; "
                          "give the handler one with asio::bind_executor");
            return asio::get_associated_executor(handler);
        }
    }

    Limit limit_;
};

} // namespace tornado::detail

namespace boost::asio {

template <class Token, class... Signatures>
struct async_result<tornado::detail::Limited<Token>, Signatures...> {
    template <class Initiation, class Given, class... Args>
    static auto initiate(Initiation&& initiation, Given&& limited, Args&&... args)
        -> decltype(async_initiate<Token, Signatures...>(
            std::declval<tornado::detail::InitiateLimited<std::decay_t<Initiation>>>(),
            std::declval<Token&>(), std::forward<Args>(args)...)) {
        tornado::detail::InitiateLimited<std::decay_t<Initiation>> start(
            std::forward<Initiation>(initiation), limited.limit);
        Token token(std::forward<Given>(limited).token);
        return async_initiate<Token, Signatures...>(std::move(start), token,
                                                    std::forward<Args>(args)...);
    }
};

/// Executor, allocator and the like are those of the handler within.
template <template <class, class> class Associator, class Operation, class Default>
struct associator<Associator, tornado::detail::LimitedHandler<Operation>, Default>
    : Associator<typename Operation::handler_type, Default> {
    static decltype(auto) get(tornado::detail::LimitedHandler<Operation> const& limited) noexcept {
        return Associator<typename Operation::handler_type, Default>::get(limited.handler());
    }
    static decltype(auto) get(tornado::detail::LimitedHandler<Operation> const& limited,
                              Default const& otherwise) noexcept {
        return Associator<typename Operation::handler_type, Default>::get(limited.handler(),
                                                                          otherwise);
    }
};

} // namespace boost::asio
