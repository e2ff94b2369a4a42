// SPDX-License-Identifier: BSL-1.0
// Polite peers among busy ones: how much of the server's processor time passes while they wait for
// an answer.
//
// neighbours PORT PID stream COUNT          they send without a pause and read what comes back
// neighbours PORT PID flood COUNT           they send without a pause and never read
// neighbours PORT PID download PATH COUNT   they get a file again and again
//
// With "tls" in front of the mode all connections talk TLS 1.3. A polite peer sends a line and
// waits for it to come back; beside downloads it asks for /healthz.
//
// It says "ready", and for each number on its standard input keeps the server with the process id
// PID busy for so many seconds. It then prints how many bytes the neighbours moved, and how many
// seconds of the server's processor clock passed during each of the polite peers' waits.
#include "connection.hpp"
#include "polite.hpp"
#include "server_clock.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fcntl.h>
#include <sched.h>
#include <string_view>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace bench;
using namespace std::chrono_literals;

constexpr std::size_t piece = 256 * 1024;
// What a flood sends on a connection at most: a server that queues its answers without a limit
// needs so much memory for each. Where answers are waited for, the sockets' buffers hold less.
constexpr std::size_t flood_size = 4 * 1024 * 1024;
constexpr auto longest = 5s;  // one flood
constexpr auto window = 10ms; // in which the server is found busy or not

std::string lines(std::size_t bytes) {
    std::string const line = std::string(63, 'x') + '\n';
    std::string text;
    while (text.size() < bytes)
        text += line;
    return text;
}

/// From when to when the server was busy.
struct Busy {
    Clock::time_point begin, end;
};

class Neighbours {
public:
    enum class Kind { stream, flood, download };

    Neighbours(sockaddr_in const& address, SSL_CTX* context, ServerClock const& server, Kind kind,
               std::string request, std::size_t count)
        : address_(address),
          context_(context),
          server_(server),
          kind_(kind),
          text_(kind == Kind::download ? std::move(request) : lines(piece)),
          answer_(kind == Kind::download ? answer_size(address, text_) : 0),
          file_(memfd_create("text", MFD_CLOEXEC)),
          poll_(epoll_create1(EPOLL_CLOEXEC)),
          peers_(count) {
        check(poll_ >= 0, "epoll_create1");
        check(::write(file_, text_.data(), text_.size()) == static_cast<ssize_t>(text_.size()),
              "memfd_create");
        if (kind_ != Kind::flood)
            connect_all();
    }

    /// For `time`; a flood comes to its end, and then another begins.
    std::vector<Busy> work(std::chrono::duration<double> time);

    std::uint64_t moved() const { return moved_; }

private:
    struct Peer : Connection {
        std::size_t sent = 0;     // of the request; of a flood, altogether
        std::size_t received = 0; // of the answer
    };

    void connect_all();
    void close_all();
    void send(Peer& peer);
    void receive(Peer& peer);
    void watch(Peer& peer, std::uint32_t events, int operation);
    void count(std::size_t& sum, ssize_t n);
    void turn();
    void run_dry();
    bool keep_busy();

    sockaddr_in address_;
    SSL_CTX* context_;
    ServerClock const& server_;
    Kind kind_;
    std::string text_; // sent over and over
    std::size_t answer_;
    int file_; // the text, too
    int poll_;
    std::vector<Peer> peers_;
    std::vector<char> input_ = std::vector<char>(piece);
    std::uint64_t moved_ = 0;
    std::vector<Busy> busy_;
};

void Neighbours::watch(Peer& peer, std::uint32_t events, int operation) {
    epoll_event event{events, {&peer}};
    check(epoll_ctl(poll_, operation, peer.fd, &event) == 0, "epoll_ctl");
}

void Neighbours::connect_all() {
    for (auto& peer : peers_) {
        static_cast<Connection&>(peer) = connect(address_, context_);
        fcntl(peer.fd, F_SETFL, O_NONBLOCK);
        peer.sent = peer.received = 0;
    }
    for (auto& peer : peers_)
        watch(peer, kind_ == Kind::stream ? EPOLLIN | EPOLLOUT : EPOLLOUT, EPOLL_CTL_ADD);
}

void Neighbours::close_all() {
    for (auto& peer : peers_)
        peer.close();
}

void Neighbours::send(Peer& peer) {
    bool const once = kind_ == Kind::download;
    auto const begin = once ? peer.sent : 0;
    off_t beginning = 0;
    auto const n = !peer.tls && kind_ == Kind::stream
                       ? ::sendfile(peer.fd, file_, &beginning, text_.size())
                       : peer.send(text_.data() + begin, text_.size() - begin);
    if (n < 0 && errno == EAGAIN)
        return;
    if (kind_ == Kind::flood) {
        if (n <= 0) // the server closed it, as it may
            peer.sent = flood_size;
        else
            count(peer.sent, n);
        if (peer.sent >= flood_size)
            epoll_ctl(poll_, EPOLL_CTL_DEL, peer.fd, nullptr);
        return;
    }
    check(n > 0, "send");
    peer.sent += static_cast<std::size_t>(n);
    if (once && peer.sent == text_.size())
        watch(peer, EPOLLIN, EPOLL_CTL_MOD);
}

