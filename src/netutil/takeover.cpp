// SPDX-License-Identifier: BSL-1.0
// The new process's part of a handover.
#include "tornado/handover.hpp"
#include "tornado/ioloop.hpp"
#include "tornado/log.hpp"

#include "last_error.hpp"
#include "netutil/handover_words.hpp"
#include "netutil/passing.hpp"
#include "retry.hpp"
#include "tether.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace tornado {

using detail::HandoverWord;
using detail::to_text;

namespace {

using clock = Takeover::clock;

[[noreturn]] void fail(error_code ec, std::string const& path, std::string const& problem) {
    throw system_error(ec, "cannot take over at " + path + ": " + problem);
}

error_code code(int error) {
    return {error, boost::system::system_category()};
}

/// Waits until the socket is readable. False after `deadline`.
bool wait_readable(int fd, clock::time_point deadline) {
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(std::clamp<clock::duration>(
        deadline - clock::now(), clock::duration::zero(), std::chrono::hours(1)));
    pollfd ready{fd, POLLIN, 0};
    return detail::retry([&] { return ::poll(&ready, 1, static_cast<int>(left.count())); }) > 0 ||
           clock::now() < deadline;
}

/// The connection, or an empty one where nobody listens.
detail::Descriptor connect(std::string const& path, std::string const& shown) {
    if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path))
        throw std::invalid_argument("cannot take over at " + shown +
                                    ": the path of a Unix socket has 1 to 107 bytes");
    detail::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket.native_handle() < 0)
        fail(detail::last_error(), shown, "there is no socket for it");
    asio::local::stream_protocol::endpoint const endpoint(path);
    if (::connect(socket.native_handle(), endpoint.data(),
                  static_cast<socklen_t>(endpoint.size())) == 0)
        return socket;
    int const error = errno;
    if (error == ENOENT || error == ECONNREFUSED)
        return detail::Descriptor(-1);
    if (error == EAGAIN)
        fail(asio::error::timed_out, shown,
             "the process there does not accept: look whether it hangs");
    fail(code(error), shown, "look whose the socket is");
}

struct Offer {
    std::vector<std::string> names;
    std::vector<detail::Descriptor> descriptors;
};

Offer receive_offer(int fd, std::string const& path, std::string const& who, clock::duration wait) {
    auto const now = clock::now();
    auto const deadline =
        wait < clock::time_point::max() - now ? now + wait : clock::time_point::max();
    Offer offer;
    std::string text;
    while (text.find('\n') == text.npos) {
        auto const ec = detail::receive_text(fd, text, offer.descriptors);
        if (ec == asio::error::would_block) {
            if (!wait_readable(fd, deadline))
                fail(asio::error::timed_out, path,
                     who + " does not answer: look whether it hangs; it goes on");
        } else if (ec == asio::error::no_descriptors) {
            fail(ec, path, "this process cannot have so many; raise its limit (ulimit -n)");
        } else if (ec) {
            fail(asio::error::connection_reset, path,
                 who + " ended, or was taken over by another, meanwhile: try again");
        } else if (text.size() > detail::max_handover_line) {
            break;
        }
    }
    auto const line = detail::parse_handover_line(
        std::string_view(text).substr(0, std::min(text.find('\n'), text.size())));
    auto const word = line ? line->word : HandoverWord::taken;
    switch (word) {
    case HandoverWord::busy:
        fail(code(EBUSY), path,
             "process " + line->rest + " is taking over from " + who +
                 " already: let it end first");
    case HandoverWord::stranger:
        fail(asio::error::access_denied, path,
             who + " is of user " + line->rest + ", and this one of user " +
                 std::to_string(::geteuid()) + ": start it as the same user");
    case HandoverWord::failed:
        fail(code(ECANCELED), path, who + " cannot hand over: " + line->rest);
    case HandoverWord::sockets:
        offer.names = detail::split_names(line->rest);
        if (offer.names.size() == offer.descriptors.size())
            return offer;
        [[fallthrough]];
    default:
        fail(code(EPROTO), path, who + " answers something else than this version of the handover");
    }
}

} // namespace

struct Takeover::Impl : std::enable_shared_from_this<Impl> {
    Impl(asio::any_io_executor an_executor, int fd, pid_t a_pid, clock::duration a_patience)
        : executor(std::move(an_executor)),
          connection(executor.get(), fd),
          deadline(executor.get()),
          pid(a_pid),
          patience(a_patience) {}

    void wait();
    bool look();
    void end(error_code ec);
    void give_up(error_code ec);

    detail::TetheredExecutor executor;
    detail::Tethered<asio::posix::stream_descriptor> connection;
    detail::Tethered<asio::steady_timer> deadline;
    pid_t pid;
    clock::duration patience;
    SocketsByName sockets;
    std::string received;
    error_code result;
    bool waiting = false; // ready() is under way
};

