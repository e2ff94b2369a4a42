// SPDX-License-Identifier: BSL-1.0
// Listening sockets: bound, adopted, accepted from.
#include "tornado/netutil.hpp"

#include "tornado/ioloop.hpp"

#include "netutil/accept_loop.hpp"
#include "netutil/resolver.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace tornado {

namespace {

using detail::Descriptor;

error_code system_code(int error) {
    return {error, boost::system::system_category()};
}

int int_option(int fd, int level, int name) noexcept {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, level, name, &value, &size) == 0 ? value : -1;
}

bool set_option(int fd, int level, int name) noexcept {
    int const on = 1;
    return ::setsockopt(fd, level, name, &on, sizeof on) == 0;
}

[[noreturn]] void throw_errno(int error, std::string const& what) {
    throw system_error(system_code(error), what);
}

/// What `host` stands for, in getaddrinfo's order, without duplicates.
std::vector<Address> resolve(std::string const& host, std::uint16_t port,
                             ListenOptions const& options) {
    auto found = detail::get_addresses(host, port, options.family, options.flags);
    if (found.error)
        throw system_error(found.error, "cannot listen on port " + std::to_string(port) + " of \"" +
                                            host.c_str() + "\", which does not resolve (" +
                                            ::gai_strerror(found.status) +
                                            "): give an address of this machine, or none for all "
                                            "of them");
    return std::move(found.addresses);
}

[[noreturn]] void throw_cannot_listen(int error, Address const& address, std::uint16_t asked_port) {
    std::string const ip = address.ip();
    std::string const port = std::to_string(address.port());
    std::string what = "cannot listen on " + address.to_string();
    switch (error) {
    case EADDRINUSE:
        what = asked_port == 0 ? "no port is free on " + ip + ": name one, or free some"
                               : "port " + port + " is in use on " + ip +
                                     ": choose another, or stop the process that holds it";
        break;
    case EACCES:
        what = "port " + port + " on " + ip +
               " is privileged: choose one from 1024 up, or grant CAP_NET_BIND_SERVICE";
        break;
    case EADDRNOTAVAIL:
        what += ", which is not an address of this machine: choose one that `ip address` lists, or "
                "none for all of them";
        break;
    case EINVAL:
        what += ", which needs its zone if it is link-local (fe80::1%eth0)";
        break;
    default:
        break;
    }
    throw_errno(error, what);
}

/// Adds a socket that listens on `address`; gives errno when that fails, else 0.
int listen_on(Address const& address, ListenOptions const& options,
              std::vector<ListenSocket>& sockets) {
    auto const endpoint = address.endpoint();
    Descriptor socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    int const fd = socket.native_handle();
    if (fd < 0 || !set_option(fd, SOL_SOCKET, SO_REUSEADDR) ||
        (options.reuse_port && !set_option(fd, SOL_SOCKET, SO_REUSEPORT)) ||
        (address.family() == AF_INET6 && !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        ::bind(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
        ::listen(fd, options.backlog) != 0)
        return errno;
    sockets.emplace_back(fd);
    socket.release();
    return 0;
}

/// Makes way for a Unix socket at `path`: removes a socket, refuses anything else.
void remove_stale_socket(std::string const& path) {
    struct stat status;
    if (::lstat(path.c_str(), &status) != 0) {
        int const error = errno;
        if (error != ENOENT)
            throw_errno(error, "cannot listen on " + path);
    } else if (!S_ISSOCK(status.st_mode)) {
        throw std::invalid_argument("cannot listen on " + path +
                                    ", which exists and is not a socket: move it away, or choose "
                                    "another path");
    } else if (::unlink(path.c_str()) != 0) {
        int const error = errno;
        throw_errno(error, "cannot replace the socket " + path);
    }
}

/// A socket for each address that this machine has, all on one port. None when the port that the
/// kernel chose for the first is taken at another: try again, and hold the rejected ones meanwhile,
/// so that it chooses another port.
std::vector<ListenSocket> listen_on_all(std::vector<Address> const& addresses, std::uint16_t port,
                                        std::string const& host, ListenOptions const& options,
                                        std::vector<ListenSocket>* rejected) {
    std::vector<ListenSocket> sockets;
    int lacking = 0;
    for (Address const& address : addresses) {
        auto endpoint = address.tcp_endpoint();
        if (!sockets.empty())
            endpoint.port(sockets.front().local_address().port());
        int const error = listen_on(endpoint, options, sockets);
        if (error == EADDRINUSE && port == 0 && !sockets.empty() && rejected) {
            std::ranges::move(sockets, std::back_inserter(*rejected));
            return {};
        }
        bool const lacks_it =
            error == EAFNOSUPPORT ||
            (error == EADDRNOTAVAIL && address.family() == AF_INET6 && host == "localhost");
        if (error != 0 && !lacks_it)
            throw_cannot_listen(error, endpoint, port);
        if (error != 0)
            lacking = error;
    }
    if (sockets.empty())
        throw_cannot_listen(lacking, addresses.front(), port);
    return sockets;
}

} // namespace

Descriptor& detail::Descriptor::operator=(Descriptor&& other) noexcept {
    Descriptor const previous(std::exchange(fd_, other.release()));
    return *this;
}

detail::Descriptor::~Descriptor() {
    if (fd_ >= 0)
        ::close(fd_);
}

ListenSocket::ListenSocket(int fd) : Descriptor(-1) {
    if (int_option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
        int_option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1)
        throw std::invalid_argument("descriptor " + std::to_string(fd) +
                                    " is not a listening stream socket");
    ::fcntl(fd, F_SETFD, ::fcntl(fd, F_GETFD) | FD_CLOEXEC);
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY); // a Unix socket has no such option
    static_cast<Descriptor&>(*this) = Descriptor(fd);
}

