// SPDX-License-Identifier: BSL-1.0
// Which item of a queue comes next, and what a queue refuses.
#pragma once

#include "tornado/detail/export.hpp"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

namespace tornado::detail {

template <class T>
class OldestFirst {
public:
    std::size_t size() const noexcept { return items_.size(); }
    void push(T item) { items_.push_back(std::move(item)); }
    T pop() {
        T item(std::move(items_.front()));
        items_.pop_front();
        return item;
    }

private:
    std::deque<T> items_;
};

template <class T>
class NewestFirst {
public:
    std::size_t size() const noexcept { return items_.size(); }
    void push(T item) { items_.push_back(std::move(item)); }
    T pop() {
        T item(std::move(items_.back()));
        items_.pop_back();
        return item;
    }

private:
    std::vector<T> items_;
};

template <class T, class Less>
class LeastFirst {
public:
    std::size_t size() const noexcept { return items_.size(); }
    void push(T item) {
        items_.push_back(std::move(item));
        std::push_heap(items_.begin(), items_.end(), comes_later);
    }
    T pop() {
        std::pop_heap(items_.begin(), items_.end(), comes_later);
        T item(std::move(items_.back()));
        items_.pop_back();
        return item;
    }

private:
    static bool comes_later(T const& a, T const& b) { return Less()(b, a); }

    std::vector<T> items_;
};

/// Throws std::invalid_argument if it is negative.
TORNADO_ASIO_EXPORT std::size_t checked_maxsize(long long maxsize);
/// Throws std::logic_error if there is nothing to be done.
TORNADO_ASIO_EXPORT void check_unfinished(std::size_t unfinished);

} // namespace tornado::detail
