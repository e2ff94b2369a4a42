// SPDX-License-Identifier: BSL-1.0
#include "ioloop/handlers.hpp"

#include "tornado/ioloop.hpp"

#include "last_error.hpp"

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <sys/epoll.h>
#include <unistd.h>
#include <utility>

namespace tornado::detail {
namespace {

std::string name(char const* function, int fd) {
    return "IOLoop::" + std::string(function) + ": descriptor " + std::to_string(fd);
}

// epoll cannot be told to keep quiet about a hang-up; for NONE it is told at most once.
std::uint32_t to_epoll(unsigned events) noexcept {
    if (events == IOLoop::NONE)
        return EPOLLET;
    return ((events & IOLoop::READ) ? EPOLLIN : 0U) | ((events & IOLoop::WRITE) ? EPOLLOUT : 0U);
}

unsigned from_epoll(std::uint32_t events) noexcept {
    if (events & (EPOLLERR | EPOLLHUP))
        return IOLoop::READ | IOLoop::WRITE | IOLoop::ERROR;
    return ((events & EPOLLIN) ? IOLoop::READ : 0U) | ((events & EPOLLOUT) ? IOLoop::WRITE : 0U);
}

} // namespace

FdHandlers::FdHandlers(asio::io_context& context, std::shared_ptr<CallbackRunner> runner)
    : context_(context), runner_(std::move(runner)) {}

void FdHandlers::add(int fd, Handler handler, unsigned events) {
    if (closed_)
        return;
    if (!epoll_) {
        int const set = ::epoll_create1(EPOLL_CLOEXEC);
        if (set < 0)
            throw system_error(last_error(), "IOLoop::add_handler: epoll_create1");
        epoll_.emplace(context_, set);
    }

    Entry entry{++last_generation_, events, std::make_shared<Handler>(std::move(handler))};
    if (!control(EPOLL_CTL_ADD, fd, entry)) {
        auto const ec = last_error();
        auto const subject = name("add_handler", fd);
        switch (ec.value()) {
        case EEXIST:
            throw std::invalid_argument(
                subject + " added twice; use update_handler, or remove_handler first");
        case EBADF:
            throw std::invalid_argument(subject + " is not open");
        case EPERM:
            throw std::invalid_argument(subject +
                                        " cannot be waited for: regular files and directories are "
                                        "always ready; use run_in_executor");
        default:
            throw system_error(ec, subject);
        }
    }
    // An entry that is there already was of a descriptor that has been closed, otherwise epoll
    // would know it.
    std::swap(entries_[fd], entry);
    wait();
}

void FdHandlers::update(int fd, unsigned events) {
    if (closed_)
        return;
    auto const found = entries_.find(fd);
    if (found == entries_.end())
        throw std::invalid_argument(name("update_handler", fd) +
                                    " has no handler; use add_handler");
    auto changed = found->second;
    changed.events = events;
    if (!control(EPOLL_CTL_MOD, fd, changed))
        throw std::invalid_argument(name("update_handler", fd) +
                                    " has been closed; use remove_handler");
    found->second.events = events;
}

void FdHandlers::remove(int fd) {
    auto const entry = entries_.extract(fd);
    if (!entry)
        return;
    control(EPOLL_CTL_DEL, fd, entry.mapped());
    if (entries_.empty())
        epoll_->cancel();
}

void FdHandlers::close(bool all_fds) {
    closed_ = true;
    epoll_.reset();
    for (auto const& [fd, entry] : std::exchange(entries_, {})) {
        if (all_fds)
            ::close(fd);
    }
}

bool FdHandlers::control(int operation, int fd, Entry const& entry) {
    epoll_event event{};
    event.events = to_epoll(entry.events);
    event.data.u64 = std::uint64_t{entry.generation} << 32 | static_cast<std::uint32_t>(fd);
    return ::epoll_ctl(epoll_->native_handle(), operation, fd, &event) == 0;
}

// Each async_wait looks at the set anew, so descriptors that are still ready are told again.
void FdHandlers::wait() {
    if (waiting_ || closed_ || entries_.empty())
        return;
    waiting_ = true;
    epoll_->async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](error_code ec) {
                           self->waiting_ = false;
                           if (!ec)
                               self->dispatch();
                           self->wait();
                       });
}

void FdHandlers::dispatch() {
    std::array<epoll_event, 64> ready;
    int const count = closed_ ? 0
                              : ::epoll_wait(epoll_->native_handle(), ready.data(),
                                             static_cast<int>(ready.size()), 0);
    for (int i = 0; i < count; ++i) {
        auto const& event = ready[static_cast<std::size_t>(i)];
        auto const fd = static_cast<int>(static_cast<std::uint32_t>(event.data.u64));
        auto const found = entries_.find(fd);
        if (found == entries_.end() || found->second.generation != event.data.u64 >> 32)
            continue;
        auto const events = from_epoll(event.events) & found->second.events;
        auto const handler = found->second.handler;
        if (!events)
            continue;
        try {
            (*handler)(fd, events);
        } catch (...) {
            runner_->report(std::current_exception());
        }
    }
}

} // namespace tornado::detail