void Neighbours::receive(Peer& peer) {
    auto const n = peer.tls ? peer.receive(input_.data(), input_.size())
                            : ::recv(peer.fd, nullptr, piece, MSG_TRUNC);
    if (n < 0 && errno == EAGAIN)
        return;
    check(n > 0, "recv");
    count(peer.received, n);
    if (kind_ == Kind::download && peer.received == answer_) {
        peer.sent = peer.received = 0;
        watch(peer, EPOLLOUT, EPOLL_CTL_MOD);
    }
}

void Neighbours::count(std::size_t& sum, ssize_t n) {
    sum += static_cast<std::size_t>(n);
    moved_ += static_cast<std::size_t>(n);
}

// A piece each way for each that is ready.
void Neighbours::turn() {
    epoll_event events[256];
    int const count = epoll_wait(poll_, events, 256, 2);
    for (int i = 0; i < count; ++i) {
        auto& peer = *static_cast<Peer*>(events[i].data.ptr);
        if (kind_ != Kind::flood && events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
            receive(peer);
        if (events[i].events & EPOLLOUT)
            send(peer);
    }
}

std::vector<Busy> Neighbours::work(std::chrono::duration<double> time) {
    busy_.clear();
    auto const begin = Clock::now();
    while (Clock::now() - begin < time) {
        if (kind_ == Kind::flood)
            run_dry();
        else
            keep_busy();
    }
    return busy_;
}

void Neighbours::run_dry() {
    auto const begin = Clock::now();
    connect_all();
    for (int idle = 0; idle != 3 && Clock::now() - begin < longest;)
        idle = keep_busy() ? 0 : idle + 1;
    close_all();
}

// For a window; false if the server was idle for more than half of it.
bool Neighbours::keep_busy() {
    auto const begin = Clock::now();
    auto const before = server_.demand();
    auto end = begin;
    do {
        turn();
        end = Clock::now();
    } while (end - begin < window);
    std::chrono::duration<double> const time = end - begin;
    if (server_.demand() - before < time.count() / 2)
        return false;
    if (!busy_.empty() && busy_.back().end == begin)
        busy_.back().end = end;
    else
        busy_.push_back({begin, end});
    return true;
}

void measure(Neighbours& neighbours, Polite& polite, double seconds) {
    auto const before = neighbours.moved();
    std::vector<Busy> busy;
    std::atomic<bool> done = false;
    std::thread noise([&] {
        busy = neighbours.work(std::chrono::duration<double>(seconds));
        done = true;
    });
    // Its thread is woken at once, on a machine that is busy with other things, too.
    sched_param const first{1};
    sched_setscheduler(0, SCHED_FIFO, &first); // without the right to that it is not so exact
    auto const waits = polite.ask(done);
    sched_param const usual{};
    sched_setscheduler(0, SCHED_OTHER, &usual);
    noise.join();

    std::printf("%llu", static_cast<unsigned long long>(neighbours.moved() - before));
    for (auto const& wait : waits)
        if (std::any_of(busy.begin(), busy.end(), [&](Busy const& b) {
                return b.begin <= wait.begin && wait.begin <= b.end;
            }))
            std::printf(" %.6f", wait.cpu);
    std::printf("\n");
    std::fflush(stdout);
}

Neighbours::Kind parse(std::string const& mode) {
    if (mode == "stream")
        return Neighbours::Kind::stream;
    if (mode == "flood")
        return Neighbours::Kind::flood;
    if (mode == "download")
        return Neighbours::Kind::download;
    die("the mode '" + mode + "' is unknown");
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 5)
        die("usage: neighbours PORT PID [tls] MODE ARGUMENT...; the head of bench/neighbours.cpp "
            "lists them");
    allow_all_descriptors();
    std::signal(SIGPIPE, SIG_IGN);
    auto const address = server_address(argv[1]);
    ServerClock const server(argv[2]);
    bool const tls = std::string_view(argv[3]) == "tls";
    std::vector<std::string> const words(argv + 3 + tls, argv + argc);
    auto const kind = parse(words[0]);
    auto const context = tls ? make_context() : nullptr;
    auto const count = std::strtoul(words.back().c_str(), nullptr, 10);
    bool const http = kind == Neighbours::Kind::download;
    if (words.size() != (http ? 3u : 2u) || count == 0)
        die("wrong arguments; the head of bench/neighbours.cpp lists them");

    auto const request = http ? get_request("/healthz") : lines(1);
    Polite polite(address, context.get(), server, request,
                  http ? answer_size(address, request) : request.size());
    Neighbours neighbours(address, context.get(), server, kind, http ? get_request(words[1]) : "",
                          count);
    std::puts(server.exact() ? "ready" : "ready, with a coarse clock");
    std::fflush(stdout);
    double seconds = 0;
    while (std::scanf("%lf", &seconds) == 1)
        measure(neighbours, polite, seconds);
}
