// SPDX-License-Identifier: BSL-1.0
#include "transport/pipe.hpp"

#include "last_error.hpp"
#include "retry.hpp"
#include "transport/quiet_write.hpp"
#include "transport/send_by_reading.hpp"
#include "transport/without_sigpipe.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <utility>

namespace tornado::detail {

namespace {

using FileKind = ForeignFile::Kind;

constexpr std::size_t most_buffers = 16;
using Vector = std::array<iovec, most_buffers>;

template <class Buffers>
std::size_t to_vector(Buffers buffers, Vector& vector) noexcept {
    auto const count = std::min(buffers.size(), vector.size());
    for (std::size_t i = 0; i < count; ++i)
        vector[i] = {const_cast<void*>(buffers[i].data()), buffers[i].size()};
    return count;
}

msghdr to_message(iovec* buffers, std::size_t count) noexcept {
    msghdr message{};
    message.msg_iov = buffers;
    message.msg_iovlen = count;
    return message;
}

// MSG_DONTWAIT, because whoever shares a socket may have switched it back.
ssize_t read(ForeignFile const& file, iovec* buffers, std::size_t count) noexcept {
    if (file.kind() == FileKind::socket) {
        auto message = to_message(buffers, count);
        return retry([&] { return ::recvmsg(file.used(), &message, MSG_DONTWAIT); });
    }
    return retry([&] { return ::readv(file.used(), buffers, static_cast<int>(count)); });
}

ssize_t write(ForeignFile const& file, iovec* buffers, std::size_t count) noexcept {
    if (file.kind() == FileKind::pipe)
        return quiet_write(file.used(), buffers, count);
    if (file.kind() == FileKind::socket) {
        auto const message = to_message(buffers, count);
        return retry([&] { return ::sendmsg(file.used(), &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
    }
    return retry([&] { return ::writev(file.used(), buffers, static_cast<int>(count)); });
}

} // namespace

PipeTransport::PipeTransport(asio::any_io_executor executor, int fd)
    : executor_(std::move(executor)), file_(fd) {
    if (!file_.can_be_waited_for())
        return;
    waits_.emplace(executor_); // in two steps, so that a failure leaves the descriptor open
    waits_->assign(file_.used());
}

PipeTransport::~PipeTransport() {
    stop_waiting();
}

Transport::Manners PipeTransport::manners() const noexcept {
    bool const two_way = file_.kind() == FileKind::socket;
    return {.reads = file_.readable(),
            .writes = file_.writable(),
            .reads_ahead = two_way || file_.kind() == FileKind::pipe,
            .lingers = two_way};
}

std::size_t PipeTransport::read_some(std::span<asio::mutable_buffer const> buffers,
                                     error_code& ec) {
    if (file_.given() < 0) { // shutdown_write() has closed it
        ec = asio::error::eof;
        return 0;
    }
    if (!file_.readable()) {
        ec = file_.hangs_up() ? asio::error::broken_pipe : asio::error::would_block;
        return 0;
    }
    Vector vector;
    auto const count = to_vector(buffers, vector);
    auto const n = read(file_, vector.data(), count);
    if (n > 0 || asio::buffer_size(buffers) == 0)
        return static_cast<std::size_t>(n);
    if (n < 0)
        ec = last_error();
    else if (file_.kind() == FileKind::pipe && !file_.hangs_up())
        ec = asio::error::would_block; // a FIFO that nobody has opened to write yet
    else
        ec = asio::error::eof;
    if (file_.kind() == FileKind::master && ec.value() == EIO)
        ec = asio::error::eof; // so a pseudo-terminal says that its last user has gone
    return 0;
}

std::size_t PipeTransport::write_some(std::span<asio::const_buffer const> buffers, error_code& ec) {
    Vector vector;
    auto const count = to_vector(buffers, vector);
    auto const n = write(file_, vector.data(), count);
    if (n >= 0)
        return static_cast<std::size_t>(n);
    ec = last_error();
    return 0;
}

std::size_t PipeTransport::send_file(int file, std::uint64_t offset, std::size_t count,
                                     error_code& ec) {
    // sendfile(2) would block where whoever shares a socket has switched O_NONBLOCK off.
    if (file_.kind() != FileKind::pipe)
        return send_by_reading(*this, file, offset, count, ec);
    auto at = static_cast<off64_t>(offset);
    auto const n = without_sigpipe(count, [&] {
        return ::splice(file, &at, file_.used(), nullptr, count, SPLICE_F_NONBLOCK);
    });
    return sent_or_by_reading(n, *this, file, offset, count, ec);
}

void PipeTransport::async_wait(Direction direction, std::shared_ptr<Waiter> waiter) {
    Wakeup wakeup(std::move(waiter), direction);
    if (!waits_)
        return asio::post(executor_, std::move(wakeup));
    waits_->async_wait(direction == Direction::read    ? waits_->wait_read
                       : direction == Direction::write ? waits_->wait_write
                                                       : waits_->wait_error,
                       std::move(wakeup));
}

error_code PipeTransport::lost() noexcept {
    return file_.given() < 0 || !file_.hangs_up() ? error_code() : asio::error::eof;
}

Direction PipeTransport::connect(Endpoint const&, error_code& ec) {
    ec = asio::error::operation_not_supported;
    return Direction::none;
}

void PipeTransport::shutdown_write(error_code& ec) {
    if (file_.kind() == FileKind::socket && ::shutdown(file_.used(), SHUT_WR) != 0)
        ec = last_error();
    else if (!file_.readable())
        close();
}

// A descriptor whose file lives on elsewhere would stay in the set that Asio waits with, so it is
// taken out before it is closed.
void PipeTransport::stop_waiting() noexcept {
    if (waits_)
        waits_->release();
    waits_.reset();
}

void PipeTransport::close() noexcept {
    stop_waiting();
    file_.close();
}

void PipeTransport::leave_context() noexcept {
    stop_waiting();
    executor_ = ended_executor();
}

int PipeTransport::release(error_code& ec) {
    stop_waiting();
    int const fd = file_.release();
    if (fd < 0)
        ec = asio::error::bad_descriptor;
    return fd;
}

} // namespace tornado::detail
