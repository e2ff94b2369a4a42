// SPDX-License-Identifier: BSL-1.0
// What systemd is told, and by whom it is believed to be alive.
#include "tornado/systemd.hpp"

#include "tornado/ioloop.hpp"
#include "tornado/netutil.hpp"
#include "tornado/testing.hpp"

#include "support/bounded_loop.hpp"
#include "support/descriptors.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

using namespace tornado;
using namespace std::chrono_literals;

namespace {

/// An environment variable, until the end of the scope.
class Variable {
public:
    Variable(char const* name, std::string const& value) : name_(name) {
        ::setenv(name, value.c_str(), 1);
    }
    Variable(Variable const&) = delete;
    Variable& operator=(Variable const&) = delete;
    ~Variable() { ::unsetenv(name_); }

private:
    char const* name_;
};

/// systemd's end: a datagram socket, which NOTIFY_SOCKET names.
class Manager {
public:
    explicit Manager(std::string const& name)
        : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)), name_(name) {
        sockaddr_un own{};
        own.sun_family = AF_UNIX;
        BOOST_TEST_REQUIRE(name.size() <= sizeof own.sun_path);
        std::memcpy(own.sun_path, name.data(), name.size());
        if (name[0] == '@')
            own.sun_path[0] = '\0';
        auto const size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        BOOST_TEST_REQUIRE(
            ::bind(socket_.native_handle(), reinterpret_cast<sockaddr*>(&own), size) == 0);
        variable_.emplace("NOTIFY_SOCKET", name);
    }
    ~Manager() { ::unlink(name_.c_str()); }

    int fd() const { return socket_.native_handle(); }
    /// The next message, within half a minute.
    std::string message() const {
        pollfd ready{fd(), POLLIN, 0};
        BOOST_TEST_REQUIRE(::poll(&ready, 1, 30'000) == 1);
        char text[512];
        auto const size = ::recv(fd(), text, sizeof text, 0);
        return {text, static_cast<std::size_t>(size)};
    }
    bool idle() const {
        pollfd ready{fd(), POLLIN, 0};
        return ::poll(&ready, 1, 0) == 0;
    }

private:
    detail::Descriptor socket_;
    std::string name_;
    std::optional<Variable> variable_;
};

std::string own_name(char kind) {
    std::string const name = "tornado-notify-" + std::to_string(::getpid());
    return kind == '@' ? "@" + name : "/tmp/" + name;
}

struct Fixture {
    error_code ec;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(netutil_systemd_notify, Fixture)

BOOST_AUTO_TEST_CASE(without_a_manager_nobody_is_told_and_nothing_is_wrong) {
    ec = asio::error::eof;
    BOOST_TEST(!sd_notify("READY=1", ec));
    BOOST_TEST(!ec);
    Variable const empty("NOTIFY_SOCKET", "");
    BOOST_TEST(!sd_notify("READY=1", ec));
    BOOST_TEST(!ec);
}

BOOST_AUTO_TEST_CASE(a_path_and_an_abstract_name_are_told) {
    auto const before = test::open_descriptors();
    // A path that leaves no room for a NUL, too.
    auto const long_name = own_name('/') + std::string(108 - own_name('/').size(), 'x');
    for (auto const& name : {own_name('/'), own_name('@'), long_name}) {
        Manager const manager(name);
        BOOST_TEST(sd_notify("READY=1\nMAINPID=7", ec));
        BOOST_TEST(!ec);
        BOOST_TEST(manager.message() == "READY=1\nMAINPID=7");
        BOOST_TEST(sd_notify(sd_status("one\nREADY=1")));
        BOOST_TEST(manager.message() == "STATUS=one READY=1");
    }
    BOOST_TEST(test::open_descriptors() == before);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_told_is_a_code_and_a_warning) {
    auto const code_of = [&](std::string const& socket) {
        Variable const variable("NOTIFY_SOCKET", socket);
        BOOST_TEST(!sd_notify("READY=1", ec));
        return ec;
    };
    BOOST_TEST(code_of("vsock:2:1") == asio::error::address_family_not_supported);
    BOOST_TEST(code_of("/" + std::string(108, 'x')) == asio::error::name_too_long);
    BOOST_TEST(code_of("/no/such/folder").value() == ENOENT);
    std::string stale;
    {
        Manager const manager(own_name('@'));
        stale = own_name('@');
    }
    BOOST_TEST(code_of(stale) == asio::error::connection_refused);
    CapturedLog const log;
    Variable const variable("NOTIFY_SOCKET", "/no/such/folder");
    BOOST_TEST(!sd_notify("STOPPING=1\nSTATUS=x"));
    BOOST_TEST(log.count("STOPPING=1 at NOTIFY_SOCKET /no/such/folder") == 1);
}

BOOST_AUTO_TEST_CASE(a_manager_that_does_not_read_blocks_for_a_second_at_most) {
    Manager const manager(own_name('@'));
    auto const start = std::chrono::steady_clock::now();
    int sent = 0;
    while (sent < 100'000 && sd_notify("STATUS=" + std::string(200, 'x'), ec))
        ++sent;
    BOOST_TEST(ec == asio::error::timed_out);
    BOOST_TEST(sent > 0);
    BOOST_TEST((std::chrono::steady_clock::now() - start < 20s));
}

BOOST_AUTO_TEST_CASE(a_reload_says_when_it_began) {
    auto const now = [] {
        timespec time{};
        ::clock_gettime(CLOCK_MONOTONIC, &time);
        return static_cast<long long>(time.tv_sec) * 1'000'000 + time.tv_nsec / 1000;
    };
    std::string const beginning = "RELOADING=1\nMONOTONIC_USEC=";
    auto const before = now();
    auto const text = sd_reloading();
    BOOST_TEST_REQUIRE(text.starts_with(beginning));
    auto const said = std::stoll(text.substr(beginning.size()));
    BOOST_TEST((before <= said && said <= now()));
}

BOOST_AUTO_TEST_CASE(the_watchdog_is_petted_from_the_loop_and_not_beside_it) {
    Manager const manager(own_name('@'));
    Variable const usec("WATCHDOG_USEC", "20000");
    Variable const pid("WATCHDOG_PID", std::to_string(::getpid()));
    IOLoop loop;
    {
        SystemdWatchdog const watchdog(loop);
        BOOST_TEST((watchdog.limit() == std::chrono::microseconds(20ms)));
        loop.add_handler(
            manager.fd(),
            [&, count = 0](int, unsigned) mutable {
                BOOST_TEST(manager.message() == "WATCHDOG=1");
                if (++count == 3)
                    loop.stop();
            },
            IOLoop::READ);
        test::run_bounded(loop);
        loop.remove_handler(manager.fd());
        while (!manager.idle())
            manager.message();
        ::usleep(100'000); // the loop does not turn
        BOOST_TEST(manager.idle());
    }
    auto const start = std::chrono::steady_clock::now();
    loop.call_later(100ms, [&] { loop.stop(); });
    test::run_bounded(loop);
    BOOST_TEST((std::chrono::steady_clock::now() - start >= 100ms));
    BOOST_TEST(manager.idle()); // it was destroyed
}

BOOST_AUTO_TEST_CASE(a_process_that_is_not_watched_pets_nothing) {
    Manager const manager(own_name('@'));
    IOLoop loop;
    BOOST_TEST(!SystemdWatchdog(loop).limit());
    Variable const usec("WATCHDOG_USEC", "1000");
    {
        Variable const pid("WATCHDOG_PID", std::to_string(::getpid() + 1));
        BOOST_TEST(!SystemdWatchdog(loop).limit());
    }
    Variable const pid("WATCHDOG_PID", "x");
    BOOST_CHECK_THROW(SystemdWatchdog{loop}, std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(a_watchdog_may_outlive_its_context) {
    Variable const usec("WATCHDOG_USEC", "1000000");
    std::optional<asio::io_context> context(std::in_place);
    auto loop = std::make_unique<IOLoop>(*context, false);
    auto watchdog = std::make_unique<SystemdWatchdog>(*loop);
    context.reset();
    loop.reset();
    BOOST_TEST(watchdog->limit().has_value());
    watchdog.reset();
}

BOOST_AUTO_TEST_SUITE_END()
