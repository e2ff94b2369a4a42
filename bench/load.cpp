// SPDX-License-Identifier: BSL-1.0
// The load generator: a bare epoll client, so that what is measured is the server alone.
//
// load PORT exchange SIZE DEPTH CONNECTIONS     messages of SIZE bytes, each answered with itself
// load PORT http PATH DEPTH CONNECTIONS         GET requests on kept connections
// load PORT stream | sink CONNECTIONS           bytes that come back, or do not
// load PORT visit | hold CONCURRENCY            connect, one line, its answer; then close, or stay
//
// In place of PORT, for exchange: the folder with the FIFOs of servers/tornado_asio_pipes.cpp.
// With "tls" in front of the mode each connection begins with a full handshake of TLS 1.3.
//
// It says "ready" after a warm-up. For each number on its standard input it then moves so many
// messages, bytes or connections, and prints how many it moved, in how many seconds, and how many
// were lost.
#include "connection.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <string_view>
#include <sys/epoll.h>
#include <vector>

namespace {

using namespace bench;

constexpr int patience = 10'000; // ms without an event, after which what is open is lost

struct Peer : Connection {
    std::size_t to_send = 0;
    std::size_t to_receive = 0;
};

class Load {
public:
    Load(std::string const& place, bool tls, std::string_view mode,
         std::vector<std::string> const& arguments);

    /// Moves `amount` messages, bytes or connections, and prints how it went.
    void run(std::size_t amount);

private:
    enum class Kind { exchange, stream, sink, visit, hold };

    bool persistent() const { return kind_ == Kind::exchange; }
    void connect(std::size_t bytes);
    bool connect_socket(Peer& peer);
    void connect_pipes(Peer& peer);
    void watch(int fd, std::uint32_t events, Peer& peer);
    void start(Peer& peer, std::size_t bytes);
    void work(Peer& peer);
    bool send(Peer& peer);
    bool receive(Peer& peer);
    void finish(Peer& peer);
    void close(Peer& peer);
    void wait();

    std::string folder_; // of FIFOs; empty for sockets
    sockaddr_in address_{};
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

Load::Load(std::string const& place, bool tls, std::string_view mode,
           std::vector<std::string> const& arguments)
    : folder_(place.starts_with('/') ? place : ""),
      address_(folder_.empty() ? server_address(place.c_str()) : sockaddr_in()),
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
        message = get_request(arguments.at(0));
        answer_ = answer_size(address_, message); // every answer is as long as the first
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

void Load::connect(std::size_t bytes) {
    if (free_.empty())
        free_.push_back(&peers_.emplace_back());
    auto& peer = *free_.back();
    free_.pop_back();
    peer.to_send = bytes;
    peer.to_receive = kind_ == Kind::stream ? bytes : answer_;
    if (!folder_.empty())
        return connect_pipes(peer);
    if (!connect_socket(peer)) {
        ++failed_;
        --open_;
        close(peer);
    }
}

bool Load::connect_socket(Peer& peer) {
    peer.fd = open_socket(SOCK_NONBLOCK);
    if (::connect(peer.fd, reinterpret_cast<sockaddr*>(&address_), sizeof address_) != 0 &&
        errno != EINPROGRESS)
        return false;
    if (context_)
        peer.begin_tls(context_.get());
    watch(peer.fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP, peer);
    return true;
}

void Load::connect_pipes(Peer& peer) {
    auto const path = folder_ + '/' + std::to_string(peers_.size() - 1);
    peer.fd = open_fifo(path + ".out", O_RDONLY);
    peer.output = open_fifo(path + ".in", O_WRONLY);
    watch(peer.fd, EPOLLIN, peer);
    watch(peer.output, EPOLLOUT, peer);
}

void Load::watch(int fd, std::uint32_t events, Peer& peer) {
    epoll_event event{events | EPOLLET, {&peer}};
    check(epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

bool Load::send(Peer& peer) {
    while (peer.to_send != 0) {
        auto const left = (peer.to_send - 1) % text_.size() + 1; // of the text
        auto const n = peer.send(text_.data() + text_.size() - left, left);
        if (n < 0)
            return errno == EAGAIN || errno == ENOTCONN;
        peer.to_send -= static_cast<std::size_t>(n);
        if (peer.to_send == 0 && kind_ == Kind::sink)
            peer.send_end();
    }
    return true;
}

bool Load::receive(Peer& peer) {
    static char data[256 * 1024];
    while (peer.to_receive != 0 || kind_ == Kind::sink) {
        auto const n = peer.receive(data, sizeof data);
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
    peer.close();
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
        die("usage: load PLACE [tls] MODE ARGUMENT...; the head of bench/load.cpp lists them");
    allow_all_descriptors();
    bool const tls = argc > 3 && std::string_view(argv[2]) == "tls";
    auto const mode = argv + 2 + tls;
    Load load(argv[1], tls, *mode, {mode + 1, argv + argc});
    std::puts("ready");
    std::fflush(stdout);
    std::size_t amount = 0;
    while (std::scanf("%zu", &amount) == 1)
        load.run(amount);
}
