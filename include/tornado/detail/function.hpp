// SPDX-License-Identifier: BSL-1.0
// A callable of any kind, owned and only moved; small ones live inside the object.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace tornado::detail {

template <class Signature>
class Function;

/// What std::function is, without copies: arguments and captures may be move-only, and a callable
/// of up to `room` bytes costs no allocation.
template <class R, class... Args>
class Function<R(Args...)> {
public:
    static constexpr std::size_t room = 7 * sizeof(void*);

    Function() = default;

    template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Function> &&
             std::is_invocable_r_v<R, std::decay_t<F>&, Args...>) Function(F&& f) {
        using Held = std::decay_t<F>;
        if constexpr (fits<Held>)
            ::new (static_cast<void*>(storage_)) Held(std::forward<F>(f));
        else
            ::new (static_cast<void*>(storage_)) Held*(new Held(std::forward<F>(f)));
        methods_ = &methods<Held>;
    }

    Function(Function&& other) noexcept : methods_(std::exchange(other.methods_, nullptr)) {
        if (methods_)
            methods_->relocate(other.storage_, storage_);
    }

    Function& operator=(Function&& other) noexcept {
        if (this != &other) {
            reset();
            ::new (static_cast<void*>(this)) Function(std::move(other));
        }
        return *this;
    }

    ~Function() { reset(); }

    /// Destroys what is held.
    void reset() noexcept {
        if (auto const* held = std::exchange(methods_, nullptr))
            held->destroy(storage_);
    }

    explicit operator bool() const noexcept { return methods_ != nullptr; }

    R operator()(Args... args) { return methods_->call(storage_, std::forward<Args>(args)...); }

private:
    template <class F>
    static constexpr bool
        fits = sizeof(F) <= room &&
               alignof(F) <= alignof(void*) && std::is_nothrow_move_constructible_v<F>;

    struct Methods {
        R (*call)(std::byte*, Args&&...);
        void (*relocate)(std::byte* from, std::byte* to) noexcept;
        void (*destroy)(std::byte*) noexcept;
    };

    template <class F>
    static F& held(std::byte* storage) noexcept {
        if constexpr (fits<F>)
            return *std::launder(reinterpret_cast<F*>(storage));
        else
            return **std::launder(reinterpret_cast<F**>(storage));
    }

    template <class F>
    static constexpr Methods methods{[](std::byte* storage, Args&&... args) -> R {
                                         return held<F>(storage)(std::forward<Args>(args)...);
                                     },
                                     [](std::byte* from, std::byte* to) noexcept {
                                         if constexpr (fits<F>) {
                                             ::new (static_cast<void*>(to))
                                                 F(std::move(held<F>(from)));
                                             std::destroy_at(&held<F>(from));
                                         } else {
                                             ::new (static_cast<void*>(to)) F*(&held<F>(from));
                                         }
                                     },
                                     [](std::byte* storage) noexcept {
                                         if constexpr (fits<F>)
                                             std::destroy_at(&held<F>(storage));
                                         else
                                             delete &held<F>(storage);
                                     }};

    alignas(void*) std::byte storage_[room];
    Methods const* methods_ = nullptr;
};

} // namespace tornado::detail
