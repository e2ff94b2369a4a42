// SPDX-License-Identifier: BSL-1.0
#include "tornado/testing.hpp"

#include "iostream/stream_core.hpp"
#include "log_sink.hpp"
#include "testing/faults.hpp"
#include "transport/socket.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/regex.hpp>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <sys/socket.h>

namespace tornado {
namespace {

using TcpSocket = asio::ip::tcp::socket;

std::pair<TcpSocket, TcpSocket> tcp_pair(asio::any_io_executor const& executor) {
    asio::ip::tcp::acceptor acceptor(executor, {asio::ip::address_v4::loopback(), 0});
    TcpSocket client(executor);
    client.connect(acceptor.local_endpoint());
    return {std::move(client), acceptor.accept()};
}

IOLoop::clock::duration limit_of_a_test() {
    if (char const* const seconds = std::getenv("ASYNC_TEST_TIMEOUT"))
        if (double const value = std::atof(seconds); value > 0)
            return detail::to_duration(std::chrono::duration<double>(value));
    return std::chrono::seconds(5);
}

class FaultyStream final : public IOStream {
public:
    FaultyStream(TcpSocket socket, std::shared_ptr<detail::Faults> faults,
                 StreamOptions const& options)
        : IOStream(std::make_shared<detail::StreamCore>(
              std::make_unique<detail::FaultyTransport>(
                  detail::make_socket_transport(std::move(socket)), std::move(faults)),
              options)) {}
};

} // namespace

std::pair<ListenSocket, std::uint16_t> bind_unused_port(std::string const& address) {
    auto sockets = bind_sockets(0, address);
    auto const port = sockets.front().local_address().port();
    return {std::move(sockets.front()), port};
}

// ---- The loop

LoopFixture::LoopFixture() : LoopFixture(limit_of_a_test()) {}
LoopFixture::LoopFixture(IOLoop::clock::duration most) : limit(most) {}
LoopFixture::~LoopFixture() = default;

// ---- Streams

std::pair<IOStreamPtr, IOStreamPtr> stream_pair(StreamOptions const& options) {
    return stream_pair(IOLoop::current().get_executor(), options);
}

std::pair<IOStreamPtr, IOStreamPtr> stream_pair(asio::any_io_executor const& executor,
                                                StreamOptions const& options) {
    auto [client, server] = tcp_pair(executor);
    return {std::make_shared<IOStream>(std::move(client), options),
            std::make_shared<IOStream>(std::move(server), options)};
}

FaultyPair::FaultyPair(StreamOptions const& options)
    : FaultyPair(IOLoop::current().get_executor(), options) {}

FaultyPair::FaultyPair(asio::any_io_executor const& executor, StreamOptions const& options)
    : faults_(std::make_shared<detail::Faults>()) {
    auto [a, b] = tcp_pair(executor);
    near = std::make_shared<FaultyStream>(std::move(a), faults_, options);
    far = std::make_shared<IOStream>(std::move(b), options);
}

FaultyPair::~FaultyPair() = default;

void FaultyPair::short_reads(std::size_t bytes) {
    if (bytes == 0)
        throw std::invalid_argument("FaultyPair: short_reads(0) would never end: stall_reads()");
    faults_->of(detail::Direction::read).limit = bytes;
}

void FaultyPair::short_writes(std::size_t bytes) {
    if (bytes == 0)
        throw std::invalid_argument("FaultyPair: short_writes(0) would never end: stall_writes()");
    faults_->of(detail::Direction::write).limit = bytes;
}

void FaultyPair::slow(std::chrono::steady_clock::duration delay) {
    faults_->delay = delay;
}

void FaultyPair::stall_reads() {
    faults_->of(detail::Direction::read).stalls = true;
}
void FaultyPair::resume_reads() {
    faults_->resume(detail::Direction::read);
}
void FaultyPair::stall_writes() {
    faults_->of(detail::Direction::write).stalls = true;
}
void FaultyPair::resume_writes() {
    faults_->resume(detail::Direction::write);
}

void FaultyPair::reset() {
    linger const at_once{1, 0}; // socket(7)
    ::setsockopt(far->native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    far->close();
}

// ---- The log

struct ExpectLog::Impl {
    Logger logger;
    std::string text;
    boost::regex expression;
    Options options;
    int exceptions = std::uncaught_exceptions();
    std::function<void(LogRecord const&)> before = {};
    std::optional<LogLevel> level_before = {};
    std::atomic<std::size_t> matched = 0;

    void operator()(LogRecord const& record) {
        auto const message = record.message;
        if (record.logger == logger && (!options.level || record.level == *options.level) &&
            boost::regex_search(message.data(), message.data() + message.size(), expression,
                                boost::match_continuous))
            ++matched;
        else if (before)
            before(record);
        else
            detail::to_standard_error(record);
    }
};

ExpectLog::ExpectLog(Logger logger, std::string const& expression)
    : ExpectLog(logger, expression, Options()) {}

ExpectLog::ExpectLog(Logger logger, std::string const& expression, Options options) {
    try {
        impl_.reset(new Impl{logger, expression, boost::regex(expression), std::move(options)});
    } catch (boost::regex_error const& e) {
        throw std::invalid_argument("ExpectLog: \"" + expression +
                                    "\" is no regular expression: " + e.what());
    }
    auto& impl = *impl_;
    impl.before = detail::exchange_log_sink({});
    detail::exchange_log_sink([shared = impl_](LogRecord const& record) { (*shared)(record); });
    if (impl.options.level) {
        impl.level_before = detail::exchange_log_level(*impl.options.level);
        if (*impl.level_before < *impl.options.level)
            detail::exchange_log_level(*impl.level_before);
    }
}

ExpectLog::~ExpectLog() noexcept(false) {
    auto& impl = *impl_;
    detail::exchange_log_sink(impl.before);
    if (impl.level_before)
        detail::exchange_log_level(*impl.level_before);
    if (!impl.options.required || impl.matched != 0)
        return;
    auto const text = "ExpectLog: no line of " + std::string(logger_name(impl.logger)) +
                      " began with \"" + impl.text + "\": look at what was logged instead";
    if (impl.options.failed)
        impl.options.failed(text);
    else if (std::uncaught_exceptions() <= impl.exceptions)
        throw std::logic_error(text);
}

std::size_t ExpectLog::count() const {
    return impl_->matched;
}

struct CapturedLog::Impl {
    std::function<void(LogRecord const&)> before = {};
    std::mutex mutex = {};
    std::vector<std::string> lines = {};
};

CapturedLog::CapturedLog() : impl_(std::make_unique<Impl>()) {
    impl_->before = detail::exchange_log_sink([impl = impl_.get()](LogRecord const& record) {
        std::lock_guard const lock(impl->mutex);
        impl->lines.emplace_back(record.message);
    });
}

CapturedLog::~CapturedLog() {
    detail::exchange_log_sink(impl_->before);
}

std::vector<std::string> CapturedLog::lines() const {
    std::lock_guard const lock(impl_->mutex);
    return impl_->lines;
}

std::ptrdiff_t CapturedLog::count(std::string_view text) const {
    auto const all = lines();
    return std::count_if(all.begin(), all.end(),
                         [&](std::string const& line) { return line.find(text) != line.npos; });
}

} // namespace tornado
