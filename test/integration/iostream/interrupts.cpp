// SPDX-License-Identifier: BSL-1.0
// Signals that come in the midst of a stream's system calls.
#include "tornado/iostream.hpp"
#include "tornado/testing.hpp"

#include "support/events.hpp"
#include "support/stream_pairs.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <map>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER
#endif
#endif

#ifndef THREAD_SANITIZER // which has calls of its own in place of these

using namespace tornado;
using namespace tornado::test;

namespace {

bool enabled = false;
std::map<std::string, int> calls;

// While enabled, every second call of each kind is interrupted before it does anything.
bool interrupt(char const* name) {
    if (!enabled || ++calls[name] % 2 == 0)
        return false;
    errno = EINTR;
    return true;
}

struct Interrupted {
    Interrupted() {
        calls.clear();
        enabled = true;
    }
    Interrupted(Interrupted const&) = delete;
    Interrupted& operator=(Interrupted const&) = delete;
    ~Interrupted() { enabled = false; }
};

} // namespace

// These stand before the C library's.
extern "C" {
ssize_t recv(int fd, void* data, size_t size, int flags) {
    return interrupt("recv") ? -1
                             : ::syscall(SYS_recvfrom, fd, data, size, flags, nullptr, nullptr);
}
ssize_t recvmsg(int fd, msghdr* message, int flags) {
    return interrupt("recvmsg") ? -1 : ::syscall(SYS_recvmsg, fd, message, flags);
}
ssize_t send(int fd, void const* data, size_t size, int flags) {
    return interrupt("send") ? -1 : ::syscall(SYS_sendto, fd, data, size, flags, nullptr, 0);
}
ssize_t sendmsg(int fd, msghdr const* message, int flags) {
    return interrupt("sendmsg") ? -1 : ::syscall(SYS_sendmsg, fd, message, flags);
}
ssize_t readv(int fd, iovec const* buffers, int count) {
    return interrupt("readv") ? -1 : ::syscall(SYS_readv, fd, buffers, count);
}
ssize_t writev(int fd, iovec const* buffers, int count) {
    return interrupt("writev") ? -1 : ::syscall(SYS_writev, fd, buffers, count);
}
ssize_t pwritev2(int fd, iovec const* buffers, int count, off_t offset, int flags) {
    return interrupt("pwritev2") ? -1
                                 : ::syscall(SYS_pwritev2, fd, buffers, count, offset, 0L, flags);
}
int poll(pollfd* states, nfds_t count, int timeout) {
    return interrupt("poll") ? -1 : static_cast<int>(::syscall(SYS_poll, states, count, timeout));
}
// What it has begun goes on.
int connect(int fd, sockaddr const* address, socklen_t size) {
    auto const result = static_cast<int>(::syscall(SYS_connect, fd, address, size));
    return interrupt("connect") ? -1 : result;
}
}

#endif

BOOST_AUTO_TEST_SUITE(iostream_interrupts)

#ifndef THREAD_SANITIZER

BOOST_AUTO_TEST_CASE_TEMPLATE(an_interrupted_call_is_made_again, Kind, PairKinds) {
    CapturedLog const log;
    StreamPair<Kind> io;
    Interrupted const interrupted;
    std::string const big(3000000, 'b');
    io.run_test([&]() -> asio::awaitable<void> {
        io.far->write("line\n");
        BOOST_TEST(co_await io.near->read_until("\n") == "line\n");
        io.far->write("head ");
        io.far->write(big); // one send of several buffers
        BOOST_TEST((co_await io.near->read_bytes(5 + big.size()) == "head " + big));
        io.far->write("last");
        io.far->close();
        BOOST_TEST(co_await io.near->read_until_close() == "last");
    });
    BOOST_TEST(word(io.near->error()) == "eof");
    BOOST_TEST(calls.size() >= 2U);
    BOOST_TEST(log.lines().empty());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_that_is_read_into_two_buffers_too, Kind, SocketKinds) {
    StreamPair<Kind> io(StreamOptions{.read_chunk_size = 1000});
    Interrupted const interrupted;
    std::string const text(70000, 't');
    io.run_test([&]() -> asio::awaitable<void> {
        io.far->write(text);
        std::string got;
        while (got.size() < text.size())
            got += co_await io.near->read_bytes(700);
        BOOST_TEST((got == text));
    });
}

BOOST_AUTO_TEST_CASE(an_interrupted_connect_goes_on) {
    Io io;
    Events events;
    asio::ip::tcp::acceptor acceptor(io.context, {asio::ip::address_v4::loopback(), 0});
    auto const stream = std::make_shared<IOStream>(asio::ip::tcp::socket(io.context));
    Interrupted const interrupted;
    stream->connect(Address(acceptor.local_endpoint()), events.on("connect"));
    io.run_until([&] { return !stream->writing() && stream->remote_address().port() != 0; });
    io.poll();
    BOOST_TEST(events.take() == "connect:stream");
    BOOST_TEST(calls["connect"] == 1);
}

BOOST_AUTO_TEST_CASE(a_peer_that_has_gone_is_seen_by_an_interrupted_look) {
    Io io;
    Events events;
    auto [near, far] = tcp_sockets(io);
    far.set_option(asio::socket_base::linger(true, 0));
    far.close();
    Interrupted const interrupted;
    auto const stream = std::make_shared<IOStream>(std::move(near));
    stream->read_bytes(1, events.on("read"));
    io.run();
    BOOST_TEST(events.take() == "read!reset");
    BOOST_TEST(calls["poll"] == 2);
}

#else

BOOST_AUTO_TEST_CASE(calls_cannot_be_interrupted_under_this_sanitizer) {
    BOOST_TEST_MESSAGE("see the other presets");
}

#endif

BOOST_AUTO_TEST_SUITE_END()
