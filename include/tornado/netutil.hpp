// SPDX-License-Identifier: BSL-1.0
// Listening sockets and what comes out of them: addresses, binding, accepting (Tornado's
// tornado.netutil).
#pragma once

#include "tornado/detail/completion.hpp"
#include "tornado/error.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <netdb.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <utility>
#include <variant>
#include <vector>

namespace boost::asio::ssl {
class context;
}

namespace tornado {

class IOLoop;

/// The address of a peer or of a local end: IPv4 or IPv6 with a port, or a Unix socket's name;
/// empty when it was made by default. A small value, compared and hashed by content, an IPv6 scope
/// included.
class Address {
public:
    Address() = default;
    Address(asio::ip::tcp::endpoint const& endpoint);
    Address(asio::local::stream_protocol::endpoint const& endpoint);
    /// Of any family; one that is neither IP nor Unix gives an empty Address.
    Address(asio::generic::stream_protocol::endpoint const& endpoint);
    /// From an IP literal (see is_valid_ip), no host name. Throws std::invalid_argument that names
    /// it.
    Address(std::string_view ip, std::uint16_t port);

    /// AF_INET, AF_INET6 or AF_UNIX; AF_UNSPEC when empty.
    int family() const noexcept;
    bool is_unix() const noexcept;
    /// The IP address as text, `fe80::1%eth0` when it has a scope; empty for a Unix socket.
    std::string ip() const;
    /// The port; 0 for a Unix socket.
    std::uint16_t port() const noexcept;
    /// The name of a Unix socket: a file's path, an abstract name with its leading NUL, or empty
    /// for a peer that has not bound a name; empty for an IP address.
    std::string path() const;

    /// `127.0.0.1:80`, `[::1]:80`, `/run/x.sock`, `@name` when abstract, `(unnamed)`, or `(none)`
    /// when empty. Control characters come out as `\x0a`, so that a peer's name cannot break a log
    /// line.
    std::string to_string() const;

    /// For Asio's sockets of any kind (`asio::generic::stream_protocol::socket`).
    /// Throws system_error when path() does not fit a Unix address.
    asio::generic::stream_protocol::endpoint endpoint() const;
    /// For Asio's TCP sockets. Throws std::invalid_argument when this is no IP address.
    asio::ip::tcp::endpoint tcp_endpoint() const;

    friend bool operator==(Address const&, Address const&) = default;
    friend std::ostream& operator<<(std::ostream& out, Address const& address);

private:
    friend struct std::hash<Address>;
    struct Name {
        std::string path;
        bool operator==(Name const&) const = default;
    };
    std::variant<std::monostate, asio::ip::tcp::endpoint, Name> value_;
};

namespace detail {

/// Move-only owner of a descriptor.
class Descriptor {
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

} // namespace detail

/// Owner of a bound, listening descriptor that no loop has yet; closes it on destruction. Made by
/// bind_sockets and its kin, consumed by add_accept_handler and TCPServer::add_socket; it may cross
/// a fork.
class ListenSocket : private detail::Descriptor {
public:
    /// Adopts a listening stream socket and makes it fit for a loop: close-on-exec, non-blocking,
    /// and TCP_NODELAY for TCP, which on Linux every accepted connection inherits without a call of
    /// its own. Throws std::invalid_argument when `fd` is something else, and then leaves it to the
    /// caller.
    explicit ListenSocket(int fd);

    using Descriptor::native_handle;
    using Descriptor::release;

    /// The bound address; port 0 has become a real port here. Throws system_error.
    Address local_address() const;
};

/// Owner of an accepted descriptor that no loop has yet, close-on-exec and non-blocking; closes it
/// on destruction. An IOStream is made of it and an executor; for plain Asio:
///
///     asio::generic::stream_protocol::socket socket(executor, c.protocol(), c.native_handle());
///     c.release();
class Connection : private detail::Descriptor {
public:
    /// Adopts a connected stream socket of the given family.
    Connection(int fd, int family) noexcept : Descriptor(fd), family_(family) {}

    using Descriptor::native_handle;
    using Descriptor::release;

