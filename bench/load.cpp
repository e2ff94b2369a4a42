// SPDX-License-Identifier: BSL-1.0
// The load generator: a bare epoll client, so that what is measured is the server alone.
//
// load PORT exchange SIZE DEPTH CONNECTIONS     messages of SIZE bytes, each answered with itself
// load PORT http PATH DEPTH CONNECTIONS         GET requests on kept connections
// load PORT stream | sink CONNECTIONS           bytes that come back, or do not
// load PORT visit | hold CONCURRENCY            connect, one line, its answer; then close, or stay
//
// With "tls" in front of the mode each connection begins with a full handshake of TLS 1.3.
//
// It says "ready" after a warm-up. For each number on its standard input it then moves so many
// messages, bytes or connections, and prints how many it moved, in how many seconds, and how many
// were lost.
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr int patience = 10'000; // ms without an event, after which what is open is lost

[[noreturn]] void die(std::string const& what) {
    std::fprintf(stderr, "load: %s\n", what.c_str());
    std::exit(1);
}

void check(bool good, char const* what) {
    if (!good)
        die(std::string(what) + ": " + std::strerror(errno));
}

sockaddr_in server_address(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int open_socket(int flags) {
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

Context make_context() {
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

struct Peer {
    int fd = -1;
    std::unique_ptr<SSL, Free> tls; // null without TLS
    std::size_t to_send = 0;
    std::size_t to_receive = 0;
};

// As recv(2) and send(2) would have it.
ssize_t settle(Peer& peer, int result) {
    if (result > 0)
        return result;
    switch (SSL_get_error(peer.tls.get(), result)) {
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

ssize_t send_some(Peer& peer, char const* data, std::size_t n) {
    if (!peer.tls)
        return ::send(peer.fd, data, n, MSG_NOSIGNAL);
    return settle(peer, SSL_write(peer.tls.get(), data, static_cast<int>(n)));
}

ssize_t receive_some(Peer& peer, char* data, std::size_t n) {
    if (!peer.tls)
        return ::recv(peer.fd, data, n, 0);
    return settle(peer, SSL_read(peer.tls.get(), data, static_cast<int>(n)));
}

void send_end(Peer& peer) {
    if (peer.tls)
        SSL_shutdown(peer.tls.get());
    shutdown(peer.fd, SHUT_WR);
}

class Load {
public:
    Load(std::uint16_t port, bool tls, std::string_view mode,
         std::vector<std::string> const& arguments);

    /// Moves `amount` messages, bytes or connections, and prints how it went.
    void run(std::size_t amount);

private:
    enum class Kind { exchange, stream, sink, visit, hold };

    bool persistent() const { return kind_ == Kind::exchange; }
    void learn_answer(std::string const& request);
    void connect(std::size_t bytes);
    void start(Peer& peer, std::size_t bytes);
    void work(Peer& peer);
    bool send(Peer& peer);
    bool receive(Peer& peer);
    void finish(Peer& peer);
    void close(Peer& peer);
    void wait();

    sockaddr_in address_;
    Context context_; // null without TLS
    Kind kind_;
    int poll_;
    std::string text_;       // one batch of messages; of a stream, what is sent over and over
    std::size_t answer_ = 0; // bytes that answer one batch
    std::size_t depth_ = 1;
    std::size_t width_; // connections, at a time
    std::deque<Peer> peers_;
    std::vector<Peer*> free_;
    std::size_t waiting_ = 0; // batches or connections that nobody has begun
    std::size_t open_ = 0;    // begun and not finished
    std::size_t failed_ = 0;
};

Load::Load(std::uint16_t port, bool tls, std::string_view mode,
           std::vector<std::string> const& arguments)
    : address_(server_address(port)),
      context_(tls ? make_context() : nullptr),
      poll_(epoll_create1(EPOLL_CLOEXEC)) {
    check(poll_ >= 0, "epoll_create1");
    auto const number = [&](std::size_t i) {
        if (i >= arguments.size())
            die("too few arguments; the head of bench/load.cpp lists them");
        return std::strtoul(arguments[i].c_str(), nullptr, 10);
    };
    std::string message = std::string(63, 'x') + '\n';
    if (mode == "exchange") {
        kind_ = Kind::exchange;
        message = std::string(number(0) - 1, 'x') + '\n';
        answer_ = message.size();
    } else if (mode == "http") {
        kind_ = Kind::exchange;
        message = "GET " + arguments.at(0) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
        learn_answer(message);
    } else if (mode == "stream" || mode == "sink") {
        kind_ = mode == "sink" ? Kind::sink : Kind::stream;
        message.assign(256 * 1024, 'x');
    } else if (mode == "visit" || mode == "hold") {
        kind_ = mode == "hold" ? Kind::hold : Kind::visit;
        answer_ = message.size();
    } else {
        die("the mode '" + std::string(mode) + "' is unknown");
    }
    depth_ = persistent() ? number(1) : 1;
    width_ = number(persistent() ? 2 : 0);
    for (std::size_t i = 0; i != depth_; ++i)
        text_ += message;
    answer_ *= depth_;

    if (!persistent())
        return;
    for (std::size_t i = 0; i != width_; ++i) {
        ++open_;
        connect(text_.size());
    }
    wait();
    if (failed_ != 0)
        die("the server did not answer");
}

// Every answer is as long as the first.
void Load::learn_answer(std::string const& request) {
    int const fd = open_socket(0);
    check(::connect(fd, reinterpret_cast<sockaddr*>(&address_), sizeof address_) == 0, "connect");
    check(::send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0, "send");
    std::string head;
    std::size_t total = 0;
    while (total == 0 || head.size() < total) {
        char data[4096];
        auto const n = ::recv(fd, data, sizeof data, 0);
        check(n > 0, "recv");
        head.append(data, static_cast<std::size_t>(n));
        if (auto const end = head.find("\r\n\r\n"); end != head.npos) {
            auto const length = strcasestr(head.c_str(), "\r\ncontent-length:");
            if (!head.starts_with("HTTP/1.1 200 ") || !length)
                die("not the answer it should be:\n" + head);
            total = end + 4 + std::strtoul(length + 17, nullptr, 10);
        }
    }
    ::close(fd);
    answer_ = total;
}

void Load::connect(std::size_t bytes) {
    if (free_.empty())
        free_.push_back(&peers_.emplace_back());
    auto& peer = *free_.back();
    free_.pop_back();
    peer.fd = open_socket(SOCK_NONBLOCK);
    if (::connect(peer.fd, reinterpret_cast<sockaddr*>(&address_), sizeof address_) != 0 &&
        errno != EINPROGRESS) {
        ++failed_;
        --open_;
        return close(peer);
    }
    if (context_) {
        peer.tls.reset(SSL_new(context_.get()));
        SSL_set_fd(peer.tls.get(), peer.fd);
        SSL_set_connect_state(peer.tls.get());
    }
    peer.to_send = bytes;
    peer.to_receive = kind_ == Kind::stream ? bytes : answer_;
    epoll_event event{EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {&peer}};
    check(epoll_ctl(poll_, EPOLL_CTL_ADD, peer.fd, &event) == 0, "epoll_ctl");
}

bool Load::send(Peer& peer) {
    while (peer.to_send != 0) {
        auto const left = (peer.to_send - 1) % text_.size() + 1; // of the text
        auto const n = send_some(peer, text_.data() + text_.size() - left, left);
        if (n < 0)
            return errno == EAGAIN || errno == ENOTCONN;
        peer.to_send -= static_cast<std::size_t>(n);
        if (peer.to_send == 0 && kind_ == Kind::sink)
            send_end(peer);
    }
    return true;
}

bool Load::receive(Peer& peer) {
    static char data[256 * 1024];
    while (peer.to_receive != 0 || kind_ == Kind::sink) {
        auto const n = receive_some(peer, data, sizeof data);
        if (n < 0)
            return errno == EAGAIN;
        auto const received = static_cast<std::size_t>(n);
        if (received > peer.to_receive)
            die("the answer is longer than it should be");
        if (received == 0) {
            if (kind_ != Kind::sink || peer.to_send != 0)
                return false;
            finish(peer);
            return true;
        }
        peer.to_receive -= received;
    }
    if (peer.to_send == 0)
        finish(peer);
    return true;
}

void Load::work(Peer& peer) {
    if (!send(peer) || !receive(peer)) {
        ++failed_;
        --open_;
        close(peer);
    }
}

void Load::finish(Peer& peer) {
    --open_;
    switch (kind_) {
    case Kind::exchange:
        if (waiting_ != 0)
            start(peer, text_.size());
        break;
    case Kind::visit:
    case Kind::hold:
        if (kind_ == Kind::visit)
            close(peer);
        if (waiting_ != 0) {
            --waiting_;
            ++open_;
            connect(text_.size());
        }
        break;
    case Kind::stream:
    case Kind::sink:
        close(peer);
        break;
    }
}

// The next batch on a connection.
void Load::start(Peer& peer, std::size_t bytes) {
    --waiting_;
    ++open_;
    peer.to_send = bytes;
    peer.to_receive = answer_;
    if (!send(peer))
        die("the server closed a connection");
}

void Load::close(Peer& peer) {
    if (peer.tls)
        SSL_shutdown(peer.tls.get());
    ERR_clear_error(); // of one that was not fit for it
    peer.tls.reset();
    ::close(peer.fd);
    peer.fd = -1;
    free_.push_back(&peer);
}

void Load::wait() {
    while (open_ != 0) {
        epoll_event events[256];
        int const count = epoll_wait(poll_, events, 256, patience);
        if (count == 0) {
            failed_ += open_;
            open_ = 0;
        }
        for (int i = 0; i < count; ++i) {
            auto& peer = *static_cast<Peer*>(events[i].data.ptr);
            if (peer.fd >= 0 && (peer.to_send != 0 || peer.to_receive != 0 || kind_ == Kind::sink))
                work(peer);
        }
    }
}

void Load::run(std::size_t amount) {
    auto const before = std::chrono::steady_clock::now();
    failed_ = 0;
    std::size_t batches = std::max<std::size_t>(1, amount / depth_);
    std::size_t moved = batches * depth_;
    switch (kind_) {
    case Kind::exchange:
        waiting_ = batches;
        for (auto& peer : peers_)
            if (waiting_ != 0)
                start(peer, text_.size());
        break;
    case Kind::stream:
    case Kind::sink:
        batches = std::max<std::size_t>(1, amount / width_);
        moved = batches * width_;
        for (std::size_t i = 0; i != width_; ++i) {
            ++open_;
            connect(batches);
        }
        break;
    case Kind::visit:
    case Kind::hold:
        waiting_ = batches;
        for (std::size_t i = 0; i != width_ && waiting_ != 0; ++i) {
            --waiting_;
            ++open_;
            connect(text_.size());
        }
        break;
    }
    wait();
    std::chrono::duration<double> const took = std::chrono::steady_clock::now() - before;
    std::printf("%zu %.6f %zu\n", moved, took.count(), failed_);
    std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 3)
        die("usage: load PORT [tls] MODE ARGUMENT...; the head of bench/load.cpp lists them");
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    bool const tls = argc > 3 && std::string_view(argv[2]) == "tls";
    auto const mode = argv + 2 + tls;
    Load load(static_cast<std::uint16_t>(std::strtoul(argv[1], nullptr, 10)), tls, *mode,
              {mode + 1, argv + argc});
    std::puts("ready");
    std::fflush(stdout);
    std::size_t amount = 0;
    while (std::scanf("%zu", &amount) == 1)
        load.run(amount);
}
