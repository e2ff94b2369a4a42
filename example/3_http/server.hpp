// SPDX-License-Identifier: BSL-1.0
// The HTTP server: a TCPServer whose handle_stream is a coroutine.
#pragma once

#include "tornado/ioloop.hpp"
#include "tornado/tcpserver.hpp"

#include "session.hpp"

#include <memory>

namespace demo {

class HttpServer : public tornado::TCPServer {
public:
    HttpServer(tornado::IOLoop& loop, std::shared_ptr<Site> site,
               tornado::TCPServerOptions options);

    asio::awaitable<void> handle_stream(tornado::IOStreamPtr stream,
                                        tornado::Address address) override;

    /// Before shutdown(): ends the connections that wait for a request and those that watch, and
    /// makes every other one end after its answer.
    void drain();

private:
    void tick();

    std::shared_ptr<Site> site_;
    tornado::PeriodicCallback ticks_;
};

} // namespace demo
