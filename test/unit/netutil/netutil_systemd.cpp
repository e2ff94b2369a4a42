// SPDX-License-Identifier: BSL-1.0
// Socket activation: sockets that are passed, and variables that lie.
#include "tornado/netutil.hpp"

#include "tornado/testing.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace tornado;

namespace {

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

/// The exit code of `child`, run in a process of its own that has `descriptors` as 3 and up, and
/// none beside them.
int with_passed(std::vector<int> const& descriptors, std::function<int()> const& child) {
    std::fflush(nullptr); // or the child's copy may come out too
    pid_t const pid = ::fork();
    if (pid == 0) {
        ::alarm(30);
        int const high = 100; // out of the way of what is about to be overwritten
        auto const count = static_cast<int>(descriptors.size());
        for (int i = 0; i < count; ++i)
            ::dup2(descriptors[static_cast<std::size_t>(i)], high + i);
        for (int fd = 3; fd < high; ++fd)
            ::close(fd);
        for (int i = 0; i < count; ++i) {
            ::dup2(high + i, 3 + i);
            ::close(high + i);
        }
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
        ::setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
        ::unsetenv("LISTEN_FDNAMES");
        ::_exit(child());
    }
    int status = -1;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// 0 when systemd_sockets() throws a text with all of `parts`, and the variables are gone.
int refusal(std::initializer_list<char const*> parts) {
    try {
        systemd_sockets();
    } catch (std::invalid_argument const& e) {
        for (auto const* part : parts)
            if (std::string(e.what()).find(part) == std::string::npos) {
                std::fprintf(stderr, "no \"%s\" in: %s\n", part, e.what());
                return 90;
            }
        return std::getenv("LISTEN_FDS") || std::getenv("LISTEN_PID") ? 91 : 0;
    }
    return 92;
}

struct Listeners {
    std::vector<ListenSocket> tcp = bind_sockets(0, "127.0.0.1");
    ListenSocket local =
        bind_unix_socket(std::string("\0tornado-systemd-", 17) + std::to_string(::getpid()));
    int first = tcp[0].native_handle();
    int second = local.native_handle();
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(netutil_systemd, Listeners)

BOOST_AUTO_TEST_CASE(sockets_are_passed_in_order) {
    auto const expected = std::vector{tcp[0].local_address(), local.local_address()};
    BOOST_TEST(with_passed({first, second}, [&] {
                   ::setenv("LISTEN_FDNAMES", "a:b", 1);
                   auto const sockets = systemd_sockets();
                   if (sockets.size() != 2 || sockets[0].native_handle() != 3)
                       return 1;
                   if (sockets[0].local_address() != expected[0] ||
                       sockets[1].local_address() != expected[1])
                       return 2;
                   if ((::fcntl(4, F_GETFD) & FD_CLOEXEC) == 0 ||
                       (::fcntl(4, F_GETFL) & O_NONBLOCK) == 0)
                       return 3;
                   for (char const* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})
                       if (std::getenv(name))
                           return 4;
                   return systemd_sockets().empty() ? 0 : 5;
               }) == 0);
}

BOOST_AUTO_TEST_CASE(names_are_asked_for) {
    auto const expected = local.local_address();
    BOOST_TEST(with_passed({first, second, first}, [&] {
                   ::setenv("LISTEN_FDNAMES", "http:admin:http", 1);
                   if (!systemd_sockets("https").empty() || systemd_sockets("http").size() != 2)
                       return 1;
                   if (!systemd_sockets("http").empty() || is_open(3) || !is_open(4))
                       return 2;
                   if ((::fcntl(4, F_GETFD) & FD_CLOEXEC) == 0)
                       return 3;
                   auto const rest = systemd_sockets();
                   return rest.size() == 1 && rest[0].local_address() == expected ? 0 : 4;
               }) == 0);
    BOOST_TEST(
        with_passed({first}, [] { return systemd_sockets("unknown").size() == 1 ? 0 : 1; }) == 0);
}

BOOST_AUTO_TEST_CASE(without_activation_there_are_none) {
    BOOST_TEST(systemd_sockets().empty());
    BOOST_TEST(with_passed({first}, [] {
                   ::setenv("LISTEN_FDS", "0", 1);
                   return systemd_sockets().empty() && is_open(3) ? 0 : 1;
               }) == 0);
    BOOST_TEST(with_passed({first}, [] {
                   ::unsetenv("LISTEN_PID");
                   return systemd_sockets().empty() && !std::getenv("LISTEN_FDS") ? 0 : 1;
               }) == 0);
}

BOOST_AUTO_TEST_CASE(those_of_another_process_are_left_alone_and_logged) {
    BOOST_TEST(with_passed({first}, [] {
                   CapturedLog const log;
                   auto const other = std::to_string(::getppid());
                   ::setenv("LISTEN_PID", other.c_str(), 1);
                   if (!systemd_sockets().empty() || std::getenv("LISTEN_FDS") || !is_open(3))
                       return 1;
                   return log.count("LISTEN_FDS is for process " + other) == 1 ? 0 : 2;
               }) == 0);
}

BOOST_AUTO_TEST_CASE(variables_that_are_no_numbers_are_named) {
    for (char const* count : {"", "x", "1x", "-1", " 1", "99999999999999999999"})
        BOOST_TEST(with_passed({first}, [count] {
                       ::setenv("LISTEN_FDS", count, 1);
                       return refusal({"LISTEN_FDS", count, "not a number"});
                   }) == 0);
    BOOST_TEST(with_passed({first}, [] {
                   ::setenv("LISTEN_PID", "me", 1);
                   return refusal({"LISTEN_PID", "\"me\""});
               }) == 0);
    BOOST_TEST(with_passed({first}, [] {
                   ::setenv("LISTEN_FDNAMES", "a:b", 1);
                   return refusal({"LISTEN_FDNAMES", "\"a:b\"", "LISTEN_FDS is 1"});
               }) == 0);
}

BOOST_AUTO_TEST_CASE(promises_that_are_not_kept_leave_no_passed_socket_open) {
    BOOST_TEST(with_passed({first}, [] {
                   ::setenv("LISTEN_FDS", "2147483647", 1);
                   return refusal({"LISTEN_FDS", "2147483647", "descriptors"});
               }) == 0);
    BOOST_TEST(with_passed({first}, [] {
                   ::setenv("LISTEN_FDS", "2", 1);
                   int const code = refusal({"LISTEN_FDS is 2", "descriptor 4 is not open"});
                   return code == 0 && is_open(3) ? 1 : code;
               }) == 0);
}

BOOST_AUTO_TEST_CASE(what_does_not_listen_is_named_and_stays_its_owners) {
    detail::Descriptor const file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    detail::Descriptor const idle(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    detail::Descriptor const datagram(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    for (int const wrong : {file.native_handle(), idle.native_handle(), datagram.native_handle()})
        BOOST_TEST(with_passed({first, wrong, second}, [] {
                       int const code = refusal({"descriptor 4", "LISTEN_FDS is 3"});
                       if (is_open(3) || !is_open(4) || is_open(5))
                           return 1;
                       return code;
                   }) == 0);
}

BOOST_AUTO_TEST_SUITE_END()
