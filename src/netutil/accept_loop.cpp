// SPDX-License-Identifier: BSL-1.0
#include "netutil/accept_loop.hpp"

#include "tornado/log.hpp"

#include "netutil/connection_name.hpp"
#include "retry.hpp"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

namespace tornado::detail {

using namespace std::chrono_literals;

namespace {

/// The errors of accept(2) that concern one connection, which is gone; the next one may be sound.
bool concerns_one_connection(int error) noexcept {
    switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

char const* remedy(error_code reason) noexcept {
    switch (reason.value()) {
    case EMFILE:
        return "; raise the process's limit (ulimit -n)";
    case ENFILE:
        return "; raise the system's limit (sysctl fs.file-max)";
    default:
        return "";
    }
}

} // namespace

AcceptLoop::AcceptLoop(asio::any_io_executor const& executor, ListenSocket socket,
                       AcceptHandler handler)
    : local_(socket.local_address()),
      handler_(std::move(handler)),
      timer_(executor),
      descriptor_(executor, socket.native_handle()) {
    if (descriptor_)
        socket.release();
    tie(executor);
}

void AcceptLoop::start() {
    if (!busy_)
        wait();
}

void AcceptLoop::stop() {
    error_code ignored;
    if (descriptor_)
        descriptor_->close(ignored);
    retry_now();
}

std::optional<ListenSocket> AcceptLoop::release() {
    std::optional<ListenSocket> socket;
    if (descriptor_ && descriptor_->is_open())
        socket.emplace(descriptor_->release());
    stop();
    return socket;
}

void AcceptLoop::duplicate(std::vector<ListenSocket>& sockets) const {
    if (descriptor_ && descriptor_->is_open())
        sockets.push_back(ListenSocket::duplicate_of(
            const_cast<asio::posix::stream_descriptor&>(*descriptor_).native_handle()));
}

void AcceptLoop::resume() {
    paused_ = false;
    start();
}

void AcceptLoop::retry_now() {
    if (timer_)
        timer_->cancel();
}

void AcceptLoop::wait() {
    busy_ = accepting();
    if (!busy_)
        return;
    descriptor_->async_wait(asio::posix::stream_descriptor::wait_read,
                            [self = shared_from_this()](error_code ec) {
                                if (ec && self->accepting())
                                    self->back_off(ec);
                                else
                                    self->accept_batch();
                            });
}

void AcceptLoop::accept_batch() {
    for (int count = 0; count < max_batch && accepting(); ++count) {
        asio::generic::stream_protocol::endpoint peer;
        auto size = static_cast<socklen_t>(peer.capacity());
        int const fd = retry([&] {
            return ::accept4(descriptor_->native_handle(), peer.data(), &size,
                             SOCK_CLOEXEC | SOCK_NONBLOCK);
        });
        int const error = errno;
        if (fd >= 0) {
            delay_ = 0ms;
            AcceptedSocket connection(fd, peer.protocol().family());
            auto const id = connection.id();
            peer.resize(size);
            try {
                handler_(std::move(connection), peer);
            } catch (...) {
                log(Logger::application, LogLevel::error,
                    "Error in connection callback of " + connection_name(id, peer) + ": " +
                        describe(std::current_exception()));
            }
        } else if (error == EAGAIN || error == EWOULDBLOCK) {
            delay_ = 0ms;
            reported_ = false;
            break;
        } else {
            ++errors_;
            if (!concerns_one_connection(error))
                return back_off(error_code(error, boost::system::system_category()));
        }
    }
    wait();
}

void AcceptLoop::describe_to(std::string& lines) const {
    if (!descriptor_ || !descriptor_->is_open())
        return;
    lines += "listening on " + local_.to_string();
    if (paused_)
        lines += ", paused: the server has all the connections that it may have";
    else if (reported_)
        lines += ", out of descriptors: it tries again";
    lines += '\n';
}

void AcceptLoop::back_off(error_code reason) {
    delay_ = std::clamp(2 * delay_, 10ms, 250ms);
    if (!std::exchange(reported_, true))
        log(Logger::general, LogLevel::error,
            "Cannot accept on " + local_.to_string() + ", connections wait: " + reason.message() +
                remedy(reason));
    timer_->expires_after(delay_);
    timer_->async_wait([self = shared_from_this()](error_code) { self->accept_batch(); });
}

} // namespace tornado::detail
