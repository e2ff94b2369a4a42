// SPDX-License-Identifier: BSL-1.0
#include "iostream/write_side.hpp"

#include <boost/asio/error.hpp>

#include <stdexcept>

namespace tornado::detail {

WriteSide::Pending const* WriteSide::wait(std::uint64_t end, error_code failure, bool connected,
                                          VoidCompletion&& handler) {
    if (!failure && connected && wait_complete(end, handler))
        return nullptr;
    return add({failure ? completed_ : end, 0, Place::queue, failure, std::move(handler)});
}

WriteSide::Pending const* WriteSide::append_some(std::span<asio::const_buffer const> buffers,
                                                 SizeCompletion&& handler) {
    auto const total = asio::buffer_size(buffers);
    bool const direct = total != 0 && size() + total > std::min(low_, max_) && direct_size() == 0;
    if (direct) {
        if (!rare().direct)
            rare_->direct = std::make_unique<Direct>();
        auto& [list, count, size] = *rare_->direct;
        count = std::min(buffers.size(), max_gather);
        std::copy_n(buffers.begin(), count, list.begin());
        size = asio::buffer_size(std::span(list).first(count));
    } else {
        if (direct_size() != 0)
            queue_direct();
        for (auto const& buffer : buffers)
            queue_.append(std::string_view(static_cast<char const*>(buffer.data()), buffer.size()));
        queued_ += total;
        complete_if_low();
    }
    // What is sent directly comes behind all that is queued; what it ends at is known when some of
    // it is sent.
    return add(
        {queued_ + direct, total, direct ? Place::direct : Place::queue, {}, std::move(handler)});
}

WriteSide::Pending const* WriteSide::append_file(std::shared_ptr<SourceFile const> source,
                                                 std::uint64_t count, FileCompletion&& handler) {
    if (direct_size() != 0)
        queue_direct();
    auto* const pending = add({queued_,
                               count,
                               count == 0 ? Place::queue : Place::file,
                               {},
                               FileHandler{std::move(handler)}});
    if (count != 0)
        rare_->files.push_back({std::move(source), queued_, count, 0, pending});
    return pending;
}

void WriteSide::cancel(Pending const* wait, bool connected) {
    if (!rare_) // forgotten
        return;
    auto& list = rare_->pending;
    for (auto it = list.begin(); it != list.end(); ++it) {
        if (&*it != wait)
            continue;
        if (due(*it, connected))
            return;
        switch (it->place) {
        case Place::queue:
            break;
        case Place::direct:
            end_direct(0);
            it->size = 0;
            break;
        case Place::file:
            end_file(*std::find_if(rare_->files.begin(), rare_->files.end(),
                                   [&](QueuedFile const& file) { return file.pending == wait; }));
            break;
        }
        it->place = Place::queue;
        it->failure = asio::error::operation_aborted;
        list.splice(list.begin(), list, it);
        return;
    }
}

std::uint64_t WriteSide::size_of_files() const noexcept {
    std::uint64_t size = 0;
    if (rare_)
        for (auto const& file : rare_->files)
            size += file.count - file.sent;
    return size;
}

std::size_t WriteSide::gather(Buffers& buffers) const noexcept {
    auto count = queue_.gather(std::span<asio::const_buffer>(buffers));
    if (direct_size() != 0 && !has_files() &&
        asio::buffer_size(std::span(buffers).first(count)) == queue_.size())
        for (std::size_t i = 0; i != rare_->direct->count && count != max_gather; ++i)
            buffers[count++] = rare_->direct->buffers[i];
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

void WriteSide::consume_file(std::size_t n) {
    auto& file = rare_->files.front();
    file.sent += n;
    sent_of_files_ += n;
    if (file.sent == file.count)
        end_file(file);
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
    auto first = std::move(rare_->pending.front());
    rare_->pending.pop_front();
    if (auto* const sized = std::get_if<SizeCompletion>(&first.handler))
        (*sized)(first.failure, static_cast<std::size_t>(first.size));
    else if (auto* const file = std::get_if<FileHandler>(&first.handler))
        file->call(first.failure, first.size);
    else
        std::get<VoidCompletion>(first.handler)(first.failure);
}

void WriteSide::drop(error_code cause, bool keep_completed) {
    if (!keep_completed)
        completed_ = sent_;
    queue_.truncate(static_cast<std::size_t>(completed_ - sent_));
    end_direct(0);
    queued_ = completed_;
    if (!rare_)
        return;
    for (auto& pending : rare_->pending)
        if (pending.place != Place::queue || pending.end > completed_) {
            pending.failure = cause;
            pending.size = 0;
        }
    while (has_files())
        end_file(rare_->files.front());
}

void WriteSide::set_watermarks(std::size_t low, std::size_t high,
                               std::function<void(bool)> callback) {
    if (low > high)
        throw std::invalid_argument("set_write_watermarks: low is " + std::to_string(low) +
                                    " and high is " + std::to_string(high) +
                                    "; low must not be above high");
    low_ = low;
    complete_if_low();
    rare().watermarks.reset(callback ? new Watermarks{high, std::move(callback)} : nullptr);
}

void WriteSide::tell_crossing() {
    auto& marks = *rare_->watermarks;
    marks.above = !marks.above;
    auto const callback = marks.callback; // it may set others
    callback(marks.above);
}

// Whoever sent it is told how far that came.
void WriteSide::end_file(QueuedFile const& file) noexcept {
    file.pending->size = file.sent;
    file.pending->place = Place::queue;
    rare_->files.remove_if([&](QueuedFile const& other) { return &other == &file; });
    complete_if_low();
}

// A wait asked for late stands before those of later writes, one that failed before all.
WriteSide::Pending* WriteSide::add(Pending pending) {
    auto& list = rare().pending;
    auto before = list.end();
    while (before != list.begin() && !std::prev(before)->failure &&
           (pending.failure || std::prev(before)->end > pending.end))
        --before;
    return &*list.insert(before, std::move(pending));
}

// Later bytes must not overtake: what the caller's memory still holds is queued first.
void WriteSide::queue_direct() {
    auto& [list, count, size] = *rare_->direct;
    for (auto const& buffer : std::span(list).first(count))
        queue_.append(std::string_view(static_cast<char const*>(buffer.data()), buffer.size()));
    queued_ += size;
    for (auto& pending : rare_->pending)
        if (pending.place == Place::direct) {
            pending.place = Place::queue;
            pending.size = size;
            pending.end = queued_;
        }
    count = size = 0;
}

// The caller's memory is free again, after `taken` bytes of it were sent.
void WriteSide::end_direct(std::size_t taken) noexcept {
    if (direct_size() == 0)
        return;
    rare_->direct->count = rare_->direct->size = 0;
    queued_ += taken;
    sent_ += taken;
    completed_ = std::max(completed_, sent_);
    if (taken != 0)
        for (auto& pending : rare_->pending)
            if (pending.place == Place::direct) {
                pending.place = Place::queue;
                pending.size = taken;
                pending.end = sent_;
            }
}

} // namespace tornado::detail
