// SPDX-License-Identifier: BSL-1.0
// Both ways to write to a pipe without a reader, and what happens to the signal in each.
#include "transport/quiet_write.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <pthread.h>
#include <string>
#include <unistd.h>

using namespace tornado::detail;

namespace {

int signals = 0;

/// Counts SIGPIPE, which is blocked in this thread or not.
struct Watch {
    explicit Watch(bool blocked) {
        signals = 0;
        struct sigaction action {};
        action.sa_handler = [](int) { ++signals; };
        ::sigaction(SIGPIPE, &action, &former_action);
        sigset_t mask;
        ::sigemptyset(&mask);
        ::sigaddset(&mask, SIGPIPE);
        ::pthread_sigmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &mask, &former_mask);
    }
    Watch(Watch const&) = delete;
    Watch& operator=(Watch const&) = delete;
    ~Watch() {
        take();
        ::pthread_sigmask(SIG_SETMASK, &former_mask, nullptr);
        ::sigaction(SIGPIPE, &former_action, nullptr);
    }

    static bool is_blocked() {
        sigset_t now;
        ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
        return ::sigismember(&now, SIGPIPE) == 1;
    }
    /// Whether one was pending.
    static bool take() {
        sigset_t mask;
        ::sigemptyset(&mask);
        ::sigaddset(&mask, SIGPIPE);
        timespec const at_once{};
        return ::sigtimedwait(&mask, nullptr, &at_once) == SIGPIPE;
    }

    struct sigaction former_action {};
    sigset_t former_mask;
};

struct Pipe {
    Pipe() { BOOST_REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0); }
    Pipe(Pipe const&) = delete;
    Pipe& operator=(Pipe const&) = delete;
    ~Pipe() {
        close_reader();
        ::close(ends[1]);
    }
    void close_reader() {
        if (ends[0] >= 0)
            ::close(ends[0]);
        ends[0] = -1;
    }
    std::array<int, 2> ends;
};

template <class Body>
void in_each_way(Body body) {
    for (auto* const write : {&quiet_write, &quiet_write_by_mask})
        for (bool const blocked : {false, true})
            BOOST_TEST_CONTEXT((write == &quiet_write ? "as the kernel can" : "by mask")
                               << (blocked ? ", blocked" : "")) {
                Watch const watch(blocked);
                body(write, blocked);
                BOOST_TEST(Watch::is_blocked() == blocked);
            }
}

iovec vector_of(std::string& text) {
    return {text.data(), text.size()};
}

} // namespace

BOOST_AUTO_TEST_SUITE(quiet_writes)

BOOST_AUTO_TEST_CASE(what_is_written_arrives_in_order) {
    in_each_way([](auto* write, bool) {
        Pipe pipe;
        std::string one = "one ", two = "two";
        std::array const buffers{vector_of(one), vector_of(two)};
        BOOST_TEST(write(pipe.ends[1], buffers.data(), buffers.size()) == 7);
        std::array<char, 10> got;
        BOOST_TEST(::read(pipe.ends[0], got.data(), got.size()) == 7);
        BOOST_TEST(std::string(got.data(), 7) == "one two");
    });
}

BOOST_AUTO_TEST_CASE(a_full_pipe_would_block) {
    in_each_way([](auto* write, bool) {
        Pipe pipe;
        std::string big(1 << 20, 'x');
        auto const buffer = vector_of(big);
        BOOST_TEST(write(pipe.ends[1], &buffer, 1) > 0);
        BOOST_TEST(write(pipe.ends[1], &buffer, 1) == -1);
        BOOST_TEST(errno == EAGAIN);
    });
}

BOOST_AUTO_TEST_CASE(T144_a_missing_reader_is_an_error_and_no_signal) {
    in_each_way([](auto* write, bool) {
        Pipe pipe;
        pipe.close_reader();
        std::string text = "x";
        auto const buffer = vector_of(text);
        BOOST_TEST(write(pipe.ends[1], &buffer, 1) == -1);
        BOOST_TEST(errno == EPIPE);
        BOOST_TEST(signals == 0);
        BOOST_TEST(!Watch::take());
    });
}

BOOST_AUTO_TEST_CASE(a_signal_that_was_pending_before_stays) {
    in_each_way([](auto* write, bool blocked) {
        if (!blocked)
            return;
        Pipe pipe;
        pipe.close_reader();
        ::raise(SIGPIPE);
        std::string text = "x";
        auto const buffer = vector_of(text);
        BOOST_TEST(write(pipe.ends[1], &buffer, 1) == -1);
        BOOST_TEST(errno == EPIPE);
        BOOST_TEST(Watch::take());
    });
}

BOOST_AUTO_TEST_SUITE_END()
