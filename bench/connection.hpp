// SPDX-License-Identifier: BSL-1.0
// A client's connection, in clear, over TLS, or through a pair of FIFOs: bare system calls, so that
// a load generator costs little beside the server.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace bench {

[[noreturn]] inline void die(std::string const& what) {
    std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, what.c_str());
    std::exit(1);
}

inline void check(bool good, char const* what) {
    if (!good)
        die(std::string(what) + ": " + std::strerror(errno));
}

inline void allow_all_descriptors() {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

inline sockaddr_in server_address(char const* port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::strtoul(port, nullptr, 10)));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

inline int open_socket(int flags) {
    int const fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    check(fd >= 0, "socket");
    int const on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

struct Free {
    void operator()(SSL* tls) const noexcept { SSL_free(tls); }
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};

using Context = std::unique_ptr<SSL_CTX, Free>;

inline Context make_context() {
    Context context(SSL_CTX_new(TLS_client_method()));
    if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context.get(), "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(context.get(), "X25519") != 1)
        die("this OpenSSL lacks TLS 1.3");
    SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context.get(), 1); // one receive takes what there is
    std::signal(SIGPIPE, SIG_IGN);
    return context;
}

/// One of the FIFOs that servers/tornado_asio_pipes.cpp makes.
inline int open_fifo(std::string const& path, int mode) {
    int const fd = ::open(path.c_str(), mode | O_NONBLOCK | O_CLOEXEC);
    check(fd >= 0, path.c_str());
    return fd;
}

/// A socket, or two pipes, that its owner opens and closes.
struct Connection {
    int fd = -1;
    int output = -1;                // what is sent goes there, if it is pipes
    std::unique_ptr<SSL, Free> tls; // null without TLS

    /// The handshake is part of the first send or receive.
    void begin_tls(SSL_CTX* context) {
        tls.reset(SSL_new(context));
        SSL_set_fd(tls.get(), fd);
        SSL_set_connect_state(tls.get());
    }

    /// As send(2) has it.
    ssize_t send(char const* data, std::size_t n) {
        if (output >= 0)
            return ::write(output, data, n);
        if (!tls)
            return ::send(fd, data, n, MSG_NOSIGNAL);
        return settle(SSL_write(tls.get(), data, static_cast<int>(n)));
    }

    /// As recv(2) has it.
    ssize_t receive(char* data, std::size_t n) {
        if (output >= 0)
            return ::read(fd, data, n);
        if (!tls)
            return ::recv(fd, data, n, 0);
        return settle(SSL_read(tls.get(), data, static_cast<int>(n)));
    }

    void send_end() {
        if (tls)
            SSL_shutdown(tls.get());
        ::shutdown(fd, SHUT_WR);
    }

    void close() {
        if (tls)
            SSL_shutdown(tls.get());
        ERR_clear_error(); // of one that was not fit for it
        tls.reset();
        ::close(fd);
        fd = -1;
    }

private:
    ssize_t settle(int result) {
        if (result > 0)
            return result;
        switch (SSL_get_error(tls.get(), result)) {
        case SSL_ERROR_ZERO_RETURN:
            return 0;
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            errno = EAGAIN;
            return -1;
        default:
            ERR_clear_error();
            errno = ECONNRESET;
            return -1;
        }
    }
};

/// Blocks until it is connected, and its handshake done.
inline Connection connect(sockaddr_in const& address, SSL_CTX* context) {
    Connection connection;
    connection.fd = open_socket(0);
    check(::connect(connection.fd, reinterpret_cast<sockaddr const*>(&address), sizeof address) ==
              0,
          "connect");
    if (context) {
        connection.begin_tls(context);
        if (SSL_do_handshake(connection.tls.get()) != 1)
            die("the handshake failed");
    }
    return connection;
}

inline std::string get_request(std::string const& path) {
    return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

/// The bytes of the answer to an HTTP request, its head among them.
inline std::size_t answer_size(sockaddr_in const& address, std::string const& request) {
    int const fd = open_socket(0);
    check(::connect(fd, reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0,
          "connect");
    check(::send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0, "send");
    std::string head;
    for (;;) {
        char data[4096];
        auto const n = ::recv(fd, data, sizeof data, 0);
        check(n > 0, "recv");
        head.append(data, static_cast<std::size_t>(n));
        auto const end = head.find("\r\n\r\n");
        if (end == head.npos)
            continue;
        auto const length = strcasestr(head.c_str(), "\r\ncontent-length:");
        if (!head.starts_with("HTTP/1.1 200 ") || !length)
            die("not the answer it should be:\n" + head);
        ::close(fd);
        return end + 4 + std::strtoul(length + 17, nullptr, 10);
    }
}

} // namespace bench
