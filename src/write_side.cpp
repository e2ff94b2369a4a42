// SPDX-License-Identifier: BSL-1.0
#include "write_side.hpp"

#include <boost/asio/error.hpp>

#include <stdexcept>

namespace tornado::detail {

WriteSide::Pending const* WriteSide::wait(std::uint64_t end, error_code failure, bool connected,
                                          VoidCompletion&& handler) {
    if (!failure && connected && is_complete(end) && !waiting()) {
        due_ = std::move(handler);
        return nullptr;
    }
    return add({failure ? completed_ : end, 0, false, failure, std::move(handler)});
}

WriteSide::Pending const* WriteSide::append_some(std::span<asio::const_buffer const> buffers,
                                                 SizeCompletion&& handler) {
    auto const total = asio::buffer_size(buffers);
    bool const direct =
        total != 0 && size() + total > std::min(low_, max_) && !(direct_ && direct_->size != 0);
    if (direct) {
        if (!direct_)
            direct_ = std::make_unique<Direct>();
        direct_->count = std::min(buffers.size(), max_gather);
        std::copy_n(buffers.begin(), direct_->count, direct_->buffers.begin());
        direct_->size = asio::buffer_size(std::span(direct_->buffers).first(direct_->count));
    } else {
        copy_direct();
        for (auto const& buffer : buffers)
            queue_.append(std::string_view(static_cast<char const*>(buffer.data()), buffer.size()));
        queued_ += total;
        complete_if_low();
    }
    // What is sent directly comes behind all that is queued; what it ends at is known when some of
    // it is sent.
    return add({queued_ + direct, total, direct, {}, std::move(handler)});
}

void WriteSide::cancel(Pending const* wait, bool connected) {
    for (auto it = pending_.begin(); it != pending_.end(); ++it) {
        if (&*it != wait)
            continue;
        if (due(*it, connected))
            return;
        if (it->direct) {
            end_direct(0);
            it->direct = false;
            it->size = 0;
        }
        it->failure = asio::error::operation_aborted;
        pending_.splice(pending_.begin(), pending_, it);
        return;
    }
}

std::size_t WriteSide::gather(Buffers& buffers) const noexcept {
    auto count = queue_.gather(std::span<asio::const_buffer>(buffers));
    if (direct_ && direct_->size != 0 &&
        asio::buffer_size(std::span(buffers).first(count)) == queue_.size())
        for (std::size_t i = 0; i != direct_->count && count != max_gather; ++i)
            buffers[count++] = direct_->buffers[i];
    return count;
}

void WriteSide::consume(std::size_t n) {
    auto const queued = std::min(n, queue_.size());
    queue_.consume(queued);
    sent_ += queued;
    completed_ = std::max(completed_, sent_);
    if (n > queued)
        end_direct(n - queued);
}

std::string WriteSide::take_unsent() {
    std::string bytes;
    Buffers buffers;
    while (!empty()) {
        auto const before = bytes.size();
        for (auto const& buffer : std::span(buffers).first(gather(buffers)))
            bytes.append(static_cast<char const*>(buffer.data()), buffer.size());
        consume(bytes.size() - before);
    }
    return bytes;
}

void WriteSide::complete() {
    if (due_)
        return due_({});
    auto first = std::move(pending_.front());
    pending_.pop_front();
    if (auto* const sized = std::get_if<SizeCompletion>(&first.handler))
        (*sized)(first.failure, first.size);
    else
        std::get<VoidCompletion>(first.handler)(first.failure);
}

void WriteSide::drop(error_code cause, bool keep_completed) {
    if (!keep_completed)
        completed_ = sent_;
    queue_.truncate(static_cast<std::size_t>(completed_ - sent_));
    end_direct(0);
    for (auto& pending : pending_)
        if (pending.direct || pending.end > completed_) {
            pending.failure = cause;
            pending.size = 0;
        }
    queued_ = completed_;
}

void WriteSide::set_watermarks(std::size_t low, std::size_t high,
                               std::function<void(bool)> callback) {
    if (low > high)
        throw std::invalid_argument("set_write_watermarks: low is " + std::to_string(low) +
                                    " and high is " + std::to_string(high) +
                                    "; low must not be above high");
    low_ = low;
    complete_if_low();
    watermarks_.reset(callback ? new Watermarks{high, std::move(callback)} : nullptr);
}

void WriteSide::tell_crossing() {
    watermarks_->above = !watermarks_->above;
    auto const callback = watermarks_->callback; // it may set others
    callback(watermarks_->above);
}

// A wait asked for late stands before those of later writes, one that failed before all.
WriteSide::Pending const* WriteSide::add(Pending pending) {
    auto before = pending_.end();
    while (before != pending_.begin() && !std::prev(before)->failure &&
           (pending.failure || std::prev(before)->end > pending.end))
        --before;
    return &*pending_.insert(before, std::move(pending));
}

// Later bytes must not overtake: what the caller's memory still holds is queued first.
void WriteSide::copy_direct() {
    if (!direct_ || direct_->size == 0)
        return;
    for (std::size_t i = 0; i != direct_->count; ++i)
        queue_.append(std::string_view(static_cast<char const*>(direct_->buffers[i].data()),
                                       direct_->buffers[i].size()));
    queued_ += direct_->size;
    for (auto& pending : pending_)
        if (std::exchange(pending.direct, false)) {
            pending.size = direct_->size;
            pending.end = queued_;
        }
    direct_->count = direct_->size = 0;
}

// The caller's memory is free again, after `taken` bytes of it were sent.
void WriteSide::end_direct(std::size_t taken) noexcept {
    if (!direct_ || direct_->size == 0)
        return;
    direct_->count = direct_->size = 0;
    queued_ += taken;
    sent_ += taken;
    completed_ = std::max(completed_, sent_);
    if (taken != 0)
        for (auto& pending : pending_)
            if (std::exchange(pending.direct, false)) {
                pending.size = taken;
                pending.end = sent_;
            }
}

} // namespace tornado::detail
