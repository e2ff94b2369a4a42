// SPDX-License-Identifier: BSL-1.0
// What one client still has to be sent: bounded, so that one that does not read costs no memory.
#pragma once

#include "history.hpp"

#include <cstddef>
#include <deque>
#include <utility>

namespace scale {

/// Frames are counted and not bytes: all who are in a room share them.
class Outbox {
public:
    explicit Outbox(std::size_t max_frames) : max_frames_(max_frames) {}

    /// False if the client is too far behind to get it; then nothing has changed.
    bool push(Frame frame) {
        if (frames_.size() >= max_frames_)
            return false;
        frames_.push_back(std::move(frame));
        return true;
    }
    bool empty() const noexcept { return frames_.empty(); }
    /// The one to be sent, which stays until it was.
    Frame const& front() const noexcept { return frames_.front(); }
    void pop() noexcept { frames_.pop_front(); }
    /// Gives up all but the first, which is being sent.
    void keep_first() noexcept {
        if (!frames_.empty())
            frames_.resize(1);
    }

private:
    std::size_t max_frames_;
    std::deque<Frame> frames_;
};

} // namespace scale
