// SPDX-License-Identifier: BSL-1.0
// Which address a client tries when: Happy Eyeballs, without a socket and without a clock.
#pragma once

#include "tornado/error.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace tornado::detail {

/// Tornado's `_Connector` (T166 to T174), a simple form of RFC 8305. The addresses are split by the
/// family of the first one. That family's are tried one after the other, and beside them, from the
/// first failure or the timer on, the other families' in the same way; so at most two attempts are
/// under way at a time.
///
///     trying --succeeded--> decided (connected)
///            --the last address failed, or end()--> decided (failed)
///
/// It is fed with what happened; after each event the caller starts what next() names, until that
/// names none. Once it is decided, every attempt that is still under way is a loser and is to be
/// closed.
class Connector {
public:
    /// `families`: of the addresses, in the resolver's order; at least one. An address is its index
    /// here.
    explicit Connector(std::span<int const> families);

    /// The address to try now.
    std::optional<std::size_t> next() noexcept;
    /// Another family waits for its turn: timer_expired() is to be called 0.3 seconds after the
    /// first attempt was started.
    bool wants_timer() const noexcept;

    void timer_expired() noexcept;
    void failed(std::size_t address, error_code cause) noexcept;
    /// Whether this attempt is the one to keep.
    bool succeeded() noexcept;
    /// Ends the search from outside: a deadline, a cancellation.
    void end() noexcept { decided_ = true; }

    bool decided() const noexcept { return decided_; }
    /// The last attempt's failure.
    error_code error() const noexcept { return error_; }

private:
    // Addresses that are tried one after the other.
    struct Queue {
        std::vector<std::size_t> addresses;
        std::size_t position = 0;
        bool may_start = false;
    };

    bool in_primary(std::size_t address) const noexcept;

    Queue primary_;
    Queue secondary_;
    std::size_t remaining_; // addresses that have not failed
    error_code error_;
    bool secondary_waits_ = true; // for the first failure or the timer
    bool decided_ = false;
};

} // namespace tornado::detail
