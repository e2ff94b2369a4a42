// SPDX-License-Identifier: BSL-1.0
// Listening sockets and what comes out of them: addresses, binding, accepting (Tornado's
// tornado.netutil).
#pragma once

#include "tornado/address.hpp"
#include "tornado/detail/export.hpp"
#include "tornado/resolver.hpp"
#include "tornado/ssl_options.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <cstdint>
#include <functional>
#include <netdb.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <utility>
#include <vector>

namespace tornado {

class IOLoop;

namespace detail {

/// Move-only owner of a descriptor.
class TORNADO_ASIO_EXPORT Descriptor {
public:
    explicit Descriptor(int fd) noexcept : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor();

    /// -1 after release() and after a move.
    int native_handle() const noexcept { return fd_; }
    /// Gives the descriptor to the caller, who closes it.
    int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_;
};

/// The next of the process: 1, 2, 3, ... Thread-safe.
TORNADO_ASIO_EXPORT std::uint64_t new_connection_id() noexcept;

} // namespace detail

/// Owner of a bound, listening descriptor that no loop has yet; closes it on destruction. Made by
/// bind_sockets and its kin, consumed by add_accept_handler and TCPServer::add_socket; it may cross
/// a fork.
class TORNADO_ASIO_EXPORT ListenSocket : private detail::Descriptor {
public:
    /// Adopts a listening stream socket and makes it fit for a loop: close-on-exec, non-blocking,
    /// and TCP_NODELAY for TCP, which on Linux every accepted connection inherits without a call of
    /// its own. Throws std::invalid_argument when `fd` is something else, and then leaves it to the
    /// caller.
    explicit ListenSocket(int fd);

    /// Another descriptor of the same listening socket, whose backlog both then share; `fd` stays
    /// the caller's. Throws as the constructor does, and system_error when descriptors have run
    /// out.
    static ListenSocket duplicate_of(int fd);

    using Descriptor::native_handle;
    using Descriptor::release;

    /// The bound address; port 0 has become a real port here. Throws system_error.
    Address local_address() const;
};

/// Owner of an accepted descriptor that no loop has yet, close-on-exec and non-blocking; closes it
/// on destruction. An IOStream is made of it and an executor; into_socket makes a socket of plain
/// Asio.
class TORNADO_ASIO_EXPORT AcceptedSocket : private detail::Descriptor {
public:
    /// Adopts a connected stream socket of the given family; `id` is for one that has its id
    /// already.
    AcceptedSocket(int fd, int family, std::uint64_t id = detail::new_connection_id()) noexcept
        : Descriptor(fd), family_(family), id_(id) {}

    using Descriptor::native_handle;
    using Descriptor::release;

