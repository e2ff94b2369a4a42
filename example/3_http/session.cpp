// SPDX-License-Identifier: BSL-1.0
// The coroutine only moves bytes; what they mean is decided by the plain functions around it.
#include "session.hpp"

#include "access_log.hpp"
#include "response.hpp"
#include "target.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

namespace demo {
namespace {

// Answers are collected up to this; what is larger is sent by itself.
constexpr std::size_t piece = 64 * 1024;
// How long a peer may take to see the end of a connection that closes.
constexpr auto linger = std::chrono::seconds(5);

constexpr std::string_view allow_get = "Allow: GET, HEAD, OPTIONS\r\n";
constexpr std::string_view allow_post = "Allow: POST, OPTIONS\r\n";
constexpr std::string_view allow_all = "Allow: GET, HEAD, POST, OPTIONS\r\n";

} // namespace

Session::Session(std::shared_ptr<Site> site, tornado::IOStreamPtr stream,
                 tornado::Address const& peer)
    : site_(std::move(site)),
      stream_(std::move(stream)),
      peer_(peer.is_unix() ? peer.to_string() : peer.ip()),
      is_local_(!stream_->proxy_header() &&
                (peer.is_unix() || peer.tcp_endpoint().address().is_loopback())),
      position_(site_->sessions.insert(site_->sessions.end(), this)),
      reader_(site_->sizes) {}

Session::~Session() {
    site_->sessions.erase(position_);
}

asio::awaitable<void> Session::serve() {
    for (;;) {
        wait_for_peer();
        co_await stream_->fill();
        waiting_ = false;
        arrived_ = clock::now();
        for (auto next = Next::answer; next != Next::read;) {
            auto& out = site_->out;
            out.clear();
            reader_.show(stream_->buffered());
            next = answer(out);
            stream_->consume(reader_.taken());
            if (!out.empty())
                co_await stream_->write(std::string_view(out));
            switch (next) {
            case Next::read:
            case Next::answer:
                continue;
            case Next::send_body:
                co_await stream_->write(std::move(reader_.request().body));
                next = finish();
                break;
            case Next::send_file:
                co_await stream_->send_file(file_->descriptor(), part_.first, part_.length);
                file_.reset();
                next = finish();
                break;
            case Next::watch:
                co_return co_await watch();
            case Next::close:
                break;
            }
            if (next == Next::close) {
                stream_->close_after_flush(linger);
                co_return;
            }
        }
    }
}

void Session::check_time(clock::time_point now) {
    if (!waiting_ || now < deadline_)
        return;
    waiting_ = false;
    if (reader_.idle())
        return stream_->close();
    std::string out;
    reader_.request().keep_alive = false;
    status(out, http::status::request_timeout);
    stream_->write(std::move(out));
    stream_->close_after_flush(linger);
}

void Session::drain(bool spare_new) {
    bool const is_new = stream_->bytes_read() == 0;
    if (waiting_ && reader_.idle() && !(is_new && spare_new))
        stream_->close();
}

// A deadline stands until its phase is over, however often the peer sends a byte.
void Session::wait_for_peer() {
    auto const phase = reader_.in_body() ? Phase::body
                       : !reader_.idle() ? Phase::head
                                         : Phase::idle;
    waiting_ = true;
    if (std::exchange(phase_, phase) == phase)
        return;
    auto const& times = site_->times;
    deadline_ = clock::now() + (phase == Phase::body   ? times.body
                                : phase == Phase::head ? times.head
                                                       : times.idle);
}

// Answers all requests that are here, until an answer needs more than `out`.
Session::Next Session::answer(std::string& out) {
    while (out.size() < piece) {
        auto next = Next::answer;
        switch (reader_.advance()) {
        case RequestReader::Event::none:
            return Next::read;
        case RequestReader::Event::head:
            next = begin(out);
            break;
        case RequestReader::Event::complete:
            next = respond(out);
            break;
        case RequestReader::Event::failed:
            next = status(out, reader_.failure());
            break;
        }
        if (next != Next::answer)
            return next;
    }
    return Next::answer;
}

// The head is known: refuses what need not wait for the body, and asks for the body.
Session::Next Session::begin(std::string& out) {
    auto& request = reader_.request();
    bool const for_echo = request.path == "/echo";
    auto refusal = http::status::ok;
    std::string_view fields;
    switch (request.method) {
    case http::verb::unknown:
        refusal = http::status::not_implemented;
        break;
    case http::verb::get:
    case http::verb::head:
        if (for_echo) {
            refusal = http::status::method_not_allowed;
            fields = allow_post;
        }
        break;
    case http::verb::post:
        if (!for_echo) {
            refusal = http::status::method_not_allowed;
            fields = allow_get;
        } else if (!request.has_length) {
            refusal = http::status::length_required;
        }
        break;
    case http::verb::options:
        break;
    default:
        refusal = http::status::method_not_allowed;
        fields = for_echo ? allow_post : allow_get;
        break;
    }
    if (refusal != http::status::ok) {
        if (reader_.in_body())
            request.keep_alive = false; // the body is not worth reading
        return status(out, refusal, fields);
    }
    if (reader_.in_body() && request.expects_continue)
        out += "HTTP/1.1 100 Continue\r\n\r\n";
    return Next::answer;
}

Session::Next Session::respond(std::string& out) {
    auto& request = reader_.request();
    if (site_->draining)
        request.keep_alive = false;
    status_ = http::status::ok;
    if (request.method == http::verb::options) {
        status_ = http::status::no_content;
        ResponseHead head(out, request, status_);
        out += request.path == "*" ? allow_all : request.path == "/echo" ? allow_post : allow_get;
        head.end();
        return finish();
    }
    if (request.path == "/healthz") {
        ResponseHead(out, request, status_)
            .field("Content-Type", "text/plain; charset=utf-8")
            .field("Cache-Control", "no-store")
            .end(3);
        if (request.method != http::verb::head)
            out += "ok\n";
        return finish();
    }
    if (request.path == "/echo") {
        ResponseHead(out, request, status_)
            .field("Content-Type", "application/octet-stream")
            .end(request.body.size());
        if (request.body.size() > piece)
            return Next::send_body;
        out += request.body;
        return finish();
    }
    if (request.path == "/events") {
        request.keep_alive = false; // the answer ends with the connection
        ResponseHead(out, request, status_)
            .field("Content-Type", "text/event-stream")
            .field("Cache-Control", "no-store")
            .end();
        if (site_->draining || request.method == http::verb::head)
            return finish();
        finish();
        return Next::watch;
    }
    if (request.path == "/metrics" && may_see_metrics()) {
        auto const text = site_->metrics();
        ResponseHead(out, request, status_)
            .field("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            .field("Cache-Control", "no-store")
            .end(text.size());
        if (request.method != http::verb::head)
            out += text;
        return finish();
    }
    if (auto const name = file_name(request.path))
        return respond_with_file(out, *name);
    return status(out, http::status::not_found);
}

Session::Next Session::respond_with_file(std::string& out, std::string const& name) {
    auto const& request = reader_.request();
    std::optional<File> file;
    try {
        file = site_->files.open(name);
    } catch (std::system_error const&) {
        return status(out, http::status::service_unavailable, "Retry-After: 1\r\n");
    }
    if (!file)
        return status(out, http::status::not_found);

    auto const& validators = file->validators();
    auto const precondition = evaluate(request.conditions, validators);
    if (precondition == Precondition::failed)
        return status(out, http::status::precondition_failed);
    std::optional<Range> part = Range{0, file->size()};
    if (request.method == http::verb::get && precondition == Precondition::holds)
        part = select_range(request.conditions, validators, file->size());
    if (!part)
        return status(out, http::status::range_not_satisfiable,
                      "Content-Range: bytes */" + std::to_string(file->size()) + "\r\n");

    status_ = precondition == Precondition::not_modified ? http::status::not_modified
              : part->length != file->size()             ? http::status::partial_content
                                                         : http::status::ok;
    ResponseHead head(out, request, status_);
    head.field("ETag", validators.etag)
        .last_modified(validators.modified)
        .field("Cache-Control", "no-cache")
        .field("Accept-Ranges", "bytes");
    if (status_ == http::status::not_modified) {
        head.end();
        return finish();
    }
    head.field("Content-Type", content_type(name)).field("X-Content-Type-Options", "nosniff");
    if (status_ == http::status::partial_content)
        head.field("Content-Range", "bytes " + std::to_string(part->first) + "-" +
                                        std::to_string(part->first + part->length - 1) + "/" +
                                        std::to_string(file->size()));
    head.end(part->length);
    if (request.method == http::verb::head)
        return finish();
    if (part->length > piece) {
        file_.emplace(std::move(*file));
        part_ = *part;
        return Next::send_file;
    }
    if (!file->read(part->first, static_cast<std::size_t>(part->length), out))
        reader_.request().keep_alive = false; // the file shrank: only the close can say so
    return finish();
}

bool Session::may_see_metrics() const {
    return site_->metrics && (is_local_ || site_->public_metrics);
}

Session::Next Session::status(std::string& out, http::status status, std::string_view fields) {
    status_ = status;
    append_status(out, reader_.request(), status, fields);
    return finish();
}

// The request at hand is answered.
Session::Next Session::finish() {
    auto const& request = reader_.request();
    auto const took = clock::now() - arrived_;
    site_->live.count(took);
    if (site_->logs_access)
        log_access(status_, request, peer_, took);
    bool const keep_alive = request.keep_alive && !site_->draining;
    reader_.next();
    phase_ = Phase::nothing;
    return keep_alive ? Next::answer : Next::close;
}

asio::awaitable<void> Session::watch() {
    Live::Watcher const watcher(site_->live, *stream_);
    for (;;) // until the peer goes
        stream_->consume(co_await stream_->fill());
}

} // namespace demo
