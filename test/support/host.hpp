// SPDX-License-Identifier: BSL-1.0
// A loop for a test of servers, of either kind, and a plain client for it.
#pragma once

#include "tornado/ioloop.hpp"
#include "tornado/netutil.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/socket_base.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tornado::test {

using namespace std::chrono_literals;

/// An IOLoop on its own, or one on an io_context that the test runs.
class Host {
public:
    explicit Host(bool foreign) {
        if (foreign)
            foreign_.emplace(1);
        foreign ? loop_.emplace(*foreign_) : loop_.emplace();
    }

    IOLoop& loop() { return *loop_; }
    asio::io_context& context() { return loop_->context(); }

    /// Runs `body` to its end, for half a minute at most, and rethrows what it threw.
    void run(std::function<asio::awaitable<void>()> body) {
        if (!foreign_)
            return loop_->run_sync(std::move(body), limit);
        std::optional<std::exception_ptr> end;
        asio::co_spawn(*foreign_, body, [&](std::exception_ptr failure) { end = failure; });
        auto const deadline = std::chrono::steady_clock::now() + limit;
        foreign_->restart();
        while (!end && foreign_->run_one_until(deadline) != 0)
            ;
        BOOST_TEST_REQUIRE(end.has_value(), "what the test waits for did not happen");
        if (*end)
            std::rethrow_exception(*end);
    }

    /// Lets the loop turn until `done()`.
    asio::awaitable<void> until(std::function<bool()> done) {
        while (!done())
            co_await asio::post(context(), asio::use_awaitable);
    }

    /// What is ready now is run; then nothing may be left to wait for.
    void check_no_work() {
        if (foreign_) {
            foreign_->restart();
            foreign_->poll();
            BOOST_TEST(foreign_->stopped(), "work is left");
        }
    }

private:
    static constexpr auto limit = 30s;

    std::optional<asio::io_context> foreign_;
    std::optional<IOLoop> loop_;
};

/// Runs a test on a loop of each kind; what it leaves behind must not keep a context busy.
inline void on_each_loop(std::function<void(Host&)> const& body) {
    for (bool const foreign : {false, true})
        BOOST_TEST_CONTEXT((foreign ? "on a foreign context" : "on a loop of its own")) {
            Host host(foreign);
            body(host);
            host.check_no_work();
        }
}

/// A plain blocking-to-send socket: nothing of the library is in it.
class Client {
public:
    Client(Host& host, Address const& server) : socket_(host.context()) {
        socket_.connect(server.endpoint());
    }

    Address name() const { return socket_.local_endpoint(); }

    void send(std::string_view text) { asio::write(socket_, asio::buffer(text)); }
    void finish() { socket_.shutdown(asio::socket_base::shutdown_send); }
    void close() { socket_.close(); }
    void reset() {
        socket_.set_option(asio::socket_base::linger(true, 0));
        socket_.close();
    }

    asio::awaitable<std::string> line() {
        auto const n = co_await asio::async_read_until(socket_, asio::dynamic_buffer(received_),
                                                       '\n', asio::use_awaitable);
        auto text = received_.substr(0, n);
        received_.erase(0, n);
        co_return text;
    }

    /// What comes until the server has closed, in good order or by a reset.
    asio::awaitable<std::string> rest() {
        error_code ec;
        co_await asio::async_read(socket_, asio::dynamic_buffer(received_),
                                  asio::redirect_error(asio::use_awaitable, ec));
        co_return std::exchange(received_, {});
    }

    /// Sends a line and gives back what comes for it.
    asio::awaitable<std::string> ask(std::string_view text) {
        send(text);
        co_return co_await line();
    }

private:
    asio::generic::stream_protocol::socket socket_;
    std::string received_;
};

/// A connection is refused there.
inline bool is_refused(Host& host, Address const& server) {
    try {
        Client const client(host, server);
        return false;
    } catch (system_error const& e) {
        return e.code() == asio::error::connection_refused;
    }
}

} // namespace tornado::test
