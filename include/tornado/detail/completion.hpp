// SPDX-License-Identifier: BSL-1.0
// A completion handler of any type, kept inside the object that will complete it.
#pragma once

#include "tornado/detail/recycling.hpp"
#include "tornado/error.hpp"

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace tornado::detail {

/// What asio::any_completion_handler is, for an operation that completes on one known executor. A
/// handler that runs there too is kept in place and called directly; any other is dispatched to its
/// own executor and is work there meanwhile. So the usual operation neither allocates nor converts
/// executors: of a short read's instructions any_completion_handler took a third and more.
template <class... Results>
class Completion {
public:
    static constexpr std::size_t room = 4 * sizeof(void*);

    Completion() = default;

    /// `executor`: where the operation completes.
    template <class Handler>
    requires(!std::is_same_v<std::remove_cvref_t<Handler>, Completion>)
        Completion(Handler&& handler, asio::any_io_executor const& executor) {
        using Held = std::decay_t<Handler>;
        auto const slot = asio::associated_cancellation_slot<Held, None>::get(handler, None());
        auto const allocator = own_or_recycling(asio::get_associated_allocator(handler));
        if constexpr (std::is_same_v<asio::associated_executor_t<Held, None>, None>) {
            hold<Held>(slot, allocator, std::forward<Handler>(handler));
        } else {
            auto own = asio::get_associated_executor(handler, executor);
            if (is_same(own, executor))
                hold<Held>(slot, allocator, std::forward<Handler>(handler));
            else
                hold<Elsewhere<Held, decltype(own)>>(slot, allocator, asio::make_work_guard(own),
                                                     std::forward<Handler>(handler));
        }
    }

    Completion(Completion&& other) noexcept : methods_(std::exchange(other.methods_, nullptr)) {
        if (methods_)
            methods_->relocate(other.storage_, storage_);
    }

    Completion& operator=(Completion&& other) noexcept {
        if (this != &other) {
            reset();
            ::new (static_cast<void*>(this)) Completion(std::move(other));
        }
        return *this;
    }

    ~Completion() { reset(); }

    explicit operator bool() const noexcept { return methods_ != nullptr; }

    /// Destroys the handler without calling it.
    void reset() noexcept {
        if (auto const* const held = std::exchange(methods_, nullptr))
            held->destroy(storage_);
    }

    /// Where a cancellation comes from.
    asio::cancellation_slot slot() const noexcept {
        return methods_ && methods_->slot ? methods_->slot(storage_) : asio::cancellation_slot();
    }

    /// Completes: to be called from the executor, outside the initiating function. What was held is
    /// released before the handler runs, so that the handler may start the next operation in the
    /// same place.
    void operator()(error_code const& ec, Results... results) {
        std::exchange(methods_, nullptr)->call(storage_, ec, std::move(results)...);
    }

    /// Completes from inside the initiating function: later, from `executor`.
    void post(asio::any_io_executor const& executor, error_code ec, Results... results) {
        asio::post(executor,
                   [self = std::move(*this), ec, ... results = std::move(results)]() mutable {
                       self(ec, std::move(results)...);
                   });
    }

private:
    struct None {};

    struct Methods {
        void (*call)(std::byte*, error_code const&, Results&&...);
        void (*relocate)(std::byte* from, std::byte* to) noexcept;
        void (*destroy)(std::byte*) noexcept;
        asio::cancellation_slot (*slot)(std::byte const*) noexcept; // null if there is none
    };

    // One that may be cancelled.
    template <class Held>
    struct Slotted {
        template <class... Parts>
        explicit Slotted(asio::cancellation_slot s, Parts&&... parts)
            : slot(s), held{std::forward<Parts>(parts)...} {}

        void operator()(error_code const& ec, Results&&... results) {
            if (slot.is_connected())
                slot.clear();
            std::move(held)(ec, std::move(results)...);
        }

        asio::cancellation_slot slot;
        Held held;
    };

    // A handler that runs on another executor.
    template <class Handler, class Executor>
    struct Elsewhere {
        asio::executor_work_guard<Executor> work;
        Handler handler;

        void operator()(error_code const& ec, Results&&... results) {
            asio::dispatch(work.get_executor(),
                           asio::append(std::move(handler), ec, std::move(results)...));
        }
    };

    template <class Executor>
    static bool is_same(Executor const& own, asio::any_io_executor const& executor) {
        if constexpr (std::is_same_v<Executor, asio::any_completion_executor>)
            return false; // hides what it is
        else if constexpr (std::is_convertible_v<Executor, asio::any_io_executor>)
            return asio::any_io_executor(own) == executor;
        else
            return false;
    }
    static bool is_same(asio::any_io_executor const& own, asio::any_io_executor const& executor) {
        return own == executor;
    }

    // One that does not fit in place, in memory of its allocator, and the allocator with it.
    template <class Held, class Allocator>
    class Apart {
        struct Node;
        using Traits = typename std::allocator_traits<Allocator>::template rebind_traits<Node>;
        struct Node {
            typename Traits::allocator_type allocator;
            Held held;
        };

    public:
        template <class... Parts>
        explicit Apart(Allocator const& from, Parts&&... parts) {
            typename Traits::allocator_type allocator(from);
            auto* const memory = Traits::allocate(allocator, 1);
            try {
                node_ = ::new (static_cast<void*>(memory))
                    Node{allocator, Held{std::forward<Parts>(parts)...}};
            } catch (...) {
                Traits::deallocate(allocator, memory, 1);
                throw;
            }
        }
        Apart(Apart&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
        ~Apart() { release(); }

        void operator()(error_code const& ec, Results&&... results) {
            Held held(std::move(node_->held));
            release();
            std::move(held)(ec, std::move(results)...);
        }

    private:
        void release() noexcept {
            if (auto* const node = std::exchange(node_, nullptr)) {
                auto allocator = std::move(node->allocator);
                node->~Node();
                Traits::deallocate(allocator, node, 1);
            }
        }

        Node* node_ = nullptr;
    };

    // Most handlers have no slot, and pay nothing for it.
    template <class Held, class Slot, class Allocator, class... Parts>
    void hold(Slot const& slot, Allocator const& allocator, Parts&&... parts) {
        constexpr bool slotted = !std::is_same_v<Slot, None>;
        constexpr bool fits = sizeof(Held) + (slotted ? sizeof slot : 0) <= room &&
                              alignof(Held) <= alignof(void*) &&
                              std::is_nothrow_move_constructible_v<Held>;
        if constexpr (slotted && fits)
            keep<Slotted<Held>>(slot, std::forward<Parts>(parts)...);
        else if constexpr (slotted)
            keep<Slotted<Apart<Held, Allocator>>>(slot, allocator, std::forward<Parts>(parts)...);
        else if constexpr (fits)
            keep<Held>(std::forward<Parts>(parts)...);
        else
            keep<Apart<Held, Allocator>>(allocator, std::forward<Parts>(parts)...);
    }

    template <class T>
    struct SlotOf {
        static constexpr asio::cancellation_slot (*get)(std::byte const*) noexcept = nullptr;
    };
    template <class T>
    struct SlotOf<Slotted<T>> {
        static asio::cancellation_slot get(std::byte const* storage) noexcept {
            return std::launder(reinterpret_cast<Slotted<T> const*>(storage))->slot;
        }
    };

    template <class Held, class... Parts>
    void keep(Parts&&... parts) {
        static constexpr Methods methods{
            [](std::byte* storage, error_code const& ec, Results&&... results) {
                auto* const stored = std::launder(reinterpret_cast<Held*>(storage));
                Held held(std::move(*stored));
                stored->~Held();
                std::move(held)(ec, std::move(results)...);
            },
            [](std::byte* from, std::byte* to) noexcept {
                auto* const stored = std::launder(reinterpret_cast<Held*>(from));
                ::new (static_cast<void*>(to)) Held(std::move(*stored));
                stored->~Held();
            },
            [](std::byte* storage) noexcept {
                std::launder(reinterpret_cast<Held*>(storage))->~Held();
            },
            SlotOf<Held>::get};
        static_assert(sizeof(Held) <= room && alignof(Held) <= alignof(void*));
        ::new (static_cast<void*>(storage_)) Held{std::forward<Parts>(parts)...};
        methods_ = &methods;
    }

    Methods const* methods_ = nullptr;
    alignas(void*) std::byte storage_[room];
};

} // namespace tornado::detail
