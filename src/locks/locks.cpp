// SPDX-License-Identifier: BSL-1.0
#include "tornado/locks.hpp"

#include "tornado/ioloop.hpp"
#include "tornado/log.hpp"

#include <exception>
#include <stdexcept>
#include <string>

namespace tornado {
namespace {

std::size_t checked_value(long long value) {
    if (value < 0)
        throw std::invalid_argument("Semaphore: value " + std::to_string(value) +
                                    " is negative: give how many may come in");
    return static_cast<std::size_t>(value);
}

} // namespace

// ---- Event

Event::Event() : Event(IOLoop::current()) {}
Event::Event(IOLoop& loop) : Event(asio::any_io_executor(loop.get_executor())) {}
Event::Event(asio::any_io_executor const& executor) : Waiting(executor), line_(*this) {}
Event::~Event() = default;

void Event::set() {
    set_ = true;
    while (!line_.empty())
        line_.serve_first([this](auto& waiter) { waiter.completion.post(get_executor(), {}); });
}

void Event::start_wait(detail::Completion<> completion) {
    if (set_)
        completion.post(get_executor(), {});
    else
        line_.add({std::move(completion)});
}

void Event::drop() noexcept {
    auto const dropped = line_.take_all();
}

// ---- Condition

Condition::Condition() : Condition(IOLoop::current()) {}
Condition::Condition(IOLoop& loop) : Condition(asio::any_io_executor(loop.get_executor())) {}
Condition::Condition(asio::any_io_executor const& executor) : Waiting(executor), line_(*this) {}
Condition::~Condition() = default;

void Condition::notify(std::size_t n) {
    for (; n != 0 && !line_.empty(); --n)
        line_.serve_first([this](auto& waiter) { waiter.completion.post(get_executor(), {}); });
}

void Condition::notify_all() {
    while (!line_.empty())
        notify();
}

void Condition::start_wait(detail::Completion<> completion) {
    line_.add({std::move(completion)});
}

void Condition::drop() noexcept {
    auto const dropped = line_.take_all();
}

// ---- Permit

Permit& Permit::operator=(Permit&& other) noexcept {
    if (this != &other) {
        release();
        semaphore_ = std::move(other.semaphore_);
    }
    return *this;
}

void Permit::release() noexcept {
    auto const semaphore = std::exchange(semaphore_, {}).lock();
    if (!semaphore)
        return;
    try {
        (*semaphore)->release();
    } catch (...) { // somebody has released what was not theirs
        log(Logger::application, LogLevel::error, describe(std::current_exception()));
    }
}

// ---- Semaphore

Semaphore::Semaphore(long long value) : Semaphore(IOLoop::current(), value) {}
Semaphore::Semaphore(IOLoop& loop, long long value)
    : Semaphore(asio::any_io_executor(loop.get_executor()), value) {}
Semaphore::Semaphore(asio::any_io_executor const& executor, long long value)
    : Waiting(executor), value_(checked_value(value)), line_(*this) {}
Semaphore::~Semaphore() = default;

void Semaphore::release() {
    if (line_.empty())
        ++value_;
    else
        line_.serve_first([this](Acquirer& acquirer) { grant(std::move(acquirer)); });
}

void Semaphore::start_acquire(Acquirer acquirer) {
    if (value_ == 0)
        return line_.add(std::move(acquirer));
    --value_;
    grant(std::move(acquirer));
}

void Semaphore::grant(Acquirer acquirer) {
    if (acquirer.plain)
        acquirer.plain.post(get_executor(), {});
    else
        acquirer.scoped.post(get_executor(), {}, Permit(self_));
}

void Semaphore::drop() noexcept {
    auto const dropped = line_.take_all();
}

asio::cancellation_slot Semaphore::Acquirer::slot() const noexcept {
    return plain ? plain.slot() : scoped.slot();
}

void Semaphore::Acquirer::fail(asio::any_io_executor const& executor, error_code ec) {
    if (plain)
        plain.post(executor, ec);
    else
        scoped.post(executor, ec, Permit());
}

// ---- BoundedSemaphore and Lock

BoundedSemaphore::BoundedSemaphore(long long value) : Semaphore(value), limit_(this->value()) {}
BoundedSemaphore::BoundedSemaphore(IOLoop& loop, long long value)
    : Semaphore(loop, value), limit_(this->value()) {}
BoundedSemaphore::BoundedSemaphore(asio::any_io_executor const& executor, long long value)
    : Semaphore(executor, value), limit_(this->value()) {}
BoundedSemaphore::~BoundedSemaphore() = default;

void BoundedSemaphore::release() {
    if (value() == limit_)
        throw std::logic_error("released more often than acquired (of " + std::to_string(limit_) +
                               " all are free): release once for each acquire()");
    Semaphore::release();
}

Lock::Lock(IOLoop& loop) : semaphore_(loop) {}
Lock::Lock(asio::any_io_executor const& executor) : semaphore_(executor) {}
Lock::~Lock() = default;

void Lock::release() {
    semaphore_.release();
}

} // namespace tornado
