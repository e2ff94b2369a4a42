// SPDX-License-Identifier: BSL-1.0
#include "netutil/proxy_reader.hpp"

#include "netutil/connection_name.hpp"
#include "retry.hpp"
#include "transport/stream_socket.hpp"

#include <cerrno>
#include <chrono>
#include <sys/socket.h>
#include <utility>

namespace tornado::detail {

ProxyReader::ProxyReader(asio::any_io_executor const& executor, AcceptedSocket connection)
    : family_(connection.family()),
      id_(connection.id()),
      deadline_(executor),
      connection_(executor, connection.native_handle()) {
    if (connection_)
        connection.release();
    tie(executor);
}

void ProxyReader::start(asio::steady_timer::duration limit, Handler handler) {
    if (!connection_ || !deadline_)
        return;
    handler_ = std::move(handler);
    auto const now = asio::steady_timer::clock_type::now();
    if (limit < asio::steady_timer::time_point::max() - now) {
        deadline_->expires_at(now + limit);
        deadline_->async_wait([weak = weak_from_this(), limit](error_code ec) {
            auto const self = weak.lock();
            if (ec || !self)
                return;
            self->timed_out_ = true;
            self->fail("no whole PROXY header within " +
                       std::to_string(
                           std::chrono::duration_cast<std::chrono::milliseconds>(limit).count()) +
                       " ms");
        });
    }
    read();
}

void ProxyReader::stop() {
    handler_.reset();
    error_code ignored;
    if (connection_)
        connection_->close(ignored);
    if (deadline_)
        deadline_->cancel();
}

void ProxyReader::read() {
    char bytes[2048];
    auto const fd = connection_->native_handle();
    while (parser_.state() == ProxyParser::State::incomplete) {
        auto const seen =
            retry([&] { return ::recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT); });
        if (seen < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return wait();
        if (seen < 0)
            return fail(error_code(errno, asio::error::get_system_category()).message());
        if (seen == 0)
            return fail(began_ ? "the end came within the PROXY header" : "");
        began_ = true;
        auto const taken = parser_.feed({bytes, static_cast<std::size_t>(seen)});
        if (parser_.state() != ProxyParser::State::malformed)
            retry([&] { return ::recv(fd, bytes, taken, MSG_DONTWAIT); });
    }
    if (parser_.state() == ProxyParser::State::malformed)
        return fail(parser_.problem());
    finish(AcceptedSocket(connection_->release(), family_, id_), {});
}

void ProxyReader::describe_to(std::string& lines) const {
    if (!handler_ || !connection_)
        return;
    auto const fd = const_cast<asio::posix::stream_descriptor&>(*connection_).native_handle();
    lines += connection_name(id_, remote_endpoint(fd)) + ": waits for its PROXY header\n";
}

void ProxyReader::wait() {
    connection_->async_wait(asio::posix::stream_descriptor::wait_read,
                            [self = shared_from_this()](error_code ec) {
                                if (!ec && self->handler_)
                                    self->read();
                            });
}

void ProxyReader::fail(std::string const& problem) {
    error_code ignored;
    connection_->close(ignored);
    finish(AcceptedSocket(-1, family_, id_), problem);
}

void ProxyReader::finish(AcceptedSocket connection, std::string const& problem) {
    deadline_->cancel();
    if (auto handler = std::move(handler_); handler)
        handler(std::move(connection), problem);
}

} // namespace tornado::detail