    /// AF_INET, AF_INET6 or AF_UNIX.
    int family() const noexcept { return family_; }
    /// Of the connection, and so of the IOStream that is made of this: BaseIOStream::id().
    std::uint64_t id() const noexcept { return id_; }
    /// What Asio's sockets want to know beside the descriptor.
    asio::generic::stream_protocol protocol() const noexcept;
    /// Gives the descriptor to a socket on `executor`:
    ///
    ///     auto socket = std::move(accepted).into_socket(context.get_executor());
    ///
    /// Throws system_error when Asio cannot take it, and then keeps it.
    asio::generic::stream_protocol::socket into_socket(asio::any_io_executor executor) &&;

private:
    int family_;
    std::uint64_t id_;
};

/// How bind_sockets resolves and listens.
struct ListenOptions {
    /// AF_INET or AF_INET6 to listen on that family alone.
    int family = AF_UNSPEC;
    /// Connections that may wait to be accepted; the kernel cuts it to net.core.somaxconn.
    int backlog = SOMAXCONN;
    /// Flags for getaddrinfo(3).
    int flags = AI_PASSIVE;
    /// SO_REUSEPORT: several processes may each bind the port, and share its connections (T157,
    /// T183).
    bool reuse_port = false;
};

/// Listens on every address that `address` stands for: an IP literal, a host name, or empty for all
/// interfaces. Port 0 lets the kernel choose one port, the same for all addresses. IPv6 sockets
/// take IPv6 only; SO_REUSEADDR is set; a family that the machine lacks is skipped, and so is `::1`
/// for "localhost" on a machine without it. A host name blocks the caller while it is looked up.
///
/// Throws system_error whose what() names port and address and says what to do: port in use, port
/// privileged, address not of this machine, name that does not resolve; std::invalid_argument for a
/// port that is not from 0 to 65535. Nothing stays open then.
///
/// tornado.netutil.bind_sockets, T182 to T185.
TORNADO_ASIO_EXPORT std::vector<ListenSocket>
bind_sockets(detail::Port port, std::string const& address = "", ListenOptions options = {});

/// Listens on a Unix socket. A socket file left at `path` is replaced, as in Tornado even when
/// another process listens there; any other file is refused. The file gets exactly `mode`, whatever
/// the umask, before the first client can connect, and is not removed at close. A leading NUL makes
/// an abstract name: no file, no mode.
///
/// Throws std::invalid_argument when `path` is another kind of file, is empty or is too long,
/// system_error when the system refuses; both name the path.
///
/// tornado.netutil.bind_unix_socket, T186, T187; unix(7).
TORNADO_ASIO_EXPORT ListenSocket bind_unix_socket(std::string const& path, unsigned mode = 0600,
                                                  int backlog = SOMAXCONN);

/// The sockets that systemd passed to this process (socket activation), in the unit's order; none
/// without it. With a `name`, those alone that a socket unit calls so (`FileDescriptorName=`, or
/// the unit's own name); the others stay for further calls, and each is given once:
///
///     http.add_sockets(tornado::systemd_sockets("http.socket"));
///     https.add_sockets(tornado::systemd_sockets("https.socket"));
///
/// The first call removes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES from the environment, so that
/// no child takes them for its own, and makes the sockets close-on-exec. Call it while there is one
/// thread, and before fork_processes. What was passed to another process is not taken, and a
/// warning of tornado.general says so.
///
/// Throws std::invalid_argument, which names the variable and the descriptor, when a variable is
/// no number, promises more than a process can have, or something that is not open or not a
/// listening stream socket. Sockets that were passed are closed then, other descriptors are left
/// alone.
///
/// sd_listen_fds(3), without its library; Tornado has none.
TORNADO_ASIO_EXPORT std::vector<ListenSocket> systemd_sockets();
/// The same, those of that name.
TORNADO_ASIO_EXPORT std::vector<ListenSocket> systemd_sockets(std::string_view name);

/// Receives each accepted connection and the address of its peer.
using AcceptHandler = std::function<void(AcceptedSocket, Address)>;

/// Accepts on `loop` from now on: `handler` is called on the loop's thread for every connection,
/// for all that wait in one turn, up to 128. An exception of the handler is logged and accepting
/// goes on. Running out of descriptors pauses with back-off and one log line; accepting resumes
/// when one is free.
///
/// Returns the remover, which ends accepting, inside the handler and in mid-batch too, and closes
/// the listening socket, which was moved here (Tornado leaves it to its owner). Calling it twice,
/// or after the loop is gone, is harmless; letting go of it uncalled leaves the handler in place.
/// To be called on the loop's thread.
///
/// tornado.netutil.add_accept_handler, T188, T189.
TORNADO_ASIO_EXPORT std::function<void()> add_accept_handler(IOLoop& loop, ListenSocket socket,
                                                             AcceptHandler handler);

/// The same on IOLoop::current().
TORNADO_ASIO_EXPORT std::function<void()> add_accept_handler(ListenSocket socket,
                                                             AcceptHandler handler);

/// Whether `ip` is an IPv4 address of four decimal numbers or an IPv6 address, whose zone may be
/// named when this machine has it (`fe80::1%eth0`). Host names, blanks, ports and brackets are not.
///
/// tornado.netutil.is_valid_ip, T181; Tornado also takes inet_aton(3)'s old short forms such as
/// `127.1`.
TORNADO_ASIO_EXPORT bool is_valid_ip(std::string_view ip);

} // namespace tornado
