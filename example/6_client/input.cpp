// SPDX-License-Identifier: BSL-1.0
// A descriptor that says when it is ready needs not be non-blocking: one read then never waits.
#include "input.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <unistd.h>
#include <utility>

using tornado::IOLoop;

Input::Input(IOLoop& loop, int fd, Handler on_data)
    : loop_(loop), fd_(fd), on_data_(std::move(on_data)) {
    try {
        loop_.add_handler(
            fd_, [this](int, unsigned) { read(); }, IOLoop::NONE);
    } catch (std::invalid_argument const&) {
        can_wait_ = false; // a file, or what the first read will say
    }
    resume();
}

Input::~Input() {
    loop_.remove_timeout(turn_);
    if (can_wait_)
        loop_.remove_handler(fd_);
}

void Input::pause() {
    loop_.remove_timeout(turn_);
    if (can_wait_)
        loop_.update_handler(fd_, IOLoop::NONE);
}

void Input::resume() {
    if (ended_)
        return;
    if (can_wait_)
        loop_.update_handler(fd_, IOLoop::READ);
    else
        turn_ = loop_.call_later(std::chrono::seconds(0), [this] {
            resume(); // first, so that the handler can pause
            read();
        });
}

void Input::read() {
    std::array<char, 16 * 1024> data;
    auto const size = ::read(fd_, data.data(), data.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (size <= 0) {
        ended_ = true;
        pause();
    }
    if (size < 0)
        on_data_({errno, boost::system::system_category()}, {});
    else
        on_data_({}, {data.data(), static_cast<std::size_t>(size)});
}
