// SPDX-License-Identifier: BSL-1.0
// For the tests of those who use the library: ports, streams, faults, log lines and an end to
// waiting. Optional: no other header includes it, and it goes with any test framework.
#pragma once

#include "tornado/detail/export.hpp"
#include "tornado/ioloop.hpp"
#include "tornado/iostream.hpp"
#include "tornado/log.hpp"
#include "tornado/netutil.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tornado {

namespace detail {
class Faults;
}

/// A listening socket on a port that nobody else has, and the port: no test needs a fixed number.
/// `address`: an IP address. Throws system_error. Tornado: testing.bind_unused_port.
///
///     auto [socket, port] = bind_unused_port();
///     server.add_socket(std::move(socket));
TORNADO_ASIO_EXPORT std::pair<ListenSocket, std::uint16_t>
bind_unused_port(std::string const& address = "127.0.0.1");

/// A loop for one test, current on its thread, and an end to waiting. Tornado:
/// testing.AsyncTestCase.
///
///     BOOST_FIXTURE_TEST_CASE(echoes, tornado::LoopFixture) {
///         EchoServer server(loop);
///         run([&]() -> asio::awaitable<void> { ... });
///     }
struct TORNADO_ASIO_EXPORT LoopFixture {
    /// `limit`: what run() waits at most; the seconds of the environment's ASYNC_TEST_TIMEOUT if
    /// that is set, 5 otherwise, as in Tornado.
    LoopFixture();
    /// The same, with a limit of one's own.
    explicit LoopFixture(IOLoop::clock::duration limit);
    ~LoopFixture();

    /// IOLoop::run_sync with the limit: runs the loop until `f`, which may be a coroutine, has
    /// ended, and gives its result or throws its exception. Throws system_error(timed_out) when
    /// the limit is over.
    template <class F>
    auto run(F&& f) {
        return loop.run_sync(std::forward<F>(f), limit);
    }

    /// Current on its thread.
    IOLoop loop;
    /// What run() waits at most.
    IOLoop::clock::duration limit;
};

/// Two streams that are connected with each other, by TCP on the loopback interface. The first one
/// is the client's. On IOLoop::current() or `executor`. Throws system_error.
TORNADO_ASIO_EXPORT std::pair<IOStreamPtr, IOStreamPtr>
stream_pair(StreamOptions const& options = {});
/// The same on `executor`.
TORNADO_ASIO_EXPORT std::pair<IOStreamPtr, IOStreamPtr>
stream_pair(asio::any_io_executor const& executor, StreamOptions const& options = {});

/// A stream under test, `near`, that has a hard life on command, and its peer, `far`. The faults
/// are in what carries near's bytes, so that it meets them where it would meet the network's: give
/// near to your handle_stream() and play the peer with far. They may be combined, set and lifted at
/// any moment on the loop's thread, and do nothing any more when near is closed.
///
///     FaultyPair pair;
///     pair.short_reads(1);
///     auto const serving = server.handle_stream(pair.near, Address());
class TORNADO_ASIO_EXPORT FaultyPair {
public:
    /// For short_reads() and short_writes(): lifts the fault.
    static constexpr std::size_t no_limit = static_cast<std::size_t>(-1);

    /// On IOLoop::current(), both with `options`. Throws system_error.
    explicit FaultyPair(StreamOptions const& options = {});
    /// The same on `executor`.
    explicit FaultyPair(asio::any_io_executor const& executor, StreamOptions const& options = {});
    ~FaultyPair();

    /// Near receives at most `bytes` in one turn of the loop. Throws std::invalid_argument for 0.
    void short_reads(std::size_t bytes);
    /// Near sends at most `bytes` in one turn of the loop. Throws std::invalid_argument for 0.
    void short_writes(std::size_t bytes);
    /// Each turn in which near receives or sends comes so much later; 0 lifts it.
    void slow(std::chrono::steady_clock::duration delay);
    /// Near receives nothing, not even the peer's end, until resume_reads().
    void stall_reads();
    /// Near receives again.
    void resume_reads();
    /// Near sends nothing, as beside a peer that does not read, until resume_writes().
    void stall_writes();
    /// Near sends again.
    void resume_writes();
    /// The peer's host resets the connection: far closes, and what is under way in either
    /// direction is lost.
    void reset();

    IOStreamPtr near; ///< under test
    IOStreamPtr far;  ///< its peer

private:
    std::shared_ptr<detail::Faults> faults_;
};

/// While it lives, lines of the log that match are expected and go nowhere; all others go where
/// they went. At its end at least one must have come. Tornado: testing.ExpectLog.
///
///     {
///         ExpectLog const expected(Logger::application, "Error in connection callback");
///         run(...);
///     }                                                  // throws if there was no such line
///
/// Several may live at a time; the last one is asked first, and ends first. Thread-safe as the log
/// is, but set_log_sink() is not to be called meanwhile.
class TORNADO_ASIO_EXPORT ExpectLog {
public:
    /// What is expected, and who is told that it has not come.
    struct Options {
        /// False: the line may come, and need not.
        bool required = true;
        /// Only lines of this level match; lines of this level are logged meanwhile, if they were
        /// not.
        std::optional<LogLevel> level = {};
        /// Is told what is wrong, instead of an exception: `[](auto& text) { BOOST_ERROR(text); }`.
        std::function<void(std::string const&)> failed = {};
    };

    /// `expression`: a regular expression in Perl's syntax, for the beginning of a line's message.
    /// Throws std::invalid_argument if it is none.
    ExpectLog(Logger logger, std::string const& expression);
    /// The same, as the options say.
    ExpectLog(Logger logger, std::string const& expression, Options options);
    ExpectLog(ExpectLog const&) = delete;
    ExpectLog& operator=(ExpectLog const&) = delete;
    /// Throws std::logic_error, which names the expression, if no line has come; not when another
    /// exception is ending the scope.
    ~ExpectLog() noexcept(false);

    /// Lines that have matched until now.
    std::size_t count() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

/// While it lives, every line of the log comes here and goes nowhere else: for a test that looks at
/// all of them, or that there are none. Several may live at a time, and with ExpectLogs: the last
/// one has the lines, and ends first. Thread-safe as the log is, but set_log_sink() is not to be
/// called meanwhile. Python: unittest's assertLogs.
///
///     CapturedLog const log;
///     run(...);
///     BOOST_TEST(log.lines().empty());
class TORNADO_ASIO_EXPORT CapturedLog {
public:
    /// From now on.
    CapturedLog();
    CapturedLog(CapturedLog const&) = delete;
    CapturedLog& operator=(CapturedLog const&) = delete;
    ~CapturedLog();

    /// The messages until now, in order.
    std::vector<std::string> lines() const;
    /// How many of them contain `text`.
    std::ptrdiff_t count(std::string_view text) const;

private:
    struct Impl;
    std::unique_ptr<Impl> const impl_;
};

} // namespace tornado