void Takeover::Impl::wait() {
    connection->async_wait(asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this()](error_code ec) {
                               if (!ec && self->waiting && !self->look())
                                   self->wait();
                           });
}

/// Whether the old process has answered, or is gone, and the operation ends.
bool Takeover::Impl::look() {
    std::vector<detail::Descriptor> unwanted;
    auto const ec = detail::receive_text(connection->native_handle(), received, unwanted);
    if (ec == asio::error::would_block)
        return false;
    auto const line =
        detail::parse_handover_line(std::string_view(received).substr(0, received.find('\n')));
    if (!ec && received.find('\n') == received.npos)
        return false;
    if (!line && !ec)
        end(code(EPROTO));
    else if (line && line->word == HandoverWord::late)
        end(asio::error::timed_out);
    else
        end({}); // it has answered so, or it is gone
    return true;
}

void Takeover::Impl::end(error_code ec) {
    waiting = false;
    result = ec;
    error_code ignored;
    connection->close(ignored);
    deadline->cancel();
}

// After shutdown(2) the old process can answer no more, and finds that out when it tries; what it
// has answered before counts.
void Takeover::Impl::give_up(error_code ec) {
    ::shutdown(connection->native_handle(), SHUT_RDWR);
    std::vector<detail::Descriptor> unwanted;
    while (!detail::receive_text(connection->native_handle(), received, unwanted)) {
    }
    auto const line =
        detail::parse_handover_line(std::string_view(received).substr(0, received.find('\n')));
    end(line && line->word == HandoverWord::taken ? error_code() : ec);
}

Takeover::Takeover(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Takeover::Takeover(Takeover&&) noexcept = default;
Takeover& Takeover::operator=(Takeover&&) noexcept = default;
Takeover::~Takeover() = default;

Takeover::executor_type const& Takeover::get_executor() const noexcept {
    return impl_->executor.get();
}

pid_t Takeover::pid() const noexcept {
    return impl_->pid;
}

std::vector<ListenSocket> Takeover::sockets(std::string_view name) {
    auto taken = impl_->sockets.extract(std::string(name));
    return taken ? std::move(taken.mapped()) : std::vector<ListenSocket>();
}

void Takeover::start_ready(detail::Completion<>&& handler) {
    auto& impl = *impl_;
    if (!impl.connection || !impl.deadline)
        return;
    if (impl.waiting || !impl.connection->is_open())
        return handler.post(get_executor(), impl.waiting
                                                ? make_error_code(error::already_waiting)
                                                : make_error_code(asio::error::not_connected));
    // What goes wrong here is the end of the old process, or its answer that this is too late;
    // both are read.
    detail::send_text(impl.connection->native_handle(), to_text({HandoverWord::ready, ""}));
    impl.waiting = true;
    if (auto slot = handler.slot(); slot.is_connected())
        slot.assign([weak = std::weak_ptr(impl_)](asio::cancellation_type) {
            if (auto const self = weak.lock(); self && self->waiting)
                self->give_up(asio::error::operation_aborted);
        });
    auto const now = clock::now();
    impl.deadline->expires_at(impl.patience < clock::time_point::max() - now
                                  ? now + impl.patience
                                  : clock::time_point::max());
    // The handler is in the timer's operation, so that it goes when the context does.
    impl.deadline->async_wait([self = impl_, handler = std::move(handler)](error_code) mutable {
        if (self->waiting)
            self->give_up(asio::error::timed_out);
        handler(self->result);
    });
    impl.wait();
}

std::optional<Takeover> take_over(IOLoop& loop, std::string const& path,
                                  Takeover::clock::duration patience) {
    auto const shown = path.starts_with('\0') ? "@" + path.substr(1) : path;
    auto connection = connect(path, shown);
    if (connection.native_handle() < 0)
        return std::nullopt;
    auto const peer = detail::peer_of(connection.native_handle());
    auto const who = "process " + std::to_string(peer.pid);
    if (!detail::is_trusted(peer))
        fail(asio::error::access_denied, shown,
             who + " is of user " + std::to_string(peer.uid) + ", and this one of user " +
                 std::to_string(::geteuid()) + ": start it as the same user");
    auto offer = receive_offer(connection.native_handle(), shown, who, patience);
    SocketsByName sockets;
    try {
        for (std::size_t i = 0; i < offer.names.size(); ++i) {
            sockets[offer.names[i]].emplace_back(offer.descriptors[i].native_handle());
            offer.descriptors[i].release();
        }
    } catch (std::invalid_argument const& e) {
        fail(code(EPROTO), shown, who + " hands over what is no listening socket: " + e.what());
    }
    auto impl = std::make_shared<Takeover::Impl>(loop.get_executor(), connection.native_handle(),
                                                 peer.pid, patience);
    if (impl->connection)
        connection.release();
    impl->sockets = std::move(sockets);
    return Takeover(std::move(impl));
}

} // namespace tornado
