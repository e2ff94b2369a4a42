// SPDX-License-Identifier: BSL-1.0
// An application of plain Asio, its own io_context, acceptor and timer, that has taken streams in.
#pragma once

#include "tornado/ioloop.hpp"
#include "tornado/iostream.hpp"
#include "tornado/tcpserver.hpp"

#include "describe.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>

namespace app {

namespace asio = boost::asio;

struct Settings {
    std::uint16_t port = 8888;
    std::string address = "127.0.0.1";
    std::uint16_t status_port = 8889;
    std::string unix_path; // of the status server, instead of its port
    std::size_t connections = 1000;
    std::size_t line = 1000;           // bytes
    std::size_t message = 1024 * 1024; // bytes
    std::chrono::milliseconds tick = std::chrono::seconds(1);
    std::chrono::milliseconds first_line_time = std::chrono::seconds(10);
    std::chrono::milliseconds idle = std::chrono::seconds(60); // of a WebSocket
    std::chrono::milliseconds drain = std::chrono::seconds(10);
};

class App {
public:
    /// Listens, and says where; throws when it cannot.
    explicit App(Settings settings);
    ~App();

    /// Returns some time after SIGTERM or SIGINT.
    void run();

private:
    // How a connection is ended when the application ends; in the list while it lives.
    class Open {
    public:
        Open(App& app, std::function<void()> close)
            : app_(app), entry_(app.open_.insert(app.open_.end(), std::move(close))) {}
        Open(Open const&) = delete;
        Open& operator=(Open const&) = delete;
        ~Open() { app_.open_.erase(entry_); }
        void replace(std::function<void()> close) { *entry_ = std::move(close); }

    private:
        App& app_;
        std::list<std::function<void()>>::iterator entry_;
    };

    asio::awaitable<void> tick();
    asio::awaitable<void> accept();
    asio::awaitable<void> talk(asio::ip::tcp::socket socket);
    asio::awaitable<void> websocket(tornado::IOStreamPtr stream, std::string first_line,
                                    Open& open);
    asio::awaitable<void> status(tornado::IOStreamPtr stream);
    template <class Stream>
    asio::awaitable<void> answer_lines(Stream& stream, std::string received);
    void spawn(asio::awaitable<void> task);
    void stop();

    Settings settings_;
    std::uint64_t ticks_ = 0;
    std::list<std::function<void()>> open_;

    asio::io_context context_;
    asio::signal_set signals_;
    asio::steady_timer clock_;
    asio::ip::tcp::acceptor acceptor_;

    tornado::IOLoop loop_; // the loop of what is new, on the application's context
    tornado::TCPServer server_;
    std::optional<example::DescribeOnSignal> describing_{loop_}; // until stop()
};

} // namespace app
