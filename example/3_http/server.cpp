// SPDX-License-Identifier: BSL-1.0
// One clock for all connections: a deadline costs a request nothing.
#include "server.hpp"

#include "metrics.hpp"

#include <chrono>
#include <utility>

namespace demo {
namespace {

// How often deadlines are looked at, and a sample is made for the live view.
constexpr auto tick_period = std::chrono::milliseconds(500);

// Holds the site, not the server, which may go first.
asio::awaitable<void> serve(std::shared_ptr<Site> site, tornado::IOStreamPtr stream,
                            tornado::Address address) {
    Session session(std::move(site), std::move(stream), address);
    co_await session.serve();
}

} // namespace

HttpServer::HttpServer(tornado::IOLoop& loop, std::shared_ptr<Site> site,
                       tornado::TCPServerOptions options)
    : TCPServer(loop, std::move(options)), site_(std::move(site)) {}

asio::awaitable<void> HttpServer::handle_stream(tornado::IOStreamPtr stream,
                                                tornado::Address address) {
    return serve(site_, std::move(stream), std::move(address));
}

Clock::Clock(tornado::IOLoop& loop, std::shared_ptr<Site> site)
    : loop_(loop), site_(std::move(site)), ticks_([this] { tick(); }, tick_period) {
    site_->metrics = [this] { return metrics(); };
    ticks_.start();
}

Clock::~Clock() {
    site_->metrics = nullptr;
}

std::string Clock::metrics() const {
    Figures figures;
    for (auto const& [name, server] : servers_)
        figures.servers.push_back({name, server->stats()});
    figures.loop = loop_.stats();
    figures.requests = site_->live.requests();
    return prometheus_text(figures);
}

void Clock::tick() {
    auto const now = Session::clock::now();
    for (auto* const session : site_->sessions)
        session->check_time(now);
    tornado::TCPServerStats total;
    for (auto const& [name, server] : servers_) {
        auto const stats = server->stats();
        total.active += stats.active;
        total.accepted += stats.accepted;
        total.bytes_in += stats.bytes_in;
        total.bytes_out += stats.bytes_out;
    }
    site_->live.sample(total);
}

void drain(Site& site, bool spare_new) {
    site.draining = true;
    for (auto* const session : site.sessions)
        session->drain(spare_new);
    site.live.end();
}

} // namespace demo
