// SPDX-License-Identifier: BSL-1.0
// Descriptor handlers: events, removal at any moment, bad descriptors.
#include "tornado/ioloop.hpp"
#include "tornado/testing.hpp"

#include "support/bounded_loop.hpp"

#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <cstdio>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace tornado;
using namespace std::chrono_literals;
using test::run_bounded;
using test::run_once;

namespace {

/// Two connected sockets, in blocking mode.
struct Pair {
    Pair() {
        std::array<int, 2> fds{};
        BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0);
        ours = fds[0];
        theirs = fds[1];
    }
    Pair(Pair const&) = delete;
    Pair& operator=(Pair const&) = delete;
    ~Pair() {
        shut(ours);
        shut(theirs);
    }

    static void shut(int& fd) {
        if (fd >= 0)
            ::close(std::exchange(fd, -1));
    }

    void send() const { BOOST_REQUIRE(::write(theirs, "x", 1) == 1); }
    char receive() const {
        char c = 0;
        BOOST_REQUIRE(::read(ours, &c, 1) == 1);
        return c;
    }

    int ours;
    int theirs;
};

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

/// Iterations enough for anything that is ready to be told.
void turn(IOLoop& loop, int times = 5) {
    for (int i = 0; i < times; ++i)
        run_once(loop);
}

