// SPDX-License-Identifier: BSL-1.0
// Sinks, levels, the line format, and the text of exceptions.
#include "tornado/log.hpp"

#include "tornado/error.hpp"
#include "tornado/testing.hpp"

#include "support/processes.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

using namespace tornado;

namespace {

/// What is written to standard error while it lives.
class StandardError {
public:
    StandardError() : file_(std::tmpfile()), former_(::dup(STDERR_FILENO)) {
        ::dup2(::fileno(file_), STDERR_FILENO);
    }
    StandardError(StandardError const&) = delete;
    StandardError& operator=(StandardError const&) = delete;
    ~StandardError() {
        ::dup2(former_, STDERR_FILENO);
        ::close(former_);
        std::fclose(file_);
    }

    std::string text() const {
        std::array<char, 1024> buffer{};
        auto const n = ::pread(::fileno(file_), buffer.data(), buffer.size(), 0);
        return {buffer.data(), static_cast<std::size_t>(n)};
    }

private:
    std::FILE* file_;
    int former_;
};

std::string described(auto const& exception) {
    return describe(std::make_exception_ptr(exception));
}

} // namespace

BOOST_AUTO_TEST_SUITE(logs)

BOOST_AUTO_TEST_CASE(the_default_is_tornados_line_on_standard_error) {
    std::string written;
    {
        StandardError const standard_error;
        log(Logger::access, LogLevel::info, "200 GET /");
        log(Logger::general, LogLevel::debug, "below the default level");
        log(Logger::application, LogLevel::error, "broken");
        written = standard_error.text();
    }
    std::replace_if(
        written.begin(), written.end(), [](char c) { return c >= '0' && c <= '9'; }, '9');
    BOOST_TEST(written == "[I 999999 99:99:99 tornado.access] 999 GET /\n"
                          "[E 999999 99:99:99 tornado.application] broken\n");
}

BOOST_AUTO_TEST_CASE(a_reader_of_standard_error_that_has_gone_is_no_signal) {
    std::array<int, 2> ends{};
    BOOST_TEST_REQUIRE(::pipe(ends.data()) == 0);
    auto const former = ::dup(STDERR_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
    ::close(ends[0]);
    static std::atomic<int> signals;
    signals = 0;
    struct sigaction count {};
    count.sa_handler = [](int) { ++signals; };
    struct sigaction before {};
    ::sigaction(SIGPIPE, &count, &before);

    log(Logger::general, LogLevel::error, "to nobody");
    BOOST_TEST(signals == 0);
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    BOOST_TEST(!::sigismember(&mask, SIGPIPE)); // and it is as it was

    // One that waits already is not ours to take.
    sigset_t pipe_signal;
    ::sigemptyset(&pipe_signal);
    ::sigaddset(&pipe_signal, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);
    ::raise(SIGPIPE);
    log(Logger::general, LogLevel::error, "to nobody");
    BOOST_TEST(signals == 0);
    ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    BOOST_TEST(signals == 1);

    ::sigaction(SIGPIPE, &before, nullptr);
    ::dup2(former, STDERR_FILENO);
    ::close(former);
}

BOOST_AUTO_TEST_CASE(a_line_of_a_job_in_the_background_does_not_stop_it) {
    test::Forked session([] {
        ::setsid();
        int const master = ::posix_openpt(O_RDWR | O_NOCTTY);
        if (::grantpt(master) != 0 || ::unlockpt(master) != 0)
            return 2;
        int const terminal = ::open(::ptsname(master), O_RDWR); // this session's now
        termios modes{};
        ::tcgetattr(terminal, &modes);
        modes.c_lflag |= TOSTOP;
        ::tcsetattr(terminal, TCSANOW, &modes);
        ::dup2(terminal, STDERR_FILENO);
        auto const job = ::fork();
        if (job == 0) {
            ::setpgid(0, 0);
            log(Logger::general, LogLevel::error, "from the background");
            std::_Exit(0);
        }
        int status = 0;
        ::waitpid(job, &status, WUNTRACED);
        bool const stopped = WIFSTOPPED(status);
        if (stopped)
            ::kill(job, SIGKILL);
        return stopped ? 1 : 0;
    });
    BOOST_TEST(session.wait() == 0);
}

BOOST_AUTO_TEST_CASE(a_sink_receives_the_whole_record) {
    std::string seen;
    set_log_sink([&](LogRecord const& record) {
        BOOST_TEST((record.level == LogLevel::warning));
        BOOST_TEST((record.logger == Logger::general));
        BOOST_TEST((record.time <= std::chrono::system_clock::now()));
        seen = record.message;
    });
    log(Logger::general, LogLevel::warning, "look");
    set_log_sink({});
    BOOST_TEST(seen == "look");
}

BOOST_AUTO_TEST_CASE(the_level_decides_what_is_logged) {
    CapturedLog const captured;
    set_log_level(LogLevel::debug);
    log(Logger::general, LogLevel::debug, "one");
    set_log_level(LogLevel::error);
    log(Logger::general, LogLevel::warning, "two");
    set_log_level(LogLevel::info);
    log(Logger::general, LogLevel::info, "three");
    BOOST_TEST((captured.lines() == std::vector<std::string>{"one", "three"}));
}

BOOST_AUTO_TEST_CASE(a_sink_that_throws_or_logs_loses_only_a_line) {
    int calls = 0;
    set_log_sink([&](LogRecord const&) {
        ++calls;
        log(Logger::general, LogLevel::error, "from inside");
        throw std::runtime_error("sink");
    });
    log(Logger::general, LogLevel::error, "one");
    log(Logger::general, LogLevel::error, "two");
    set_log_sink({});
    BOOST_TEST(calls == 2);
}

BOOST_AUTO_TEST_CASE(an_exception_is_described_by_type_and_text) {
    BOOST_TEST(described(std::runtime_error("no luck")) == "std::runtime_error: no luck");
    BOOST_TEST(described(7) == "int");
    auto const code = described(system_error(asio::error::eof, "read"));
    BOOST_TEST(code.find("system_error: read: End of file") != std::string::npos, code);
}

BOOST_AUTO_TEST_CASE(of_several_exceptions_the_first_is_described) {
    auto const first = std::make_exception_ptr(std::runtime_error("no luck"));
    asio::multiple_exceptions const several(first);
    BOOST_TEST(described(several) == "boost::asio::multiple_exceptions: the first is "
                                     "std::runtime_error: no luck");
    BOOST_TEST(described(asio::multiple_exceptions(std::make_exception_ptr(several))) ==
               "boost::asio::multiple_exceptions: the first is boost::asio::multiple_exceptions: "
               "the first is std::runtime_error: no luck");
}

BOOST_AUTO_TEST_SUITE_END()
