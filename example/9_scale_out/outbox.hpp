// SPDX-License-Identifier: BSL-1.0
// What one client still has to be sent: bounded, so that one that does not read costs no memory.
#pragma once

#include "history.hpp"

#include <cstddef>
#include <deque>
#include <utility>

namespace scale {

class Outbox {
public:
    explicit Outbox(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    /// False if the client is too far behind to get it; then nothing has changed. A single frame
    /// always finds room.
    bool push(Frame frame) {
        if (!frames_.empty() && bytes_ + frame->size() > max_bytes_)
            return false;
        bytes_ += frame->size();
        frames_.push_back(std::move(frame));
        return true;
    }
    bool empty() const noexcept { return frames_.empty(); }
    /// The one to be sent, which stays until it was.
    Frame const& front() const noexcept { return frames_.front(); }
    void pop() noexcept {
        bytes_ -= frames_.front()->size();
        frames_.pop_front();
    }
    /// Gives up all but the first, which is being sent.
    void keep_first() noexcept {
        if (!frames_.empty()) {
            frames_.resize(1);
            bytes_ = frames_.front()->size();
        }
    }
    std::size_t bytes() const noexcept { return bytes_; }

private:
    std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    std::deque<Frame> frames_;
};

} // namespace scale
