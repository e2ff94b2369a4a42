// SPDX-License-Identifier: BSL-1.0
// Where one message need not follow the one before it, the older ones go: a history has no holes.
#include "history.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace scale {

void History::fall_behind() {
    behind_ = true;
    held_.clear(); // Redis has them
}

bool History::add(Entry entry) {
    if (behind_) {
        held_.push_back(std::move(entry));
        if (held_.size() > limit_)
            held_.erase(held_.begin());
        return false;
    }
    if (entry.id <= newest_)
        return false;
    append(std::move(entry));
    return true;
}

void History::catch_up(std::vector<Entry> const& entries, bool complete) {
    behind_ = false;
    if (!complete && !entries.empty() && entries.front().id > newest_)
        forget();
    for (auto const& entry : entries)
        if (entry.id > newest_)
            append(entry);
    if (held_.size() == limit_ && held_.front().id > newest_) // some may have been dropped
        forget();
    for (auto& entry : std::exchange(held_, {}))
        if (entry.id > newest_)
            append(std::move(entry));
}

History::Missed History::since(MessageId last) const {
    auto const first = std::ranges::upper_bound(entries_, last, {}, &Entry::id);
    Missed missed;
    missed.gap = truncated_ && last != MessageId() && first == entries_.begin();
    std::transform(first, entries_.end(), std::back_inserter(missed.frames),
                   [](Entry const& entry) { return entry.frame; });
    return missed;
}

void History::append(Entry entry) {
    newest_ = entry.id;
    entries_.push_back(std::move(entry));
    if (entries_.size() > limit_) {
        entries_.pop_front();
        truncated_ = true;
    }
}

void History::forget() noexcept {
    entries_.clear();
    truncated_ = true;
}

} // namespace scale
