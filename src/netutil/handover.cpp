// SPDX-License-Identifier: BSL-1.0
#include "tornado/handover.hpp"

#include "tornado/ioloop.hpp"
#include "tornado/log.hpp"

#include "netutil/accept_loop.hpp"
#include "netutil/handover_words.hpp"
#include "netutil/passing.hpp"
#include "tether.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cerrno>
#include <exception>
#include <stdexcept>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace tornado {

namespace {

using detail::HandoverWord;
using detail::to_text;

/// bind_unix_socket would replace the socket of a living process, too.
void check_unused(std::string const& path) {
    if (path.size() >= sizeof(sockaddr_un::sun_path))
        return; // bind_unix_socket says it better
    Address const address{asio::local::stream_protocol::endpoint(path)};
    auto const endpoint = address.endpoint();
    detail::Descriptor const probe(
        ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(probe.native_handle(), endpoint.data(),
                  static_cast<socklen_t>(endpoint.size())) != 0 &&
        errno != EAGAIN)
        return;
    throw system_error(asio::error::address_in_use,
                       "cannot wait for a takeover at " + address.to_string() +
                           ", where a living process listens: take over from it first, or choose "
                           "another path");
}

void log_line(LogLevel level, std::string const& text) {
    log(Logger::general, level, text);
}

std::string text_of(std::chrono::steady_clock::duration time) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()) +
           " ms";
}

} // namespace

struct Handover::Impl : std::enable_shared_from_this<Impl> {
    /// Which file a path leads to.
    struct Identity {
        dev_t device = 0;
        ino_t file = 0;
        bool operator==(Identity const&) const = default;
    };

    static std::optional<Identity> identity_of(std::string const& path) {
        struct stat status {};
        if (::lstat(path.c_str(), &status) != 0)
            return std::nullopt;
        return Identity{status.st_dev, status.st_ino};
    }

    /// The process that is taking over; its end of the connection closes with it.
    struct Successor {
        Successor(asio::any_io_executor const& executor, AcceptedSocket socket, pid_t a_pid)
            : pid(a_pid), deadline(executor), connection(executor, socket.native_handle()) {
            if (connection)
                socket.release();
        }

        pid_t pid;
        detail::Tethered<asio::steady_timer> deadline;
        detail::Tethered<asio::posix::stream_descriptor> connection;
        std::string received;
    };

    Impl(asio::any_io_executor an_executor, std::string a_path,
         std::function<SocketsByName()> a_source, std::function<void()> a_callback,
         clock::duration a_limit)
        : executor(std::move(an_executor)),
          path(std::move(a_path)),
          source(std::move(a_source)),
          on_taken(std::move(a_callback)),
          limit(a_limit) {}

    void start() {
        check_unused(path);
        auto socket = bind_unix_socket(path, 0600);
        file = identity_of(path);
        listener = std::make_shared<detail::AcceptLoop>(
            executor.get(), std::move(socket),
            [weak = weak_from_this()](AcceptedSocket connection, Address const&) {
                if (auto const self = weak.lock())
                    self->meet(std::move(connection));
            });
        listener->start();
    }

    void stop() {
        successor.reset();
        if (!listener)
            return;
        listener->stop();
        listener.reset();
        // Somebody else's file is there when that one has replaced ours.
        if (::getpid() == owner && file && identity_of(path) == file)
            ::unlink(path.c_str());
    }

    void meet(AcceptedSocket connection);
    void offer(AcceptedSocket connection, pid_t pid);
    void wait();
    void look();
    void abandon(std::string const& how);
    void finish();

    detail::TetheredExecutor executor;
    std::string path;
    std::function<SocketsByName()> source;
    std::function<void()> on_taken;
    clock::duration limit;
    pid_t owner = ::getpid();
    std::optional<Identity> file;
    std::shared_ptr<detail::AcceptLoop> listener;
    std::shared_ptr<Successor> successor;
};

void Handover::Impl::meet(AcceptedSocket connection) {
    int const fd = connection.native_handle();
    auto const peer = detail::peer_of(fd);
    auto const who = "process " + std::to_string(peer.pid);
    if (!detail::is_trusted(peer)) {
        log_line(LogLevel::warning, "Takeover refused: " + who + " is of user " +
                                        std::to_string(peer.uid) + ", not of this one's");
        detail::send_text(fd, to_text({HandoverWord::stranger, std::to_string(::geteuid())}));
        return;
    }
    if (successor) {
        auto const other = std::to_string(successor->pid);
        log_line(LogLevel::warning,
                 "Takeover by " + who + " refused: process " + other + " is taking over");
        detail::send_text(fd, to_text({HandoverWord::busy, other}));
        return;
    }
    try {
        offer(std::move(connection), peer.pid);
    } catch (...) {
        log_line(LogLevel::error,
                 "Takeover by " + who + " failed: " + describe(std::current_exception()));
    }
}