    /// AF_INET, AF_INET6 or AF_UNIX.
    int family() const noexcept { return family_; }
    /// What Asio's sockets want to know beside the descriptor.
    asio::generic::stream_protocol protocol() const noexcept;

private:
    int family_;
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
/// privileged, address not of this machine, name that does not resolve. Nothing stays open then.
///
/// tornado.netutil.bind_sockets, T182 to T185.
std::vector<ListenSocket> bind_sockets(std::uint16_t port, std::string const& address = "",
                                       ListenOptions options = {});

/// Listens on a Unix socket. A socket file left at `path` is replaced, as in Tornado even when
/// another process listens there; any other file is refused. The file gets exactly `mode`, whatever
/// the umask, before the first client can connect, and is not removed at close. A leading NUL makes
/// an abstract name: no file, no mode.
///
/// Throws std::invalid_argument when `path` is another kind of file, is empty or is too long,
/// system_error when the system refuses; both name the path.
///
/// tornado.netutil.bind_unix_socket, T186, T187; unix(7).
ListenSocket bind_unix_socket(std::string const& path, unsigned mode = 0600,
                              int backlog = SOMAXCONN);

/// The sockets that systemd passed to this process (socket activation), in the unit's order; none
/// without it. The environment variables are removed, so that children do not see them and a second
/// call gives none. Not safe while other threads read the environment.
///
/// Throws std::invalid_argument when a passed descriptor is not a listening stream socket.
///
/// sd_listen_fds(3).
std::vector<ListenSocket> systemd_sockets();

/// Receives each accepted connection and the address of its peer.
using AcceptHandler = std::function<void(Connection, Address)>;

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
std::function<void()> add_accept_handler(IOLoop& loop, ListenSocket socket, AcceptHandler handler);

/// The same on IOLoop::current().
std::function<void()> add_accept_handler(ListenSocket socket, AcceptHandler handler);

/// Finds the addresses that a host name stands for. This one asks getaddrinfo(3), on a few threads
/// of the process that nobody waits for: a name server that does not answer holds up neither the
/// loop, nor the end of its context or of the process. Ten names are looked up at a time, further
/// ones queue. An IP literal is answered without a thread.
///
/// Derive from it and override look_up for other sources of names: OverrideResolver, a DNS library,
/// a test's script. A resolver belongs to its executor's thread and must not outlive the context; a
/// look-up that has been started does not need the resolver any more.
///
/// tornado.netutil.Resolver, T177, T178, T180.
class Resolver {
public:
    /// The one who asked, for look_up to call with the result; only moved.
    class Completion;

    /// A resolver on IOLoop::current().
    Resolver();
    explicit Resolver(IOLoop& loop);
    /// For plain Asio; completions run on `executor`.
    explicit Resolver(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    Resolver(Resolver const&) = delete;
    Resolver& operator=(Resolver const&) = delete;
    virtual ~Resolver();

    asio::any_io_executor const& get_executor() const noexcept { return executor_; }

    /// Completion: `void(error_code, std::vector<Address>)`, the addresses of `host` with `port`,
    /// in the order in which they should be tried, each once; at least one, unless there is an
    /// error. `family`: AF_INET or AF_INET6 for these alone. Errors: `asio::error::host_not_found`
    /// (an empty name and one with a NUL included), `host_not_found_try_again` when the name server
    /// does not answer. Any number may overlap. Cancelling (any type) completes with
    /// `operation_aborted` at once; a getaddrinfo that has begun runs on for nothing.
    template <
        asio::completion_token_for<void(error_code, std::vector<Address>)> Token = asio::deferred_t>
    [[nodiscard]] auto resolve(std::string host, std::uint16_t port, int family,
                               Token&& token = asio::deferred_t()) {
        return asio::async_initiate<Token, void(error_code, std::vector<Address>)>(
            [this](auto&& handler, std::string name, std::uint16_t with, int only) {
                start(std::move(name), with, only,
                      {std::forward<decltype(handler)>(handler), executor_});
            },
            token, std::move(host), port, family);
    }
    template <
        asio::completion_token_for<void(error_code, std::vector<Address>)> Token = asio::deferred_t>
    [[nodiscard]] auto resolve(std::string host, std::uint16_t port,
                               Token&& token = asio::deferred_t()) {
        return resolve(std::move(host), port, AF_UNSPEC, std::forward<Token>(token));
    }

    /// Releases what a resolver holds. This one holds nothing.
    virtual void close() {}

protected:
    /// Does the work of resolve(): calls `completion` once, at any time, here or on any thread.
    /// Whether a cancellation or the end of the context came first is not its concern. An override
    /// may leave what needs no server to this one: IP literals, and what can be no name.
    ///
    ///     void look_up(std::string host, std::uint16_t port, int family,
    ///                  Completion completion) override {
    ///         completion({}, {Address("127.0.0.1", port)});
    ///     }
    virtual void look_up(std::string host, std::uint16_t port, int family, Completion completion);

    /// Lets another resolver do it.
    static void pass_on(Resolver& other, std::string host, std::uint16_t port, int family,
                        Completion completion);

private:
    class Request;

    void start(std::string host, std::uint16_t port, int family,
               detail::Completion<std::vector<Address>>&& handler);

    asio::any_io_executor executor_;
};

class Resolver::Completion {
public:
    Completion(Completion&&) noexcept = default;
    Completion& operator=(Completion&& other) noexcept;
    /// One that was not called completes with `operation_aborted`.
    ~Completion();

    /// Completes, later and from the resolver's executor. The first call counts. An empty list
    /// without an error becomes `host_not_found`. Thread-safe.
    void operator()(error_code ec, std::vector<Address> addresses = {});

    /// Whether somebody still waits: if not, there is no need to begin. Thread-safe.
    bool wanted() const;

private:
    friend class Resolver;
    explicit Completion(std::shared_ptr<Request> request) noexcept;

