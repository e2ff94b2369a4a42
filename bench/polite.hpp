// SPDX-License-Identifier: BSL-1.0
// Polite peers, who tell how long a server keeps them waiting.
#pragma once

#include "connection.hpp"
#include "server_clock.hpp"

#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <vector>

namespace bench {

using Clock = std::chrono::steady_clock;

/// Peers that ask now and then, at random moments and whatever has become of what others asked: so
/// their questions meet every part of the server's round, however long that is.
class Polite {
public:
    Polite(sockaddr_in const& address, SSL_CTX* context, ServerClock const& server,
           std::string request, std::size_t answer);

    struct Wait {
        Clock::time_point begin;
        double cpu; // the server's
    };

    /// Until `done`, and the last is answered.
    std::vector<Wait> ask(std::atomic<bool> const& done);

private:
    struct Peer : Connection {
        Clock::time_point begin;
        double cpu = 0;       // the server's at that time
        std::size_t left = 0; // of the answer
    };

    void begin();
    void receive(Peer& peer, std::vector<Wait>& waits);

    ServerClock const& server_;
    std::string request_;
    std::size_t answer_;
    int poll_;
    std::vector<Peer> peers_;
    std::vector<Peer*> free_;
    std::minstd_rand random_;
};

} // namespace bench