void Handover::Impl::offer(AcceptedSocket connection, pid_t pid) {
    int const fd = connection.native_handle();
    SocketsByName sockets;
    std::vector<std::string> names;
    std::vector<int> descriptors;
    std::string line;
    try {
        sockets = source();
        for (auto const& [name, list] : sockets)
            for (auto const& socket : list) {
                names.push_back(name);
                descriptors.push_back(socket.native_handle());
            }
        if (names.empty())
            throw std::runtime_error("it has no listening socket to hand over");
        line = to_text({HandoverWord::sockets, detail::join_names(names)});
    } catch (std::exception const& e) {
        detail::send_text(fd, to_text({HandoverWord::failed, e.what()}));
        throw;
    }
    if (auto const ec = detail::send_text(fd, line, descriptors))
        throw system_error(ec, "cannot send " + std::to_string(names.size()) + " sockets");
    successor = std::make_shared<Successor>(executor.get(), std::move(connection), pid);
    if (!successor->connection)
        return successor.reset();
    log_line(LogLevel::info, "Process " + std::to_string(pid) + " is taking over");
    successor->deadline->expires_after(limit);
    successor->deadline->async_wait(
        [weak = weak_from_this(), of = std::weak_ptr(successor)](error_code ec) {
            auto const self = weak.lock();
            if (ec || !self || self->successor != of.lock() || !self->successor)
                return;
            detail::send_text(self->successor->connection->native_handle(),
                              to_text({HandoverWord::late, text_of(self->limit)}));
            self->abandon("was not ready within " + text_of(self->limit));
        });
    wait();
}

void Handover::Impl::wait() {
    successor->connection->async_wait(
        asio::posix::stream_descriptor::wait_read,
        [weak = weak_from_this(), of = std::weak_ptr(successor)](error_code ec) {
            auto const self = weak.lock();
            if (!ec && self && self->successor && self->successor == of.lock())
                self->look();
        });
}

void Handover::Impl::look() {
    auto& received = successor->received;
    int const fd = successor->connection->native_handle();
    std::vector<detail::Descriptor> unwanted;
    auto const ec = detail::receive_text(fd, received, unwanted);
    auto const end = received.find('\n');
    if (end == received.npos) {
        if (ec && ec != asio::error::would_block)
            return abandon("ended before it was ready");
        if (received.size() > detail::max_handover_line)
            return abandon("says too much");
        return wait();
    }
    auto const line = detail::parse_handover_line(std::string_view(received).substr(0, end));
    if (!line || line->word != HandoverWord::ready)
        return abandon("says something else than that it is ready");
    finish();
}

// The path is free before the new process hears so.
void Handover::Impl::finish() {
    auto const taker = std::move(successor);
    stop();
    auto const who = "Process " + std::to_string(taker->pid);
    // One that has given up shuts its end down first, and then this fails.
    if (detail::send_text(taker->connection->native_handle(), to_text({HandoverWord::taken, ""}))) {
        log_line(LogLevel::warning, who + ", which was taking over, gave up; this one goes on");
        return start();
    }
    log_line(LogLevel::info, who + " has taken over; this one accepts no more");
    if (auto const callback = std::move(on_taken))
        callback(); // which may destroy this
}

void Handover::Impl::abandon(std::string const& how) {
    log_line(LogLevel::warning, "Process " + std::to_string(successor->pid) +
                                    ", which was taking over, " + how + "; this one goes on");
    successor.reset();
}

Handover::Handover(IOLoop& loop, std::string const& path, std::function<SocketsByName()> sockets,
                   std::function<void()> on_taken, clock::duration deadline) {
    if (deadline <= clock::duration::zero())
        throw std::invalid_argument("Handover: the deadline must be positive");
    if (!sockets)
        throw std::invalid_argument("Handover: there is no function that gives the sockets");
    impl_ = std::make_shared<Impl>(loop.get_executor(), path, std::move(sockets),
                                   std::move(on_taken), deadline);
    impl_->start();
}

Handover::~Handover() {
    impl_->stop();
}

} // namespace tornado
