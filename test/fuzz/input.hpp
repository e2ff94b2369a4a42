// SPDX-License-Identifier: BSL-1.0
// Reads a fuzzer's bytes as choices, and stops the fuzzer where a model disagrees.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tornado::test {

class Input {
public:
    Input(std::uint8_t const* data, std::size_t size)
        : left_(reinterpret_cast<char const*>(data), size) {}

    bool empty() const { return left_.empty(); }

    /// The next byte; 0 at the end.
    std::uint8_t byte() {
        if (left_.empty())
            return 0;
        auto const value = static_cast<std::uint8_t>(left_.front());
        left_.remove_prefix(1);
        return value;
    }

    /// A number of any magnitude up to `most`, small ones more often.
    std::size_t number(std::size_t most) {
        auto const shift = byte() % 18;
        std::size_t const value = byte() | std::size_t{byte()} << 8 | std::size_t{byte()} << 16;
        return std::min(value & ((std::size_t{1} << shift) - 1), most);
    }

    /// Up to `most` of the input's own bytes.
    std::string_view bytes(std::size_t most) {
        auto const taken = left_.substr(0, most);
        left_.remove_prefix(taken.size());
        return taken;
    }

private:
    std::string_view left_;
};

/// `n` bytes that differ from their neighbours and from those of another `seed`.
inline std::string filler(std::size_t n, unsigned seed) {
    std::string bytes(n, '\0');
    for (std::size_t i = 0; i < n; ++i)
        bytes[i] = static_cast<char>(i * 31 + i / 251 + seed);
    return bytes;
}

inline void require(bool ok) {
    if (!ok)
        __builtin_trap();
}

} // namespace tornado::test
