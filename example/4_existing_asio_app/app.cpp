// SPDX-License-Identifier: BSL-1.0
// The three crossings: a loop on a foreign context, a stream from a socket, a socket from a stream.
#include "app.hpp"

#include "tornado/beast.hpp"
#include "tornado/error.hpp"
#include "tornado/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/error.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <utility>

namespace app {

namespace beast_ws = boost::beast::websocket;
using asio::ip::tcp;

namespace {

tcp::acceptor listen(asio::io_context& context, std::string const& address, std::uint16_t port) {
    try {
        return {context, tcp::endpoint(asio::ip::make_address(address), port)};
    } catch (tornado::system_error const& e) {
        throw std::runtime_error("cannot listen on " + address + " port " + std::to_string(port) +
                                 ": " + e.code().message() +
                                 "; give an IP address of this machine and a free port");
    }
}

bool is_end(tornado::error_code ec) {
    return ec == tornado::errc::stream_closed || ec == beast_ws::error::closed ||
           ec == asio::error::operation_aborted;
}

} // namespace

App::App(Settings settings)
    : settings_(std::move(settings)),
      signals_(context_, SIGTERM, SIGINT),
      clock_(context_),
      acceptor_(listen(context_, settings_.address, settings_.port)),
      loop_(context_),
      server_(loop_, [this](tornado::IOStreamPtr stream, tornado::Address) {
          return status(std::move(stream));
      }) {
    if (settings_.unix_path.empty())
        server_.listen(settings_.status_port, settings_.address);
    else
        server_.add_socket(tornado::bind_unix_socket(settings_.unix_path));

    signals_.async_wait([this](tornado::error_code ec, int) {
        if (!ec)
            stop();
    });
    spawn(tick());
    spawn(accept());

    auto const place = server_.addresses().front();
    std::cout << "listening on tcp://" << tornado::Address(acceptor_.local_endpoint()) << "/, "
              << (place.is_unix() ? "unix:" : "tcp://") << place << (place.is_unix() ? "" : "/")
              << std::endl;
}

App::~App() {
    std::error_code ignored; // somebody else may have removed it
    if (!settings_.unix_path.empty())
        std::filesystem::remove(settings_.unix_path, ignored);
}

// The application runs its context, as ever: the loop needs no start().
void App::run() {
    context_.run(); // until stop()
    context_.restart();
    context_.run_for(settings_.drain); // less, as soon as nothing is left to do
}

void App::stop() {
    signals_.clear();
    describing_.reset();
    clock_.cancel();
    acceptor_.close();
    server_.shutdown(settings_.drain, [](tornado::error_code, std::size_t) {});
    for (auto const& close : open_)
        close();
    context_.stop();
}

void App::spawn(asio::awaitable<void> task) {
    asio::co_spawn(context_, std::move(task), [](std::exception_ptr failure) {
        try {
            if (failure)
                std::rethrow_exception(failure);
        } catch (tornado::system_error const& e) {
            if (!is_end(e.code()))
                tornado::log(tornado::Logger::application, tornado::LogLevel::warning,
                             e.code().message());
        }
    });
}

// ---- What was there before

asio::awaitable<void> App::tick() {
    for (;;) {
        clock_.expires_after(settings_.tick);
        co_await clock_.async_wait(asio::deferred);
        ++ticks_;
    }
}

asio::awaitable<void> App::accept() {
    while (acceptor_.is_open()) {
        auto [ec, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::deferred));
        if (!ec && open_.size() < settings_.connections) {
            spawn(talk(std::move(socket)));
        } else if (ec && acceptor_.is_open()) { // out of descriptors, most likely
            asio::steady_timer pause(context_, settings_.tick);
            co_await pause.async_wait(asio::deferred);
        }
    }
}

// Asio's composed operations take either kind of stream.
template <class Stream>
asio::awaitable<void> App::answer_lines(Stream& stream, std::string received) {
    for (;;) {
        // A dynamic buffer cuts off what it finds above its limit.
        auto const limit = std::max(settings_.line, received.size());
        auto const size = co_await asio::async_read_until(
            stream, asio::dynamic_buffer(received, limit), '\n', asio::deferred);
        auto const answer = "tick " + std::to_string(ticks_) + ": " + received.substr(0, size);
        received.erase(0, size);
        co_await asio::async_write(stream, asio::buffer(answer), asio::deferred);
    }
}

// ---- What is new

asio::awaitable<void> App::talk(tcp::socket accepted) {
    auto const stream = std::make_shared<tornado::IOStream>(std::move(accepted));
    Open open(*this, [&] { stream->close_after_flush(settings_.drain); });
    asio::steady_timer silence(context_, settings_.first_line_time);
    silence.async_wait([stream](tornado::error_code ec) {
        if (!ec)
            stream->close(asio::error::timed_out);
    });
    auto first = co_await stream->read_until("\n", settings_.line);
    silence.cancel();

    if (first.starts_with("GET ")) {
        co_await websocket(stream, std::move(first), open);
    } else if (first.starts_with("plain")) {
        std::string unread;
        auto socket = stream->release<tcp>(&unread);
        open.replace([&] { socket.close(); });
        co_await answer_lines(socket, std::move(unread));
    } else {
        co_await answer_lines(*stream, std::move(first));
    }
}

// Each message goes back. Compression stays off, as it is in Beast unless asked for: the deflate
// of Boost 1.81 breaks on some messages.
asio::awaitable<void> App::websocket(tornado::IOStreamPtr stream, std::string first_line,
                                     Open& open) {
    auto const ws = std::make_shared<beast_ws::stream<tornado::IOStream&>>(*stream);
    ws->set_option(beast_ws::stream_base::timeout{settings_.first_line_time, settings_.idle, true});
    ws->read_message_max(settings_.message);
    co_await ws->async_accept(asio::buffer(first_line), asio::deferred);
    open.replace([ws, stream] {
        ws->async_close(beast_ws::close_code::going_away, [ws, stream](tornado::error_code) {});
    });
    for (boost::beast::flat_buffer message;; message.clear()) {
        co_await ws->async_read(message, asio::deferred);
        ws->text(ws->got_text());
        co_await ws->async_write(message.data(), asio::deferred);
    }
}

// On the TCPServer, in Tornado's own words.
asio::awaitable<void> App::status(tornado::IOStreamPtr stream) {
    for (;;) {
        co_await stream->read_until("\n", settings_.line);
        co_await stream->write("ticks " + std::to_string(ticks_) + ", connections " +
                               std::to_string(open_.size()) + "\n");
    }
}

} // namespace app