    std::shared_ptr<Request> request_;
};

/// Answers for some names as told, and passes the others on to another resolver.
///
///     OverrideResolver resolver(system, {
///         {"example.com", "127.0.1.1"},                            // any port
///         {{"login.example.com", 443}, {"localhost", 1443}},       // this port, to another
///         {{"login.example.com", 443, AF_INET6}, {"::1", 1443}},   // when asked for this family
///     });
///
/// tornado.netutil.OverrideResolver, T179.
class OverrideResolver : public Resolver {
public:
    /// What is asked for; the more it says, the sooner it counts.
    struct Key {
        template <std::convertible_to<std::string> Host>
        Key(Host&& name) : host(std::forward<Host>(name)) {}
        Key(std::string name, std::uint16_t with) : host(std::move(name)), port(with) {}
        Key(std::string name, std::uint16_t with, int only)
            : host(std::move(name)), port(with), family(only) {}

        std::string host;
        std::optional<std::uint16_t> port;
        std::optional<int> family;

        auto operator<=>(Key const&) const = default;
    };
    /// What is looked up in its place: a name or an IP literal; the port stays unless there is one.
    struct Target {
        template <std::convertible_to<std::string> Host>
        Target(Host&& name) : host(std::forward<Host>(name)) {}
        Target(std::string name, std::uint16_t instead) : host(std::move(name)), port(instead) {}

        std::string host;
        std::optional<std::uint16_t> port;
    };
    using Mapping = std::map<Key, Target>;

    /// `resolver`, which must outlive this one, looks up what the mapping gives and what it does
    /// not name; its executor is this one's too.
    OverrideResolver(Resolver& resolver, Mapping mapping);
    /// The same, and keeps `resolver` alive.
    OverrideResolver(std::shared_ptr<Resolver> resolver, Mapping mapping);

    /// Closes the other resolver.
    void close() override;

protected:
    void look_up(std::string host, std::uint16_t port, int family, Completion completion) override;

private:
    std::shared_ptr<Resolver> resolver_; // owns nothing if it is the application's
    Mapping mapping_;
};

/// Whether a TLS peer has to show a certificate, which is then verified against `ca_certs`.
enum class CertReqs {
    none,     ///< no verification at all
    optional, ///< a client may come without one; for a server's certificate the same as `required`
    required,
};

/// What ssl_options_to_context makes a context of. All files are PEM.
struct SSLOptions {
    /// A certificate file and its key file; without the latter the key is in the former.
    struct Identity {
        std::string certfile = {};
        std::string keyfile = {};
    };

    /// The own certificate, followed by those of its intermediate authorities. A server must have
    /// one.
    std::string certfile = {};
    /// Its private key; empty: in `certfile`.
    std::string keyfile = {};
    /// Opens the keys that are encrypted.
    std::string key_password = {};
    /// The authorities that a peer's certificate may come from: a file, or a directory prepared by
    /// `openssl rehash`. Empty: the system's, for clients alone.
    std::string ca_certs = {};
    /// Not set: a server asks for none, a client requires one.
    std::optional<CertReqs> cert_reqs = {};
    /// For TLS 1.2, in the form of openssl-ciphers(1). Empty: those with forward secrecy and
    /// authenticated encryption.
    std::string ciphers = {};
    /// Protocols to agree on (ALPN), the preferred first; a server goes by its own order. A client
    /// that offers others only is refused with the alert no_application_protocol (RFC 7301, 3.2);
    /// one that offers none is welcome.
    std::vector<std::string> alpn_protocols = {};
    /// Clients: whether the certificate must be made out to the name that was connected to.
    bool check_hostname = true;
    /// Servers: further certificates, chosen by the name that the client asks for (SNI). Keys are
    /// names, or `*.example.org` for one level below; any other name gets `certfile`.
    std::map<std::string, Identity> server_names = {};
};

/// Makes a context for any number of servers or clients; later changes of the files do not reach
/// it. TLS 1.2 and 1.3, no renegotiation, no compression, no early data. Sessions are resumed by
/// tickets that the clients keep: a server holds nothing for a client that has left, and its keys
/// for tickets live as long as the context. A certificate that has expired is taken as it is.
///
/// Throws system_error when a file cannot be read, std::invalid_argument when it is not what it
/// should be, when a key does not belong to its certificate or does not open, when a server has no
/// certificate or nothing to verify clients with, and for bad ciphers and protocol and server
/// names; each names the file and the remedy.
///
/// tornado.netutil.ssl_options_to_context, T159.
std::shared_ptr<asio::ssl::context> ssl_options_to_context(SSLOptions const& options,
                                                           bool server_side);

/// Whether `ip` is an IPv4 address of four decimal numbers or an IPv6 address, whose zone may be
/// named when this machine has it (`fe80::1%eth0`). Host names, blanks, ports and brackets are not.
///
/// tornado.netutil.is_valid_ip, T181; Tornado also takes inet_aton(3)'s old short forms such as
/// `127.1`.
bool is_valid_ip(std::string_view ip);

} // namespace tornado

/// Equal addresses have equal hashes.
template <>
struct std::hash<tornado::Address> {
    std::size_t operator()(tornado::Address const& address) const noexcept;
};
