// SPDX-License-Identifier: BSL-1.0
// What a worker knows of a room: the last messages, each once and in order, whatever way they came.
#pragma once

#include "message_id.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace scale {

/// One text for all who get it.
using Frame = std::shared_ptr<std::string const>;

struct Entry {
    MessageId id;
    Frame frame; // as it is sent to the clients
};

/// Messages come live, by a subscription, and in bulk, by a look at what Redis keeps. Whoever has
/// subscribed looks afterwards; so nothing falls in between, and what comes both ways counts once.
///
///     behind --catch_up--> live --fall_behind--> behind
class History {
public:
    /// Keeps the last `limit` messages.
    explicit History(std::size_t limit) : limit_(limit) {}

    bool behind() const noexcept { return behind_; }
    /// The subscription has ended, or has not begun: what comes live is held back from now on.
    void fall_behind();
    /// A live message; false if it is not to be passed on, because it is held back or was known.
    bool add(Entry entry);
    /// The last messages that Redis keeps, oldest first. `complete`: there are no older ones.
    void catch_up(std::vector<Entry> const& entries, bool complete);

    struct Missed {
        std::vector<Frame> frames; // oldest first
        bool gap = false;          // there may have been more, which nobody keeps any more
    };
    /// What has come after `last`; for a newcomer, who has seen none, all there is.
    Missed since(MessageId last) const;
    MessageId newest() const noexcept { return newest_; }

private:
    void append(Entry entry);
    void forget() noexcept;

    std::size_t limit_;
    std::deque<Entry> entries_;
    std::vector<Entry> held_; // live ones, while behind
    MessageId newest_;
    bool behind_ = true;
    bool truncated_ = false; // older ones than entries_ has may have been
};

} // namespace scale