ListenSocket ListenSocket::duplicate_of(int fd) {
    Descriptor copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (copy.native_handle() < 0) {
        int const error = errno;
        throw_errno(error, "cannot duplicate the listening socket " + std::to_string(fd));
    }
    ListenSocket socket(copy.native_handle());
    copy.release();
    return socket;
}

Address ListenSocket::local_address() const {
    asio::generic::stream_protocol::endpoint local;
    auto size = static_cast<socklen_t>(local.capacity());
    if (::getsockname(native_handle(), local.data(), &size) != 0) {
        int const error = errno;
        throw_errno(error, "cannot tell the address of a listening socket");
    }
    local.resize(size);
    return local;
}

asio::generic::stream_protocol AcceptedSocket::protocol() const noexcept {
    return {family_, family_ == AF_UNIX ? 0 : IPPROTO_TCP};
}

asio::generic::stream_protocol::socket
AcceptedSocket::into_socket(asio::any_io_executor executor) && {
    asio::generic::stream_protocol::socket socket(std::move(executor));
    socket.assign(protocol(), native_handle());
    release(); // the socket has it now
    return socket;
}

std::vector<ListenSocket> bind_sockets(detail::Port port, std::string const& address,
                                       ListenOptions options) {
    auto const candidates = resolve(address, port, options);
    std::vector<ListenSocket> rejected;
    for (int attempts_left = 16;; --attempts_left) {
        auto sockets = listen_on_all(candidates, port, address, options,
                                     attempts_left == 1 ? nullptr : &rejected);
        if (!sockets.empty())
            return sockets;
    }
}

ListenSocket bind_unix_socket(std::string const& path, unsigned mode, int backlog) {
    constexpr std::size_t max_size = sizeof(sockaddr_un::sun_path) - 1;
    bool const abstract = path.starts_with('\0');
    if (path.empty())
        throw std::invalid_argument("cannot listen on a Unix socket without a path");
    Address const address{asio::local::stream_protocol::endpoint(path.substr(0, max_size))};
    if (path.size() > max_size)
        throw std::invalid_argument("cannot listen on " + address.to_string() +
                                    "..., whose path has " + std::to_string(path.size()) +
                                    " bytes: a Unix socket takes " + std::to_string(max_size));
    if (!abstract && path.find('\0') != path.npos)
        throw std::invalid_argument("cannot listen on " + address.to_string() +
                                    ", whose path has a NUL in it");
    if (!abstract)
        remove_stale_socket(path);

    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    int const fd = socket.native_handle();
    auto const endpoint = address.endpoint();
    if (fd < 0 || ::bind(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) {
        int const error = errno;
        throw_errno(error, "cannot listen on " + address.to_string() +
                               (error == EADDRINUSE
                                    ? ", which is in use: choose another name, or stop the process "
                                      "that holds it"
                                    : ""));
    }
    // Nobody can connect before listen(), and umask() would change the whole process: chmod it is.
    if ((!abstract && ::chmod(path.c_str(), mode) != 0) || ::listen(fd, backlog) != 0) {
        int const error = errno;
        if (!abstract)
            ::unlink(path.c_str());
        throw_errno(error, "cannot listen on " + path);
    }
    ListenSocket listener(fd);
    socket.release();
    return listener;
}

std::function<void()> add_accept_handler(IOLoop& loop, ListenSocket socket, AcceptHandler handler) {
    auto const accepting = std::make_shared<detail::AcceptLoop>(
        loop.get_executor(), std::move(socket), std::move(handler));
    accepting->start();
    return [weak = std::weak_ptr(accepting)] {
        if (auto const alive = weak.lock())
            alive->stop();
    };
}

std::function<void()> add_accept_handler(ListenSocket socket, AcceptHandler handler) {
    return add_accept_handler(IOLoop::current(), std::move(socket), std::move(handler));
}

} // namespace tornado