void check_refused(auto const& call, std::string const& text) {
    try {
        call();
        BOOST_ERROR("not refused: " + text);
    } catch (std::invalid_argument const& e) {
        BOOST_TEST(std::string(e.what()).find(text) != std::string::npos, e.what());
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(ioloop_handlers)

BOOST_AUTO_TEST_CASE(T008_a_second_handler_is_refused) {
    IOLoop loop;
    Pair const pair;
    loop.add_handler(
        pair.ours, [](int, unsigned) {}, IOLoop::READ);
    check_refused(
        [&] {
            loop.add_handler(
                pair.ours, [](int, unsigned) {}, IOLoop::WRITE);
        },
        "descriptor " + std::to_string(pair.ours) + " added twice");
    loop.remove_handler(pair.ours);
    loop.add_handler(
        pair.ours, [](int, unsigned) {}, IOLoop::NONE);
    check_refused(
        [&] {
            loop.add_handler(
                pair.ours, [](int, unsigned) {}, IOLoop::READ);
        },
        "added twice");
}

BOOST_AUTO_TEST_CASE(bad_descriptors_are_refused_by_name) {
    IOLoop loop;
    auto const add = [&](int fd) {
        loop.add_handler(
            fd, [](int, unsigned) {}, IOLoop::READ);
    };
    check_refused([&] { add(-1); }, "descriptor -1 is not open");
    std::FILE* const file = std::tmpfile();
    check_refused([&] { add(::fileno(file)); },
                  "descriptor " + std::to_string(::fileno(file)) + " cannot be waited for");
    std::fclose(file);
    Pair pair;
    check_refused([&] { loop.update_handler(pair.ours, IOLoop::READ); }, "has no handler");
    add(pair.ours);
    auto const number = pair.ours;
    Pair::shut(pair.ours);
    check_refused([&] { loop.update_handler(number, IOLoop::WRITE); }, "has been closed");
}

BOOST_AUTO_TEST_CASE(T009_removing_what_was_never_added_is_harmless) {
    IOLoop loop;
    loop.remove_handler(0);
    loop.remove_handler(-1);
    loop.remove_handler(12345);
}

BOOST_AUTO_TEST_CASE(T013_only_what_was_asked_for_is_told) {
    IOLoop loop;
    Pair const pair;
    std::vector<unsigned> seen;
    pair.send();
    loop.add_handler(
        pair.ours,
        [&](int fd, unsigned events) {
            BOOST_TEST(fd == pair.ours);
            seen.push_back(events);
            pair.receive();
            loop.stop();
        },
        IOLoop::READ);
    run_bounded(loop);
    turn(loop);
    BOOST_TEST(seen == std::vector<unsigned>{IOLoop::READ});
}

BOOST_AUTO_TEST_CASE(both_events_come_in_one_call) {
    IOLoop loop;
    Pair const pair;
    std::vector<unsigned> seen;
    pair.send();
    loop.add_handler(
        pair.ours,
        [&](int, unsigned events) {
            seen.push_back(events);
            if (seen.size() == 2)
                pair.receive();
            if (seen.size() == 3) {
                loop.update_handler(pair.ours, IOLoop::READ);
                loop.stop();
            }
        },
        IOLoop::READ | IOLoop::WRITE | IOLoop::ERROR);
    run_bounded(loop);
    turn(loop);
    auto const both = IOLoop::READ | IOLoop::WRITE;
    BOOST_TEST(seen == (std::vector<unsigned>{both, both, IOLoop::WRITE}));
}

BOOST_AUTO_TEST_CASE(T028_a_handler_removed_in_the_same_poll_is_not_called) {
    IOLoop loop;
    Pair const first;
    Pair const second;
    int calls = 0;
    auto const handler = [&](int, unsigned) {
        ++calls;
        loop.remove_handler(first.ours);
        loop.remove_handler(second.ours);
        loop.call_later(1ms, [&] { loop.stop(); });
    };
    loop.add_handler(first.ours, handler, IOLoop::READ);
    loop.add_handler(second.ours, handler, IOLoop::READ);
    first.send();
    second.send();
    run_bounded(loop);
    BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(T028_nor_is_one_that_took_its_place) {
    IOLoop loop;
    Pair const first;
    Pair const second;
    int calls = 0;
    auto const replaced = [&](int fd, unsigned) {
        auto const other = fd == first.ours ? second.ours : first.ours;
        ++calls;
        first.receive();
        second.receive();
        loop.remove_handler(fd);
        loop.remove_handler(other);
        loop.add_handler(
            other, [](int, unsigned) { BOOST_ERROR("called"); }, IOLoop::READ);
        loop.call_later(1ms, [&] { loop.stop(); });
    };
    loop.add_handler(first.ours, replaced, IOLoop::READ);
    loop.add_handler(second.ours, replaced, IOLoop::READ);
    first.send();
    second.send();
    run_bounded(loop);
    BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(a_hang_up_is_what_was_asked_for_and_none_is_silent) {
    for (auto const asked :
         {IOLoop::READ, IOLoop::WRITE, IOLoop::ERROR, IOLoop::READ | IOLoop::ERROR}) {
        IOLoop loop;
        Pair pair;
        unsigned seen = 0;
        Pair::shut(pair.theirs);
        loop.add_handler(
            pair.ours,
            [&](int, unsigned events) {
                seen = events;
                loop.stop();
            },
            asked);
        run_bounded(loop);
        BOOST_TEST(seen == asked);
        loop.update_handler(pair.ours, IOLoop::NONE);
        seen = 0;
        turn(loop);
        BOOST_TEST(seen == 0U);
    }
}

BOOST_AUTO_TEST_CASE(a_handler_removes_itself_and_is_destroyed_after_its_call) {
    IOLoop loop;
    Pair const pair;
    auto const token = std::make_shared<int>(1);
    pair.send();
    loop.add_handler(
        pair.ours,
        [&loop, token](int fd, unsigned) {
            loop.remove_handler(fd);
            BOOST_TEST(*token == 1);
            loop.stop();
        },
        IOLoop::READ);
    run_bounded(loop);
    BOOST_TEST(token.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(a_descriptor_may_be_closed_first_and_its_number_used_again) {
    IOLoop loop;
    int number = -1;
    {
        Pair pair;
        number = pair.ours;
        loop.add_handler(
            number, [](int, unsigned) { BOOST_ERROR("called"); }, IOLoop::READ);
        turn(loop);
    }
    Pair const again;
    BOOST_REQUIRE(again.ours == number);
    again.send();
    turn(loop);
    bool called = false;
    loop.add_handler(
        number,
        [&](int, unsigned) {
            called = true;
            loop.stop();
        },
        IOLoop::READ);
    run_bounded(loop);
    BOOST_TEST(called);
    loop.remove_handler(number);
    loop.add_handler(
        number, [&](int, unsigned) { loop.stop(); }, IOLoop::READ);
    run_bounded(loop);
}

BOOST_AUTO_TEST_CASE(the_number_of_a_closed_descriptor_in_asios_hands_is_left_alone) {
    IOLoop loop;
    Pair pair;
    auto const number = pair.ours;
    loop.add_handler(
        number, [](int, unsigned) {}, IOLoop::READ);
    Pair::shut(pair.ours);
    asio::local::stream_protocol::socket socket(loop.get_executor());
    asio::local::stream_protocol::socket peer(loop.get_executor());
    asio::local::connect_pair(socket, peer);
    BOOST_REQUIRE(socket.native_handle() == number);
    loop.remove_handler(number);
    char byte = 0;
    socket.async_read_some(asio::buffer(&byte, 1), [&](error_code, std::size_t) { loop.stop(); });
    loop.call_later(1ms, [&] { peer.write_some(asio::buffer("y", 1)); });
    run_bounded(loop);
    BOOST_TEST(byte == 'y');
}

BOOST_AUTO_TEST_CASE(the_descriptor_stays_the_callers) {
    IOLoop loop;
    Pair const pair;
    loop.add_handler(
        pair.ours, [&](int, unsigned) { loop.stop(); }, IOLoop::READ);
    pair.send();
    run_bounded(loop);
    BOOST_TEST((::fcntl(pair.ours, F_GETFL) & O_NONBLOCK) == 0);
    loop.close();
    BOOST_TEST(is_open(pair.ours));
}

BOOST_AUTO_TEST_CASE(T020_close_with_all_fds_closes_them) {
    IOLoop loop;
    Pair pair;
    loop.add_handler(
        pair.ours, [](int, unsigned) {}, IOLoop::READ);
    loop.close(true);
    BOOST_TEST(!is_open(pair.ours));
    BOOST_TEST(is_open(pair.theirs));
    pair.ours = -1;
}

BOOST_AUTO_TEST_CASE(T024_an_exception_is_logged_and_the_handler_stays) {
    CapturedLog const captured;
    IOLoop loop;
    Pair const pair;
    int calls = 0;
    loop.add_handler(
        pair.ours,
        [&](int, unsigned) {
            if (++calls == 2)
                loop.stop();
            throw std::runtime_error("handler");
        },
        IOLoop::READ);
    pair.send();
    run_bounded(loop);
    BOOST_TEST(captured.count("Exception in callback: std::runtime_error: handler") == 2);
}

BOOST_AUTO_TEST_CASE(more_descriptors_than_one_look_takes_all_have_their_turn) {
    IOLoop loop;
    std::vector<Pair> pairs(150);
    std::size_t calls = 0;
    for (auto const& pair : pairs) {
        pair.send();
        loop.add_handler(
            pair.ours,
            [&](int fd, unsigned) {
                loop.remove_handler(fd);
                if (++calls == pairs.size())
                    loop.stop();
            },
            IOLoop::READ);
    }
    run_bounded(loop);
    BOOST_TEST(calls == pairs.size());
}

BOOST_AUTO_TEST_CASE(on_a_foreign_context_a_handler_is_work) {
    asio::io_context context;
    IOLoop loop(context);
    Pair const pair;
    loop.call_later(1ms, [&] { pair.send(); });
    loop.add_handler(
        pair.ours, [&](int fd, unsigned) { loop.remove_handler(fd); }, IOLoop::READ);
    context.run();
    BOOST_TEST(pair.receive() == 'x');
    context.restart();
    loop.add_handler(
        pair.ours, [](int, unsigned) { BOOST_ERROR("called"); }, IOLoop::READ);
    loop.call_later(1ms, [&] { loop.remove_handler(pair.ours); });
    context.run();
}

BOOST_AUTO_TEST_CASE(a_hang_up_that_nobody_asked_for_does_not_keep_the_loop_busy) {
    asio::io_context context;
    IOLoop loop(context);
    Pair pair;
    Pair::shut(pair.theirs);
    loop.add_handler(
        pair.ours, [](int, unsigned) { BOOST_ERROR("called"); }, IOLoop::NONE);
    for (int i = 0; i < 5; ++i)
        context.poll_one();
    BOOST_TEST(context.poll_one() == 0U);
}

// What a closed descriptor leaves in the kernel while its file lives on would wake the loop for
// ever.
BOOST_AUTO_TEST_CASE(one_that_was_closed_first_is_not_heard_of_though_its_file_lives_on) {
    for (bool const removed : {false, true})
        for (bool const used_again : {false, true}) {
            asio::io_context context;
            IOLoop loop(context);
            Pair const other;
            Pair pair;
            auto const number = pair.ours;
            int const kept = ::fcntl(pair.ours, F_DUPFD_CLOEXEC, 100);
            bool called = false;
            loop.add_handler(
                other.ours, [&](int, unsigned) { called = true; }, IOLoop::READ);
            loop.add_handler(
                number, [](int, unsigned) { BOOST_ERROR("called"); }, IOLoop::READ);
            context.poll();
            Pair::shut(pair.ours);
            if (removed)
                loop.remove_handler(number);
            Pair innocent;
            BOOST_REQUIRE(innocent.ours == number);
            if (!used_again)
                Pair::shut(innocent.ours);
            pair.send();
            for (int i = 0; i < 10; ++i)
                context.poll_one();
            BOOST_TEST(context.poll_one() == 0U, "the loop spins");
            if (used_again)
                innocent.send();
            other.send();
            context.poll_one();
            BOOST_TEST(called);
            other.receive();
            if (!removed)
                check_refused([&] { loop.update_handler(number, IOLoop::READ); },
                              "has been closed");
            if (used_again) {
                bool told = false;
                loop.add_handler(
                    number, [&](int, unsigned) { told = true; }, IOLoop::READ);
                context.poll_one();
                BOOST_TEST(told);
            }
            ::close(kept);
        }
}

BOOST_AUTO_TEST_CASE(one_that_comes_back_under_its_number_can_be_added) {
    for (bool const removed : {false, true}) {
        IOLoop loop;
        Pair pair;
        auto const number = pair.ours;
        int const kept = ::fcntl(pair.ours, F_DUPFD_CLOEXEC, 100);
        loop.add_handler(
            number, [](int, unsigned) { BOOST_ERROR("called"); }, IOLoop::READ);
        Pair::shut(pair.ours);
        Pair innocent; // it has the number for a while
        BOOST_REQUIRE(innocent.ours == number);
        if (removed) {
            loop.remove_handler(number);
        } else {
            pair.send(); // the loop sees that it has gone
            turn(loop);
        }
        pair.ours = ::dup2(kept, std::exchange(innocent.ours, -1));
        ::close(kept);
        loop.add_handler(
            number, [&](int, unsigned) { loop.stop(); }, IOLoop::READ);
        if (removed)
            pair.send();
        run_bounded(loop);
    }
}

BOOST_AUTO_TEST_CASE(events_of_another_kind_are_refused) {
    IOLoop loop;
    Pair const pair;
    auto const add = [&](unsigned events) {
        loop.add_handler(
            pair.ours, [](int, unsigned) {}, events);
    };
    check_refused([&] { add(0x002); }, "descriptor " + std::to_string(pair.ours) + ": events 2");
    check_refused([&] { add(IOLoop::READ | 0x2000); }, "are not made of READ, WRITE and ERROR");
    add(IOLoop::READ | IOLoop::WRITE | IOLoop::ERROR);
    check_refused([&] { loop.update_handler(pair.ours, 0x002); }, "events 2");
}

BOOST_AUTO_TEST_CASE(T020_close_with_all_fds_spares_a_number_that_is_somebody_elses) {
    for (bool const file_lives_on : {false, true}) {
        Pair pair;
        auto const number = pair.ours;
        int const kept = ::fcntl(pair.ours, F_DUPFD_CLOEXEC, 100);
        IOLoop loop;
        loop.add_handler(
            number, [](int, unsigned) {}, IOLoop::READ);
        Pair::shut(pair.ours);
        if (!file_lives_on)
            ::close(kept);
        Pair const innocent;
        BOOST_REQUIRE(innocent.ours == number);
        loop.close(true);
        BOOST_TEST(is_open(innocent.ours));
        if (file_lives_on)
            ::close(kept);
    }
}

BOOST_AUTO_TEST_CASE(a_loop_is_destroyed_in_a_handler) {
    auto loop = std::make_unique<IOLoop>();
    Pair const first;
    Pair const second;
    first.send();
    second.send();
    int calls = 0;
    auto const destroy = [&](int, unsigned) {
        ++calls;
        loop.reset();
    };
    loop->add_handler(first.ours, destroy, IOLoop::READ);
    loop->add_handler(second.ours, destroy, IOLoop::READ);
    loop->start();
    BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_SUITE_END()
