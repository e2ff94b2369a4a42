// SPDX-License-Identifier: BSL-1.0
// The HTTP server: a TCPServer whose handle_stream is a coroutine, for HTTP and HTTPS alike.
#pragma once

#include "tornado/ioloop.hpp"
#include "tornado/tcpserver.hpp"

#include "session.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace demo {

class HttpServer : public tornado::TCPServer {
public:
    HttpServer(tornado::IOLoop& loop, std::shared_ptr<Site> site,
               tornado::TCPServerOptions options);

    asio::awaitable<void> handle_stream(tornado::IOStreamPtr stream,
                                        tornado::Address address) override;

private:
    std::shared_ptr<Site> site_;
};

/// The clock of a site: looks at its connections' deadlines, and makes the samples of the live view
/// from what its servers have done; what all of them and the loop have counted is the site's
/// metrics.
class Clock {
public:
    /// The loop must outlive the clock.
    Clock(tornado::IOLoop& loop, std::shared_ptr<Site> site);
    Clock(Clock const&) = delete;
    Clock& operator=(Clock const&) = delete;
    ~Clock();

    /// The server, and its name, must outlive the clock.
    void add(std::string_view name, tornado::TCPServer const& server) {
        servers_.emplace_back(name, &server);
    }

private:
    void tick();
    std::string metrics() const;

    tornado::IOLoop& loop_;
    std::shared_ptr<Site> site_;
    std::vector<std::pair<std::string_view, tornado::TCPServer const*>> servers_;
    tornado::PeriodicCallback ticks_;
};

/// Before the servers' shutdown(): ends the connections that wait for a request and those that
/// watch, and makes every other one end after its answer. With `spare_new`, one whose first request
/// has not come yet is among those: its client may have sent that already.
void drain(Site& site, bool spare_new);

} // namespace demo
