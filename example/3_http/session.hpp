// SPDX-License-Identifier: BSL-1.0
// One connection: its requests are read and answered in order, each batch in one write.
#pragma once

#include "tornado/iostream.hpp"

#include "live.hpp"
#include "request_reader.hpp"
#include "static_files.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

namespace demo {

namespace asio = boost::asio;

/// What a connection's peer may take its time for.
struct TimeLimits {
    std::chrono::milliseconds head = std::chrono::seconds(10); // from its first byte
    std::chrono::milliseconds body = std::chrono::seconds(30); // from the head's end
    std::chrono::milliseconds idle = std::chrono::seconds(60); // between requests
};

class Session;

/// What the connections share; it lives as long as any of them.
struct Site {
    Site(RequestReader::Limits size_limits, TimeLimits time_limits, std::string const& root,
         bool access_log)
        : sizes(size_limits), times(time_limits), files(root), logs_access(access_log) {}

    RequestReader::Limits sizes;
    TimeLimits times;
    StaticFiles files;
    bool logs_access;
    bool public_metrics = false;          // /metrics is for everybody, not this machine alone
    std::function<std::string()> metrics; // null while there are no servers
    bool draining = false;                // each connection ends after its next answer
    Live live;
    std::list<Session*> sessions;
    std::string out; // what the session at work writes; no one's across a co_await
};

class Session {
public:
    using clock = std::chrono::steady_clock;

    Session(std::shared_ptr<Site> site, tornado::IOStreamPtr stream, tornado::Address const& peer);
    Session(Session const&) = delete;
    Session& operator=(Session const&) = delete;
    ~Session();

    /// Returns when the last answer is under way; throws when the stream ends.
    asio::awaitable<void> serve();

    /// Closes the connection if its peer has taken too long: silently between requests, with 408
    /// within one.
    void check_time(clock::time_point now);
    /// Ends the connection, now or after the answer that is under way.
    void drain(bool spare_new);

private:
    // What the peer is waited for.
    enum class Phase { nothing, idle, head, body };
    // What is to be done after a batch has been written.
    enum class Next { read, answer, send_body, send_file, watch, close };

    void wait_for_peer();
    Next answer(std::string& out);
    Next begin(std::string& out);
    Next respond(std::string& out);
    Next respond_with_file(std::string& out, std::string const& name);
    bool may_see_metrics() const;
    Next status(std::string& out, http::status status, std::string_view fields = {});
    Next finish();
    asio::awaitable<void> watch();

    std::shared_ptr<Site> site_;
    tornado::IOStreamPtr stream_;
    std::string peer_;
    bool is_local_; // of this machine, and not through a balancer
    std::list<Session*>::iterator position_;
    RequestReader reader_;

    Phase phase_ = Phase::nothing;
    bool waiting_ = false; // for the peer, until deadline_
    clock::time_point deadline_;
    clock::time_point arrived_;              // when the bytes at hand were received
    http::status status_ = http::status::ok; // that was answered
    std::optional<File> file_;               // of which part_ is to be sent
    Range part_;
};

} // namespace demo
