// SPDX-License-Identifier: BSL-1.0
#include "ioloop/handlers.hpp"

#include "tornado/ioloop.hpp"

#include "last_error.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
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

void check_events(char const* function, int fd, unsigned events) {
    if ((events & ~(IOLoop::READ | IOLoop::WRITE | IOLoop::ERROR)) != 0)
        throw std::invalid_argument(name(function, fd) + ": events " + std::to_string(events) +
                                    " are not made of READ, WRITE and ERROR");
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

std::string names(unsigned events) {
    std::string text;
    for (auto const& [bits, event] :
         {std::pair(IOLoop::READ, "READ"), std::pair(IOLoop::WRITE, "WRITE")})
        if ((events & bits) != 0)
            text += (text.empty() ? "" : " and ") + std::string(event);
    return text.empty() ? "its hang-up" : text;
}

int new_set() {
    int const set = ::epoll_create1(EPOLL_CLOEXEC);
    if (set < 0)
        throw system_error(last_error(), "IOLoop: epoll_create1");
    return set;
}

} // namespace

FdHandlers::FdHandlers(asio::io_context& context, std::shared_ptr<CallbackRunner> runner)
    : context_(context), runner_(std::move(runner)) {}

void FdHandlers::add(int fd, Handler handler, unsigned events) {
    check_events("add_handler", fd, events);
    if (closed_)
        return;
    if (!epoll_)
        use(new_set());

    auto const found = entries_.find(fd);
    bool const added = found != entries_.end() && !found->second.lost;
    Entry entry{++last_generation_, events, std::make_shared<Handler>(std::move(handler))};
    // A registration without an entry is one that was given up for lost: the file has come back.
    if (!control(EPOLL_CTL_ADD, fd, entry) &&
        (errno != EEXIST || added || !control(EPOLL_CTL_MOD, fd, entry))) {
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
    check_events("update_handler", fd, events);
    if (closed_)
        return;
    auto const found = entries_.find(fd);
    if (found == entries_.end())
        throw std::invalid_argument(name("update_handler", fd) +
                                    " has no handler; use add_handler");
    auto changed = found->second;
    changed.events = events;
    if (changed.lost || !control(EPOLL_CTL_MOD, fd, changed))
        throw std::invalid_argument(name("update_handler", fd) +
                                    " has been closed; use remove_handler");
    found->second.events = events;
}

void FdHandlers::remove(int fd) {
    auto const entry = entries_.extract(fd);
    if (!entry)
        return;
    if (!entry.mapped().lost)
        control(EPOLL_CTL_DEL, fd, entry.mapped());
    if (entries_.empty() && epoll_)
        epoll_->cancel();
}

// Only what can be taken out of the set is closed: any other number is somebody else's by now.
void FdHandlers::close(bool all_fds) {
    closed_ = true;
    auto const entries = std::exchange(entries_, {});
    for (auto const& [fd, entry] : entries) {
        if (all_fds && !entry.lost && control(EPOLL_CTL_DEL, fd, entry))
            ::close(fd);
    }
    give_up_set();
}

void FdHandlers::describe(std::string& lines) const {
    for (auto const& [fd, entry] : entries_)
        lines += "descriptor " + std::to_string(fd) + ": " +
                 (entry.lost ? "closed without remove_handler; its handler waits for nothing"
                             : "its handler waits for " + names(entry.events)) +
                 '\n';
}

void FdHandlers::after_fork() {
    if (!epoll_)
        return;
    give_up_set();
    use(new_set());
}

bool FdHandlers::control(int operation, int fd, Entry const& entry) {
    epoll_event event{};
    event.events = to_epoll(entry.events);
    event.data.u64 = std::uint64_t{entry.generation} << 32 | static_cast<std::uint32_t>(fd);
    return epoll_ && ::epoll_ctl(epoll_->native_handle(), operation, fd, &event) == 0;
}

bool FdHandlers::still_there(int fd, Entry& entry) {
    entry.lost = entry.lost || !control(EPOLL_CTL_MOD, fd, entry);
    return !entry.lost;
}

void FdHandlers::look_for_lost() {
    for (auto& [fd, entry] : entries_)
        still_there(fd, entry);
}

void FdHandlers::use(int set) {
    give_up_set();
    epoll_.emplace(context_);
    error_code ec;
    if (epoll_->assign(set, ec)) {
        epoll_.reset();
        ::close(set);
        throw system_error(ec, "IOLoop: descriptor handlers");
    }
    for (auto& [fd, entry] : entries_)
        entry.lost = entry.lost || !control(EPOLL_CTL_ADD, fd, entry);
    wait();
}

// The set itself may live on in a child, so it is taken out of Asio's before it is closed.
void FdHandlers::give_up_set() noexcept {
    if (!epoll_)
        return;
    ::close(epoll_->release());
    epoll_.reset();
}

// Each async_wait looks at the set anew, so descriptors that are still ready are told again.
void FdHandlers::wait() {
    if (waiting_ || closed_ || !epoll_ || entries_.empty())
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
    std::array<epoll_event, 64> room;
    runner_->count_pass();
    int const count = closed_ ? 0
                              : ::epoll_wait(epoll_->native_handle(), room.data(),
                                             static_cast<int>(room.size()), 0);
    std::span const ready(room.data(), static_cast<std::size_t>(std::max(count, 0)));

    auto const find = [&](epoll_event const& event) {
        auto const found =
            entries_.find(static_cast<int>(static_cast<std::uint32_t>(event.data.u64)));
        bool const known =
            found != entries_.end() && found->second.generation == event.data.u64 >> 32;
        return known ? found : entries_.end();
    };
    // No handler has run yet, so whatever is unknown now belongs to nobody.
    bool stale = std::any_of(ready.begin(), ready.end(),
                             [&](auto const& event) { return find(event) == entries_.end(); });
    for (auto const& event : ready) {
        auto const found = find(event);
        if (found == entries_.end())
            continue;
        auto& [fd, entry] = *found;
        auto const events = from_epoll(event.events) & entry.events;
        if (!events)
            continue;
        if (!still_there(fd, entry)) {
            stale = true;
            continue;
        }
        auto const handler = entry.handler;
        try {
            (*handler)(fd, events);
        } catch (...) {
            runner_->report(std::current_exception());
        }
    }
    if (!stale || closed_)
        return;
    look_for_lost();
    if (int const set = ::epoll_create1(EPOLL_CLOEXEC); set >= 0) // else at the next event
        use(set);
}

} // namespace tornado::detail
