// SPDX-License-Identifier: BSL-1.0
// Servers on the loops of a group, with a client on a thread of its own that ends them.
#pragma once

#include "tornado/tcpserver.hpp"
#include "tornado/threads.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace tornado::test {

/// A server on each loop of a group, numbered from 0. It answers a line with its number and the
/// line. A timer runs beside it.
class LoopServers {
public:
    /// Called on each server's thread, to make it listen.
    using Listen = std::function<void(TCPServer& server, std::size_t number)>;

    LoopServers(unsigned threads, Listen listen, TCPServerOptions options = {})
        : threads_(threads), listen_(std::move(listen)), options_(std::move(options)) {}

    LoopGroup& group() { return group_; }

    /// Runs all until `client`, on another thread, has ended and after that every connection has;
    /// throws what it threw.
    void run(std::function<void()> client) {
        std::thread other;
        auto const talk = [&] {
            try {
                client();
                group_.shutdown();
            } catch (...) {
                group_.stop(std::current_exception());
            }
        };
        try {
            group_.run(threads_, [&](IOLoop& loop) {
                auto coroutine = serve(loop);
                if (servers_.size() == threads_)
                    other = std::thread(talk);
                return coroutine;
            });
        } catch (...) {
            if (other.joinable())
                other.join();
            throw;
        }
        other.join();
    }

    /// Calls `f(server)` on its thread, and gives back what that returns.
    template <class F>
    auto on(std::size_t number, F f) {
        auto& [loop, server] = servers_.at(number);
        std::packaged_task<std::invoke_result_t<F, TCPServer&>()> task(
            [&server = server, &f] { return f(*server.lock()); });
        auto result = task.get_future();
        loop->add_callback(std::ref(task));
        if (result.wait_for(std::chrono::seconds(30)) != std::future_status::ready)
            throw std::runtime_error("the loop does not answer");
        return result.get();
    }

    /// Waits until a server has so many connections.
    void until_active(std::size_t number, std::size_t count) {
        for (auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
             on(number, [](TCPServer& server) { return server.stats().active; }) != count;)
            if (std::chrono::steady_clock::now() > end)
                throw std::runtime_error("the connections do not end");
    }

    IOLoop& loop(std::size_t number) { return *servers_.at(number).loop; }

private:
    struct Server {
        IOLoop* loop;
        std::weak_ptr<TCPServer> server; // its coroutine has it
    };

    asio::awaitable<void> serve(IOLoop& loop) {
        auto const number = servers_.size();
        auto const prefix = std::to_string(number) + " ";
        auto const server = std::make_shared<TCPServer>(
            loop,
            [prefix](IOStreamPtr stream, Address) -> asio::awaitable<void> {
                for (;;)
                    co_await stream->write(prefix + co_await stream->read_until("\n"));
            },
            options_);
        listen_(*server, number);
        servers_.push_back({&loop, server});
        return drain(loop, server);
    }

    asio::awaitable<void> drain(IOLoop& loop, std::shared_ptr<TCPServer> server) {
        PeriodicCallback ticks([] {}, std::chrono::milliseconds(1));
        ticks.start();
        co_await group_.wait_for_shutdown(loop);
        auto const forced = co_await server->shutdown(std::chrono::seconds(30));
        if (forced != 0)
            throw std::runtime_error("connections are left");
    }

    unsigned threads_;
    Listen listen_;
    TCPServerOptions options_;
    LoopGroup group_;
    std::vector<Server> servers_;
};

} // namespace tornado::test
