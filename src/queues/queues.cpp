// SPDX-License-Identifier: BSL-1.0
#include "tornado/queues.hpp"

#include <string>

namespace tornado {

QueueEmpty::QueueEmpty()
    : std::runtime_error("Queue is empty: get() waits for an item, get_nowait() does not") {}
QueueEmpty::~QueueEmpty() = default;

QueueFull::QueueFull(std::size_t maxsize)
    : std::runtime_error("Queue is full, it holds " + std::to_string(maxsize) +
                         " items: put() waits for room, put_nowait() does not") {}
QueueFull::~QueueFull() = default;

namespace detail {

std::size_t checked_maxsize(long long maxsize) {
    if (maxsize < 0)
        throw std::invalid_argument("Queue: maxsize " + std::to_string(maxsize) +
                                    " is negative: give 0 for any number of items");
    return static_cast<std::size_t>(maxsize);
}

void check_unfinished(std::size_t unfinished) {
    if (unfinished == 0)
        throw std::logic_error(
            "Queue: task_done() called too many times: call it once for each item taken out");
}

} // namespace detail
} // namespace tornado
