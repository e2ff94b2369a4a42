// SPDX-License-Identifier: BSL-1.0
// Waits on a loop for the end of a child.
#pragma once

#include "tornado/detail/function.hpp"
#include "tornado/error.hpp"

#include "process/child.hpp"
#include "tether.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace tornado::detail {

/// Lives while somebody waits, and is work for the context as long. Everything of Asio's in it goes
/// when the context does, even if this is still held.
class ExitWatch final : public std::enable_shared_from_this<ExitWatch>, Tether {
public:
    ExitWatch(asio::any_io_executor const& executor, std::shared_ptr<Child> child);
    ExitWatch(ExitWatch const&) = delete;
    ExitWatch& operator=(ExitWatch const&) = delete;
    ~ExitWatch();

    void start() { wait_for_notice(); }

    /// Calls `handler(ec)`, with no error when the child has ended and operation_aborted when the
    /// wait was cancelled by `slot`. Keeps this alive.
    template <class Handler>
    void wait(asio::cancellation_slot slot, Handler handler) {
        if (!exited_)
            return; // the context has ended
        exited_->async_wait(asio::bind_cancellation_slot(
            slot, [self = shared_from_this(), handler = std::move(handler)](error_code ec) mutable {
                handler(self->child_->end() ? error_code() : ec);
            }));
    }
    /// Calls `f` when the child has ended. Does not keep this alive.
    void on_exit(Function<void()> f) { on_exit_ = std::move(f); }

private:
    void wait_for_notice();
    void look();
    void context_ended() noexcept override;
    void describe_to(std::string& lines) const override;

    std::shared_ptr<Child> child_;
    Function<void()> on_exit_;
    std::optional<asio::steady_timer> exited_; // never expires; cancelled when the child has ended
    std::optional<asio::posix::stream_descriptor> pidfd_; // the child's, who closes it
    std::optional<asio::steady_timer> next_look_;         // where there is no pidfd
    std::chrono::milliseconds delay_{1};
    bool ended_ = false; // the child has
};

} // namespace tornado::detail
