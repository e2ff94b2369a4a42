// SPDX-License-Identifier: BSL-1.0
#include "ioloop/watchdog.hpp"

#include "tornado/log.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <utility>

namespace tornado::detail {

struct Watchdog::State {
    std::mutex mutex;
    std::condition_variable changed;
    bool answered = false;
    bool ending = false;

    static void watch(std::shared_ptr<State> const& state, boost::asio::io_context& context,
                      Clock::duration threshold, Longest const& longest);
};

namespace {

void log_blocked(Clock::duration blocked) {
    char text[64];
    std::snprintf(text, sizeof text, "IOLoop blocked for %.3f seconds",
                  std::chrono::duration<double>(blocked).count());
    log(Logger::general, LogLevel::warning, text);
}

} // namespace

void Watchdog::State::watch(std::shared_ptr<State> const& state, boost::asio::io_context& context,
                            Clock::duration threshold, Longest const& longest) {
    std::unique_lock lock(state->mutex);
    while (!state->ending) {
        state->answered = false;
        auto const asked = Clock::now();
        boost::asio::post(context, [state, longest, asked] {
            std::lock_guard const answer(state->mutex);
            if (!state->ending) // else the loop may have stood still because it was stopped
                *longest = std::max(*longest, Clock::now() - asked);
            state->answered = true;
            state->changed.notify_one();
        });
        auto const settled = [&] { return state->answered || state->ending; };
        if (!state->changed.wait_until(lock, add_clamped(asked, threshold), settled)) {
            lock.unlock();
            log_blocked(Clock::now() - asked);
            lock.lock();
            state->changed.wait(lock, settled);
        }
        state->changed.wait_for(lock, threshold / 4, [&] { return state->ending; });
    }
}

// The application's signal handlers are to run on its own threads.
Watchdog::Watchdog(boost::asio::io_context& context, Clock::duration threshold, Longest longest)
    : state_(std::make_shared<State>()) {
    sigset_t all;
    sigset_t former;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &former);
    try {
        thread_ = std::thread([state = state_, &context, threshold, longest = std::move(longest)] {
            State::watch(state, context, threshold, longest);
        });
    } catch (...) {
        ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
        throw;
    }
    ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
}

Watchdog::~Watchdog() {
    {
        std::lock_guard const lock(state_->mutex);
        state_->ending = true;
    }
    state_->changed.notify_one();
    thread_.join();
}

} // namespace tornado::detail
