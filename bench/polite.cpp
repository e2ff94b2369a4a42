// SPDX-License-Identifier: BSL-1.0
// One thread asks for all of them, and sleeps when nothing is due.
#include "polite.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/epoll.h>
#include <utility>

namespace bench {
namespace {

using namespace std::chrono_literals;

constexpr Clock::duration pause = 4ms; // between two questions, on average
constexpr int count = 100;     // peers, which is more than there are questions without an answer
constexpr auto patience = 20s; // of all of them

} // namespace

Polite::Polite(sockaddr_in const& address, SSL_CTX* context, ServerClock const& server,
               std::string request, std::size_t answer)
    : server_(server),
      request_(std::move(request)),
      answer_(answer),
      poll_(epoll_create1(EPOLL_CLOEXEC)),
      peers_(count) {
    check(poll_ >= 0, "epoll_create1");
    for (auto& peer : peers_) {
        static_cast<Connection&>(peer) = connect(address, context);
        fcntl(peer.fd, F_SETFL, O_NONBLOCK);
        epoll_event event{EPOLLIN, {&peer}};
        check(epoll_ctl(poll_, EPOLL_CTL_ADD, peer.fd, &event) == 0, "epoll_ctl");
        free_.push_back(&peer);
    }
}

void Polite::begin() {
    if (free_.empty())
        return;
    auto& peer = *free_.back();
    free_.pop_back();
    peer.left = answer_;
    peer.begin = Clock::now();
    peer.cpu = server_.cpu();
    check(peer.send(request_.data(), request_.size()) > 0, "a polite peer's send");
}

void Polite::receive(Peer& peer, std::vector<Wait>& waits) {
    char data[4096];
    auto const n = peer.receive(data, sizeof data);
    if (n < 0 && errno == EAGAIN)
        return;
    auto const received = static_cast<std::size_t>(n);
    if (n <= 0 || received > peer.left)
        die("a polite peer got no answer, or a wrong one");
    peer.left -= received;
    if (peer.left == 0) {
        waits.push_back({peer.begin, server_.cpu() - peer.cpu});
        free_.push_back(&peer);
    }
}

std::vector<Polite::Wait> Polite::ask(std::atomic<bool> const& done) {
    std::vector<Wait> waits;
    auto next = Clock::now();
    auto last = next; // something came
    while (!done || free_.size() != peers_.size()) {
        auto now = Clock::now();
        if (now >= next && !done) {
            begin();
            next = now + std::uniform_int_distribution<Clock::rep>(0, 2 * pause.count())(random_) *
                             Clock::duration(1);
        }
        auto const ms = std::chrono::ceil<std::chrono::milliseconds>(next - now).count();
        epoll_event events[count];
        int const ready =
            epoll_wait(poll_, events, count, static_cast<int>(std::clamp<Clock::rep>(ms, 0, 10)));
        for (int i = 0; i < ready; ++i)
            receive(*static_cast<Peer*>(events[i].data.ptr), waits);
        now = Clock::now();
        if (ready != 0 || free_.size() == peers_.size())
            last = now;
        if (now - last > patience)
            die("polite peers waited in vain");
    }
    return waits;
}

} // namespace bench
