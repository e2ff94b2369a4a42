// SPDX-License-Identifier: BSL-1.0
#include "ioloop/current.hpp"

#include "ioloop/impl.hpp"

#include <memory>
#include <mutex>
#include <unistd.h>
#include <vector>

namespace tornado {
namespace {

thread_local IOLoop* current_loop = nullptr;
thread_local detail::CurrentWhileRunning* innermost = nullptr;

// The main thread's current loop, for the others.
std::mutex main_mutex;
IOLoop* main_loop = nullptr;

using Loops = std::vector<std::unique_ptr<IOLoop>>;

bool on_main_thread() noexcept {
    return ::gettid() == ::getpid();
}

void set_current(IOLoop* loop) noexcept {
    current_loop = loop;
    if (on_main_thread()) {
        std::lock_guard const lock(main_mutex);
        main_loop = loop;
    }
}

} // namespace

IOLoop& IOLoop::current() {
    if (current_loop)
        return *current_loop;
    auto const make_in = [](Loops& made) -> IOLoop& {
        std::erase_if(
            made, [](auto const& loop) { return loop->impl_->closed && !loop->impl_->running; });
        return *made.emplace_back(std::make_unique<IOLoop>());
    };
    if (!on_main_thread()) {
        thread_local Loops made;
        return make_in(made);
    }
    {
        std::lock_guard const lock(main_mutex);
        if ((current_loop = main_loop))
            return *current_loop;
    }
    // Never destroyed, because static objects use them to the very end. Only functions that run in
    // their default executors are waited for, before the first static object goes.
    static auto& made = *new Loops;
    struct AtEndOfMain {
        ~AtEndOfMain() {
            for (auto const& loop : made)
                loop->impl_->own_executor.reset();
        }
    };
    thread_local AtEndOfMain const at_end;
    return make_in(made);
}

IOLoop* IOLoop::current_if_any() noexcept {
    return current_loop;
}

IOLoop& IOLoop::instance() {
    if (on_main_thread())
        return current();
    std::lock_guard const lock(main_mutex);
    if (!main_loop) {
        static auto& loop = *new IOLoop(false);
        main_loop = &loop;
    }
    return *main_loop;
}

void IOLoop::make_current() {
    set_current(this);
}

void IOLoop::clear_current() {
    set_current(nullptr);
}

namespace detail {

void forget_current(IOLoop& loop) noexcept {
    if (current_loop == &loop)
        set_current(nullptr);
    for (auto* running = innermost; running; running = running->outer_) {
        if (running->former_ == &loop)
            running->former_ = nullptr;
    }
}

CurrentWhileRunning::CurrentWhileRunning(IOLoop& loop) noexcept
    : former_(current_loop), outer_(innermost) {
    innermost = this;
    set_current(&loop);
}

CurrentWhileRunning::~CurrentWhileRunning() {
    innermost = outer_;
    set_current(former_);
}

} // namespace detail
} // namespace tornado
