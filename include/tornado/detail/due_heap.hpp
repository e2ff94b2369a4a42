// SPDX-License-Identifier: BSL-1.0
// What is due at some time, the earliest on top: a heap whose entries are told their place in it.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace tornado::detail {

/// `Entry` is small, and ordered by <. `Tell` is called with an entry and its place whenever that
/// changes, so that the entry can be removed by it. Four children to an entry: entries that are
/// compared with each other lie side by side, and the way to the top is half as long as with two.
template <class Entry, class Tell>
class DueHeap {
public:
    explicit DueHeap(Tell tell = Tell()) : tell_(std::move(tell)) {}

    bool empty() const noexcept { return entries_.empty(); }
    std::size_t size() const noexcept { return entries_.size(); }
    Entry const& top() const noexcept { return entries_.front(); }

    void push(Entry entry) {
        entries_.push_back(entry);
        rise(entry, entries_.size() - 1);
    }

    void remove(std::size_t place) noexcept {
        auto const last = entries_.back();
        entries_.pop_back();
        if (place == entries_.size())
            return;
        if (place != 0 && last < entries_[parent(place)])
            rise(last, place);
        else
            sink(last, place);
    }

    /// Gives back the memory, of which there is much after a time of many entries.
    void release() noexcept { std::vector<Entry>().swap(entries_); }

private:
    static std::size_t parent(std::size_t place) noexcept { return (place - 1) / 4; }

    void put(Entry const& entry, std::size_t place) noexcept {
        entries_[place] = entry;
        tell_(entry, place);
    }

    void rise(Entry const& entry, std::size_t place) noexcept {
        for (; place != 0 && entry < entries_[parent(place)]; place = parent(place))
            put(entries_[parent(place)], place);
        put(entry, place);
    }

    void sink(Entry const& entry, std::size_t place) noexcept {
        for (auto child = 4 * place + 1; child < entries_.size(); child = 4 * place + 1) {
            auto const end = child + 4 < entries_.size() ? child + 4 : entries_.size();
            auto least = child;
            for (++child; child < end; ++child)
                if (entries_[child] < entries_[least])
                    least = child;
            if (!(entries_[least] < entry))
                break;
            put(entries_[least], place);
            place = least;
        }
        put(entry, place);
    }

    std::vector<Entry> entries_; // the children of n are at 4n + 1 to 4n + 4
    [[no_unique_address]] Tell tell_;
};

} // namespace tornado::detail
