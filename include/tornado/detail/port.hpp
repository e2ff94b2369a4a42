// SPDX-License-Identifier: BSL-1.0
// A port number, made of any integer: one that is none is refused, and not cut to sixteen bits.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace tornado::detail {

/// Enumerators, and objects that convert to a number.
template <class T>
concept StandsForPort = std::is_convertible_v<T const&, std::uint16_t> &&
    (std::is_enum_v<T> || std::is_class_v<T>);

/// What a function takes in place of std::uint16_t: with that, `listen(70000)` would be port 4464.
class Port {
public:
    /// Throws std::invalid_argument, which names the number, unless it is from 0 to 65535.
    template <std::integral T>
    constexpr Port(T number) : number_(static_cast<std::uint16_t>(number)) {
        bool good = true;
        if constexpr (std::is_signed_v<T>)
            good = number >= 0;
        if constexpr (std::numeric_limits<T>::digits > 16)
            good = good && number <= T{std::numeric_limits<std::uint16_t>::max()};
        if (!good)
            throw std::invalid_argument("port " + std::to_string(number) +
                                        " does not exist: give a number from 0 to 65535");
    }
    template <StandsForPort T>
    constexpr Port(T const& number) : number_(number) {}

    constexpr operator std::uint16_t() const noexcept { return number_; }

private:
    std::uint16_t number_;
};

} // namespace tornado::detail
