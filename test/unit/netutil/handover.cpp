// SPDX-License-Identifier: BSL-1.0
// Taking sockets over: both ends in good order, and each when the other is not.
#include "tornado/handover.hpp"

#include "tornado/ioloop.hpp"
#include "tornado/testing.hpp"

#include "netutil/passing.hpp"
#include "support/bounded_loop.hpp"
#include "support/descriptors.hpp"
#include "support/processes.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace tornado;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

detail::Descriptor connect_to(Address const& address) {
    detail::Descriptor client(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto const endpoint = address.endpoint();
    BOOST_TEST_REQUIRE(::connect(client.native_handle(), endpoint.data(),
                                 static_cast<socklen_t>(endpoint.size())) == 0);
    return client;
}

struct Failure {
    error_code code;
    std::string text;
    bool says(std::string const& part) const { return text.find(part) != text.npos; }
};

Failure failure_of(std::function<void()> const& call) {
    try {
        call();
    } catch (system_error const& e) {
        return {e.code(), e.what()};
    }
    return {};
}

/// A process to take over from, as far as that matters: it listens, and waits at `path`.
struct Fixture {
    Fixture() {
        std::string pattern = (fs::temp_directory_path() / "handover-XXXXXX").string();
        folder = ::mkdtemp(pattern.data());
        path = folder / "socket";
    }
    ~Fixture() {
        handover.reset();
        fs::remove_all(folder);
    }

    SocketsByName duplicates() {
        SocketsByName all;
        all["http"].push_back(ListenSocket::duplicate_of(listener.native_handle()));
        return all;
    }

    void wait_for_takeover(std::function<SocketsByName()> source,
                           Handover::clock::duration deadline = 30s) {
        handover.emplace(
            loop, path, std::move(source), [this] { ++taken; }, deadline);
    }
    void wait_for_takeover(Handover::clock::duration deadline = 30s) {
        wait_for_takeover([this] { return duplicates(); }, deadline);
    }

    /// Runs `other`, which is the new process, on a thread with a loop of its own, and the old
    /// one's loop meanwhile.
    void meanwhile(std::function<void(IOLoop&)> const& other) {
        std::exception_ptr failure;
        std::thread thread([&] {
            try {
                IOLoop own;
                other(own);
            } catch (...) {
                failure = std::current_exception();
            }
            loop.add_callback([&] { loop.stop(); });
        });
        test::run_bounded(loop);
        thread.join();
        if (failure)
            std::rethrow_exception(failure);
    }

    error_code ready(IOLoop& own, Takeover& takeover) {
        error_code result = asio::error::eof;
        takeover.ready([&](error_code ec) {
            result = ec;
            own.stop();
        });
        test::run_bounded(own);
        return result;
    }

    void wait_for_line(std::string const& text) const {
        for (int i = 0; i < 30'000 && log.count(text) == 0; ++i)
            std::this_thread::sleep_for(1ms); // another thread logs it
        BOOST_TEST(log.count(text) > 0, text);
    }

    bool can_be_taken_over() {
        bool found = false;
        meanwhile([&](IOLoop& own) { found = take_over(own, path).has_value(); });
        return found;
    }

    fs::path folder;
    std::string path;
    CapturedLog log;
    IOLoop loop;
    ListenSocket listener = bind_unused_port().first;
    std::optional<Handover> handover;
    std::atomic<int> taken = 0; // read by the other thread, too
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(netutil_handover, Fixture)

BOOST_AUTO_TEST_CASE(where_nobody_is_nothing_is_taken_over) {
    BOOST_TEST(!take_over(loop, path));
    { auto const dead = bind_unix_socket(path); }
    BOOST_TEST_REQUIRE(fs::exists(path));
    BOOST_TEST(!take_over(loop, path));
    wait_for_takeover(); // replaces it
    struct stat status {};
    BOOST_TEST_REQUIRE(::stat(path.c_str(), &status) == 0);
    BOOST_TEST((status.st_mode & 07777) == 0600U);
    handover.reset();
    BOOST_TEST(!fs::exists(path));
}

BOOST_AUTO_TEST_CASE(arguments_are_judged) {
    BOOST_CHECK_THROW(wait_for_takeover(0s), std::invalid_argument);
    BOOST_CHECK_THROW(wait_for_takeover(nullptr), std::invalid_argument);
    BOOST_CHECK_THROW(take_over(loop, ""), std::invalid_argument);
    BOOST_CHECK_THROW(take_over(loop, std::string(108, 'x')), std::invalid_argument);
    std::ofstream(path) << "a file";
    BOOST_CHECK_THROW(wait_for_takeover(), std::invalid_argument);
    BOOST_TEST(fs::exists(path));
}

BOOST_AUTO_TEST_CASE(a_living_process_is_not_replaced) {
    wait_for_takeover();
    auto const failure =
        failure_of([&] { Handover(loop, path, [] { return SocketsByName(); }, {}); });
    BOOST_TEST(failure.code == asio::error::address_in_use);
    BOOST_TEST(failure.says(path), failure.text);
    BOOST_TEST(can_be_taken_over());
}

BOOST_AUTO_TEST_CASE(a_file_that_somebody_else_has_put_there_is_not_removed) {
    wait_for_takeover();
    std::ofstream(path + ".new") << "a file"; // while the socket is there: another inode
    fs::rename(path + ".new", path);
    handover.reset();
    BOOST_TEST(fs::exists(path));
}

BOOST_AUTO_TEST_CASE(the_sockets_stay_the_same_with_what_waits_in_their_backlog) {
    wait_for_takeover();
    auto const early = connect_to(listener.local_address());
    meanwhile([&](IOLoop& own) {
        auto takeover = take_over(own, path);
        BOOST_TEST_REQUIRE(takeover.has_value());
        BOOST_TEST(takeover->pid() == ::getpid());
        BOOST_TEST(takeover->sockets("https").empty());
        auto sockets = takeover->sockets("http");
        BOOST_TEST(takeover->sockets("http").empty());
        BOOST_TEST_REQUIRE(sockets.size() == 1U);
        BOOST_TEST(sockets[0].local_address() == listener.local_address());
        BOOST_TEST(taken.load() == 0);
        BOOST_TEST(ready(own, *takeover) == error_code());
        // The path is free at once.
        BOOST_TEST(!fs::exists(path));
        Handover const next(own, path, [] { return SocketsByName(); }, {});
        BOOST_TEST(ready(own, *takeover) == asio::error::not_connected);
        bool accepted = false;
        add_accept_handler(own, std::move(sockets[0]), [&](AcceptedSocket, Address const&) {
            accepted = true;
            own.stop();
        });
        test::run_bounded(own);
        BOOST_TEST(accepted);
        std::promise<void> gone;
        loop.add_callback([&] {
            handover.reset(); // whose file is not this one
            gone.set_value();
        });
        gone.get_future().wait();
        BOOST_TEST(fs::exists(path));
    });
    BOOST_TEST(taken.load() == 1);
    BOOST_TEST(log.count("has taken over") == 1);
}

BOOST_AUTO_TEST_CASE(hundreds_of_sockets_are_handed_over_under_their_names) {
    constexpr std::size_t count = 600;
    wait_for_takeover([&] {
        SocketsByName all;
        for (std::size_t i = 0; i < count; ++i)
            all[std::to_string(i / 2)].push_back(
                ListenSocket::duplicate_of(listener.native_handle()));
        return all;
    });
    auto const before = test::open_descriptors();
    meanwhile([&](IOLoop& own) {
        auto takeover = take_over(own, path);
        BOOST_TEST_REQUIRE(takeover.has_value());
        for (std::size_t i = 0; i < count / 2; ++i)
            BOOST_TEST_REQUIRE(takeover->sockets(std::to_string(i)).size() == 2U);
    });
    handover.reset();
    BOOST_TEST(test::open_descriptors() < before);
}

BOOST_AUTO_TEST_CASE(one_that_ends_before_it_is_ready_leaves_the_old_one_as_it_was) {
    wait_for_takeover();
    for (int i = 1; i <= 3; ++i) {
        meanwhile([&](IOLoop& own) {
            BOOST_TEST(take_over(own, path).has_value());
            wait_for_line("ended before it was ready");
        });
        BOOST_TEST(taken.load() == 0);
    }
    // One that crashes, in a process of its own.
    test::Forked child([&] {
        IOLoop own;
        return take_over(own, path) ? (::raise(SIGKILL), 1) : 2;
    });
    meanwhile([&](IOLoop&) { BOOST_TEST(child.wait() == -SIGKILL); });
    BOOST_TEST(can_be_taken_over());
}

BOOST_AUTO_TEST_CASE(one_that_hangs_is_given_up_after_the_deadline) {
    wait_for_takeover(30ms);
    meanwhile([&](IOLoop& own) {
        auto takeover = take_over(own, path);
        BOOST_TEST_REQUIRE(takeover.has_value());
        wait_for_line("was not ready within 30 ms");
        BOOST_TEST(ready(own, *takeover) == asio::error::timed_out);
    });
    BOOST_TEST(taken.load() == 0);
    BOOST_TEST(can_be_taken_over());
}

BOOST_AUTO_TEST_CASE(of_two_at_a_time_one_wins) {
    wait_for_takeover();
    meanwhile([&](IOLoop& own) {
        auto first = take_over(own, path);
        BOOST_TEST_REQUIRE(first.has_value());
        auto const failure = failure_of([&] { take_over(own, path); });
        BOOST_TEST(failure.code.value() == EBUSY);
        BOOST_TEST(failure.says(path), failure.text);
        BOOST_TEST(failure.says("process " + std::to_string(::getpid()) + " is taking over"));
        BOOST_TEST(ready(own, *first) == error_code());
    });
    BOOST_TEST(taken.load() == 1);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_handed_over_is_told) {
    std::function<SocketsByName()> source = [&]() -> SocketsByName {
        throw std::runtime_error("out of luck");
    };
    wait_for_takeover([&] { return source(); });
    auto const failed_because = [&](std::string const& text) {
        meanwhile([&](IOLoop& own) {
            auto const failure = failure_of([&] { take_over(own, path); });
            BOOST_TEST(failure.code.value() == ECANCELED);
            BOOST_TEST(failure.says(text), failure.text);
        });
    };
    failed_because("out of luck");
    source = [] { return SocketsByName(); };
    failed_because("no listening socket");
    source = [&] {
        SocketsByName all;
        all["a:b"].push_back(ListenSocket::duplicate_of(listener.native_handle()));
        return all;
    };
    failed_because("\"a:b\"");
    BOOST_TEST(taken.load() == 0);
}

BOOST_AUTO_TEST_CASE(an_old_process_that_hangs_is_not_waited_for) {
    wait_for_takeover();
    auto const failure = failure_of([&] { take_over(loop, path, 30ms); });
    BOOST_TEST(failure.code == asio::error::timed_out);
    BOOST_TEST(failure.says("process " + std::to_string(::getpid())), failure.text);
}

BOOST_AUTO_TEST_CASE(a_word_that_comes_too_late_is_not_acted_on) {
    wait_for_takeover();
    std::optional<Takeover> takeover;
    IOLoop own(false);
    meanwhile([&](IOLoop&) { takeover = take_over(own, path, 500ms); });
    BOOST_TEST_REQUIRE(takeover.has_value());
    BOOST_TEST(ready(own, *takeover) == asio::error::timed_out); // the old one's loop stands still
    meanwhile([&](IOLoop&) { wait_for_line("gave up"); });
    BOOST_TEST(taken.load() == 0);
    BOOST_TEST(can_be_taken_over());
}

BOOST_AUTO_TEST_CASE(waiting_for_the_answer_can_be_cancelled_and_is_done_once) {
    wait_for_takeover();
    IOLoop own(false);
    std::optional<Takeover> takeover;
    meanwhile([&](IOLoop&) { takeover = take_over(own, path); });
    BOOST_TEST_REQUIRE(takeover.has_value());
    asio::cancellation_signal signal;
    std::vector<error_code> results;
    takeover->ready(
        asio::bind_cancellation_slot(signal.slot(), [&](error_code ec) { results.push_back(ec); }));
    takeover->ready([&](error_code ec) {
        results.push_back(ec);
        signal.emit(asio::cancellation_type::terminal);
        own.add_callback([&] { own.stop(); });
    });
    BOOST_TEST(results.empty());
    test::run_bounded(own);
    BOOST_TEST_REQUIRE(results.size() == 2U);
    BOOST_TEST((results[0] == error::already_waiting));
    BOOST_TEST(results[1] == asio::error::operation_aborted);
    meanwhile([&](IOLoop&) { wait_for_line("gave up"); });
    BOOST_TEST(taken.load() == 0);
}

BOOST_AUTO_TEST_CASE(an_old_process_that_has_ended_is_as_good_as_an_answer) {
    wait_for_takeover();
    IOLoop own(false);
    std::optional<Takeover> takeover;
    meanwhile([&](IOLoop&) { takeover = take_over(own, path); });
    BOOST_TEST_REQUIRE(takeover.has_value());
    handover.reset();
    BOOST_TEST(ready(own, *takeover) == error_code());
}

BOOST_AUTO_TEST_CASE(either_end_may_outlive_its_context_and_leave_no_descriptor) {
    auto const before = test::open_descriptors();
    {
        std::optional<asio::io_context> old_context(std::in_place);
        std::optional<asio::io_context> new_context(std::in_place);
        auto old_loop = std::make_unique<IOLoop>(*old_context, false);
        auto new_loop = std::make_unique<IOLoop>(*new_context, false);
        Handover const old(*old_loop, path, [this] { return duplicates(); }, {});
        std::optional<Takeover> takeover;
        std::thread other([&] { takeover = take_over(*new_loop, path); });
        while (log.count("is taking over") == 0)
            old_context->run_one_for(10ms);
        other.join();
        bool called = false;
        takeover->ready([&called, kept = std::make_shared<int>()](error_code) { called = true; });
        new_context.reset();
        old_context.reset();
        takeover->ready([&](error_code) { called = true; });
        BOOST_TEST(!called);
        BOOST_TEST(takeover->sockets("http").size() == 1U);
    }
    BOOST_TEST(!fs::exists(path));
    BOOST_TEST(test::open_descriptors() == before);
}

BOOST_AUTO_TEST_CASE(a_handover_may_be_destroyed_in_its_callbacks) {
    handover.emplace(
        loop, path, [this] { return duplicates(); },
        [this] {
            handover.reset();
            ++taken;
        });
    meanwhile([&](IOLoop& own) {
        auto takeover = take_over(own, path);
        BOOST_TEST(ready(own, *takeover) == error_code());
    });
    BOOST_TEST(taken.load() == 1);
    wait_for_takeover([this] {
        handover.reset();
        return duplicates();
    });
    meanwhile([&](IOLoop& own) {
        auto takeover = take_over(own, path);
        BOOST_TEST((!takeover || !ready(own, *takeover)));
    });
    BOOST_TEST(taken.load() == 1);
}

BOOST_AUTO_TEST_CASE(nonsense_at_the_old_end_changes_nothing) {
    wait_for_takeover();
    auto const address = Address(asio::local::stream_protocol::endpoint(path));
    for (std::string const& text :
         {std::string("GET / HTTP/1.1\r\n\r\n"), std::string("tornado-handover/1 late \n"),
          std::string(100'000, 'x')}) {
        meanwhile([&](IOLoop&) {
            auto const client = connect_to(address);
            // With descriptors, which nobody asked for.
            detail::send_text(client.native_handle(), text, {0, 1, 2});
            wait_for_line(text.size() > 1000 ? "says too much" : "says something else");
        });
    }
    BOOST_TEST(taken.load() == 0);
    BOOST_TEST(can_be_taken_over());
}

BOOST_AUTO_TEST_CASE(nonsense_at_the_new_end_is_an_error_that_leaves_nothing_open) {
    auto const server = bind_unix_socket(path);
    int const fd = listener.native_handle();
    detail::Descriptor const datagram(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    struct {
        std::string text;
        std::vector<int> descriptors;
        int code;
    } const cases[]{
        {"HTTP/1.1 400 Bad Request\r\n", {}, EPROTO},
        {"tornado-handover/1 sockets a\n", {}, EPROTO},
        {"tornado-handover/1 sockets a:b\n", {fd}, EPROTO},
        {"tornado-handover/1 sockets a\n", {fd, fd}, EPROTO},
        {"tornado-handover/1 sockets a\n", {datagram.native_handle()}, EPROTO},
        {"tornado-handover/1 taken \n", {fd}, EPROTO},
        {"tornado-handover/1 sock", {fd}, ECONNRESET},
        {"", {}, ECONNRESET},
        {std::string(70'000, 'x'), {fd}, EPROTO},
    };
    for (auto const& each : cases) {
        auto const before = test::open_descriptors();
        Failure failure;
        {
            IOLoop own(false);
            std::thread answer([&] {
                pollfd waiting{server.native_handle(), POLLIN, 0};
                ::poll(&waiting, 1, 30'000);
                detail::Descriptor const client(
                    ::accept4(server.native_handle(), nullptr, nullptr, SOCK_CLOEXEC));
                detail::send_text(client.native_handle(), each.text, each.descriptors);
            });
            failure = failure_of([&] { take_over(own, path); });
            answer.join();
        }
        BOOST_TEST(failure.code.value() == each.code, each.text << ": " << failure.text);
        BOOST_TEST(failure.says(path), failure.text);
        BOOST_TEST(test::open_descriptors() == before);
    }
}

BOOST_AUTO_TEST_CASE(other_users_have_no_part, *boost::unit_test::precondition([](auto) {
                         return boost::test_tools::assertion_result(::geteuid() == 0);
                     })) {
    path = std::string("\0tornado-handover-", 18) + std::to_string(::getpid()); // without a mode
    wait_for_takeover();
    auto const as_nobody = [&](int expected) {
        return [this, expected] {
            if (::setresuid(65534, 65534, 65534) != 0)
                return 90;
            IOLoop own;
            auto const failure = failure_of([&] { take_over(own, path); });
            return failure.code.value() == expected && failure.says("is of user 0") ? 0 : 91;
        };
    };
    test::Forked stranger(as_nobody(EACCES));
    meanwhile([&](IOLoop&) { BOOST_TEST(stranger.wait() == 0); });
    BOOST_TEST(log.count("is of user 65534") == 1);
    BOOST_TEST(can_be_taken_over());
    handover.reset();

    // A stranger who waits there gets nothing believed.
    test::Report report;
    test::Forked impostor([&] {
        if (::setresuid(65534, 65534, 65534) != 0)
            return 90;
        auto const own = bind_unix_socket(path);
        report.say("listens");
        ::pause();
        return 0;
    });
    BOOST_TEST_REQUIRE(report.line() == "listens");
    auto const failure = failure_of([&] { take_over(loop, path); });
    BOOST_TEST(failure.code == asio::error::access_denied);
    BOOST_TEST(failure.says("is of user 65534"), failure.text);
}

BOOST_AUTO_TEST_SUITE_END()
