// SPDX-License-Identifier: BSL-1.0
// Which address a client tries when: Happy Eyeballs, without a socket and without a clock.
#pragma once

#include "tornado/error.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace tornado::detail {

/// RFC 8305, sections 4 and 5. The addresses are tried in the resolver's order, but with their
/// families in turn, that of the first one first; each when the one before it has had the attempt
/// delay, or at once when any has failed. So any number of attempts may be under way at a time.
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
    /// Another address waits for its turn: timer_expired() is to be called when the attempt delay
    /// has passed since the latest attempt was started.
    bool wants_timer() const noexcept { return !decided_ && position_ < order_.size(); }

    void timer_expired() noexcept { due_ = true; }
    void failed(error_code cause) noexcept;
    /// Whether this attempt is the one to keep.
    bool succeeded() noexcept;
    /// Ends the search from outside: a deadline, a cancellation.
    void end() noexcept { decided_ = true; }

    bool decided() const noexcept { return decided_; }
    /// The last attempt's failure.
    error_code error() const noexcept { return error_; }

private:
    std::vector<std::size_t> order_; // of the addresses
    std::size_t position_ = 0;       // of the next one
    std::size_t failed_ = 0;         // how many have
    error_code error_;
    bool due_ = true; // the next one is
    bool decided_ = false;
};

} // namespace tornado::detail
