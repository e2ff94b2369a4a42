// SPDX-License-Identifier: BSL-1.0
// Resolver and OverrideResolver: answers, cancellation, and name servers that never answer.
#include "netutil/resolver.hpp"

#include "tornado/netutil.hpp"
#include "tornado/testing.hpp"

#include "support/events.hpp"
#include "support/host.hpp"
#include "support/io.hpp"
#include "support/no_threads.hpp"
#include "support/scripted_resolver.hpp"
#include "support/uncalled.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <netdb.h>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using std::string_literals::operator""s;

namespace {

/// What the test's getaddrinfo says of a name.
struct Told {
    int status = 0;
    int error = 0; // errno
    std::vector<std::string> ips{};
};
using Names = std::function<Told(std::string const& host, int family)>;

std::mutex names_mutex;
Names names; // empty for the system's own; asked by threads of the process

/// Takes getaddrinfo for the length of a scope.
class ScriptedNames {
public:
    explicit ScriptedNames(Names script) { set(std::move(script)); }
    ScriptedNames(ScriptedNames const&) = delete;
    ScriptedNames& operator=(ScriptedNames const&) = delete;
    ~ScriptedNames() { set({}); }

private:
    static void set(Names script) {
        std::lock_guard const lock(names_mutex);
        names.swap(script);
    }
};

} // namespace

// The test's getaddrinfo stands before the C library's, to say of names what the script does.
extern "C" int getaddrinfo(char const* host, char const* service, addrinfo const* hints,
                           addrinfo** list) {
    static auto* const own =
        reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    std::unique_lock lock(names_mutex);
    auto const script = names;
    lock.unlock();
    if (!script || !host || (hints->ai_flags & AI_NUMERICHOST) != 0)
        return own(host, service, hints, list);
    auto const told = script(host, hints->ai_family);
    *list = nullptr;
    auto** end = list;
    for (auto const& ip : told.ips) {
        auto of_ip = *hints;
        of_ip.ai_flags = AI_NUMERICHOST;
        of_ip.ai_family = AF_UNSPEC;
        if (own(ip.c_str(), service, &of_ip, end) != 0)
            std::abort();
        end = &(*end)->ai_next; // freeaddrinfo frees a list node by node
    }
    errno = told.error;
    return told.status;
}

namespace {

using Addresses = std::vector<Address>;

std::string text(Addresses const& addresses) {
    std::string all;
    for (auto const& address : addresses)
        all += (all.empty() ? "" : " ") + address.to_string();
    return all;
}

std::string text(error_code ec, Addresses const& addresses) {
    if (ec == asio::error::host_not_found)
        return "unknown";
    return ec ? word(ec) : text(addresses);
}

/// A handler for resolve.
auto on(Events& events, std::string name) {
    return [events, name = std::move(name)](error_code ec, Addresses const& addresses) mutable {
        events.add(name + ":" + text(ec, addresses));
    };
}

asio::awaitable<std::string> ask(Resolver& resolver, std::string host, std::uint16_t port,
                                 int family = AF_UNSPEC) {
    auto const [ec, addresses] =
        co_await resolver.resolve(host, port, family, asio::as_tuple(asio::use_awaitable));
    co_return text(ec, addresses);
}

std::ptrdiff_t threads() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                         std::filesystem::directory_iterator());
}

/// Where threads are held up until the test opens it. Copies are the same gate.
class Gate {
public:
    /// What a held-up thread does; it may outlive the test.
    std::function<void()> passage() {
        return [state = state_] {
            std::unique_lock lock(state->mutex);
            ++state->arrived;
            state->changed.notify_all();
            state->changed.wait(lock, [&] { return state->open; });
            ++state->passed;
            state->changed.notify_all();
        };
    }
    void open() {
        std::lock_guard const lock(state_->mutex);
        state_->open = true;
        state_->changed.notify_all();
    }
    /// Whether so many have arrived and so many have passed, at last.
    bool wait_for(int arrived, int passed = 0) {
        std::unique_lock lock(state_->mutex);
        return state_->changed.wait_for(
            lock, 30s, [&] { return state_->arrived >= arrived && state_->passed >= passed; });
    }
    int arrived() {
        std::lock_guard const lock(state_->mutex);
        return state_->arrived;
    }

private:
    struct State {
        std::mutex mutex;
        std::condition_variable changed;
        int arrived = 0;
        int passed = 0;
        bool open = false;
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();
};

/// getaddrinfo hangs, until the gate is opened.
struct HangingNames {
    ~HangingNames() { gate.open(); }

    Gate gate;
    ScriptedNames script{[passage = gate.passage()](std::string const&, int) {
        passage();
        return Told{.ips = {"127.0.0.1"}};
    }};
};

/// Runs `body` in a child process; its exit code, or -1 when it was killed after half a minute.
int in_child(std::function<int()> const& body) {
    auto const child = ::fork();
    if (child == 0)
        std::exit(body()); // with the ends of statics, unlike _exit
    auto const deadline = std::chrono::steady_clock::now() + 30s;
    int status = 0;
    while (::waitpid(child, &status, WNOHANG) == 0) {
        if (std::chrono::steady_clock::now() > deadline) {
            ::kill(child, SIGKILL);
            ::waitpid(child, &status, 0);
            return -1;
        }
        std::this_thread::sleep_for(5ms);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// The thread sanitizer allows no threads in the child of a process that has any.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREADS_AFTER_FORK 0
#endif
#endif
#ifndef THREADS_AFTER_FORK
#define THREADS_AFTER_FORK 1
#endif

} // namespace

BOOST_AUTO_TEST_SUITE(netutil_resolver)

// ---- Names

BOOST_AUTO_TEST_CASE(T177_localhost_is_the_loopback_with_the_port) {
    on_each_loop([](Host& host) {
        Resolver resolver(host.loop());
        host.run([&]() -> asio::awaitable<void> {
            auto const all = co_await resolver.resolve("localhost", 80);
            BOOST_TEST(!all.empty());
            for (auto const& address : all)
                BOOST_TEST((address == Address("127.0.0.1", 80) || address == Address("::1", 80)));
            BOOST_TEST(co_await ask(resolver, "localhost", 0, AF_INET) == "127.0.0.1:0");
        });
    });
}

BOOST_AUTO_TEST_CASE(T178_a_bad_host_is_an_error_from_every_resolver) {
    on_each_loop([](Host& host) {
        Resolver system(host.loop());
        OverrideResolver mapped(system, {{"mapped", std::string(300, 'x')}});
        host.run([&]() -> asio::awaitable<void> {
            // None of these asks a name server.
            for (auto const& name : {""s, "127.0.0.1\0x"s, "\0"s, std::string(300, 'x'), " "s})
                for (auto* const resolver : {&system, static_cast<Resolver*>(&mapped)})
                    BOOST_TEST(co_await ask(*resolver, name, 80) == "unknown", name);
            BOOST_TEST(co_await ask(mapped, "mapped", 80) == "unknown");
            BOOST_CHECK_THROW(static_cast<void>(co_await system.resolve("", 80)), system_error);
        });
    });
}

BOOST_AUTO_TEST_CASE(T178_each_failure_of_getaddrinfo_has_its_code) {
    struct Failure {
        int status;
        int error;
        error_code expected;
    };
    Failure const all[] = {
        {EAI_NONAME, 0, asio::error::host_not_found},
        {EAI_NODATA, 0, asio::error::host_not_found},
        {EAI_ADDRFAMILY, 0, asio::error::host_not_found},
        {EAI_FAIL, 0, asio::error::host_not_found},
        {EAI_SERVICE, 0, asio::error::host_not_found},
        {EAI_SOCKTYPE, 0, asio::error::host_not_found},
        {EAI_BADFLAGS, 0, asio::error::host_not_found},
        {EAI_AGAIN, 0, asio::error::host_not_found_try_again},
        {EAI_AGAIN, EMFILE, asio::error::no_descriptors}, // what kept it from asking
        {EAI_NONAME, EMFILE, asio::error::no_descriptors},
        {EAI_NONAME, ENFILE, {ENFILE, boost::system::system_category()}},
        {EAI_NONAME, ENOENT, asio::error::host_not_found}, // a file that need not be there
        {EAI_FAMILY, 0, asio::error::address_family_not_supported},
        {EAI_MEMORY, EAGAIN, asio::error::no_memory},
        {EAI_SYSTEM, EMFILE, {EMFILE, boost::system::system_category()}},
        {EAI_SYSTEM, ENETDOWN, {ENETDOWN, boost::system::system_category()}},
        {EAI_SYSTEM, 0, asio::error::host_not_found},
        {0, 0, asio::error::host_not_found}, // and no address
    };
    Io io;
    Resolver resolver(io.executor());
    for (Failure const& failure : all) {
        ScriptedNames const script([&](std::string const&, int) {
            return Told{.status = failure.status, .error = failure.error};
        });
        io.run_test([&]() -> asio::awaitable<void> {
            auto const [ec, addresses] =
                co_await resolver.resolve("x", 80, asio::as_tuple(asio::use_awaitable));
            BOOST_TEST((ec == failure.expected), failure.status << " is " << ec.message());
            BOOST_TEST(addresses.empty());
        });
    }
}

BOOST_AUTO_TEST_CASE(T178_what_has_failed_before_is_not_taken_for_the_reason) {
    errno = EMFILE;
    auto const found = detail::get_addresses("no\0name"s, 80, AF_UNSPEC, 0);
    BOOST_TEST((found.error == asio::error::host_not_found), found.error.message());
}

BOOST_AUTO_TEST_CASE(T177_the_answer_of_getaddrinfo_keeps_its_order_and_has_each_address_once) {
    Io io;
    Resolver resolver(io.executor());
    std::thread::id asked_on;
    std::string asked;
    ScriptedNames const script([&](std::string const& host, int family) {
        asked_on = std::this_thread::get_id();
        asked += host + ' ' + std::to_string(family) + ' ';
        return Told{.ips = {"10.0.0.2", "::1", "10.0.0.1", "10.0.0.2", "::1"}};
    });
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await ask(resolver, "x", 80) == "10.0.0.2:80 [::1]:80 10.0.0.1:80");
        static_cast<void>(co_await ask(resolver, "y.", 1, AF_INET6));
        BOOST_TEST(co_await ask(resolver, "10.0.0.9", 1) == "10.0.0.9:1"); // is not asked for
    });
    BOOST_TEST(asked == "x " + std::to_string(AF_UNSPEC) + " y. " + std::to_string(AF_INET6) + ' ');
    BOOST_TEST((asked_on != std::this_thread::get_id()));
}

BOOST_AUTO_TEST_CASE(an_ip_literal_needs_no_thread) {
    on_each_loop([](Host& host) {
        Resolver resolver(host.loop());
        Events events;
        auto const before = threads();
        static_cast<void>(resolver.resolve("127.0.0.1", 80)); // nobody asks for it
        resolver.resolve("127.0.0.1", 80, on(events, "v4"));
        resolver.resolve("::1", 443, on(events, "v6"));
        resolver.resolve("fe80::1%lo", 1, on(events, "zone"));
        resolver.resolve("::1", 443, AF_INET, on(events, "other family"));
        BOOST_TEST(events.take() == ""); // never inside the call
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await ask(resolver, "127.0.0.1", 65535, AF_INET) == "127.0.0.1:65535");
        });
        BOOST_TEST(threads() <= before);
        BOOST_TEST(events.take() ==
                   "v4:127.0.0.1:80, v6:[::1]:443, zone:[fe80::1%lo]:1, other family:unknown");
    });
}

BOOST_AUTO_TEST_CASE(a_number_that_is_no_port_is_refused_in_the_caller) {
    Io io;
    Resolver resolver(io.executor());
    for (int const number : {65'536, -1}) {
        int caught = 0;
        io.run_test([&]() -> asio::awaitable<void> {
            try {
                static_cast<void>(co_await resolver.resolve("localhost", number));
            } catch (std::invalid_argument const& e) {
                caught += std::string(e.what()).starts_with("port " + std::to_string(number));
            }
        });
        BOOST_TEST(caught == 1);
        BOOST_CHECK_THROW(OverrideResolver::Key("x", number), std::invalid_argument);
        BOOST_CHECK_THROW(OverrideResolver::Target("x", number), std::invalid_argument);
    }
}

BOOST_AUTO_TEST_CASE(without_descriptors_a_name_is_not_called_unknown_and_a_literal_works) {
    // In a child without threads of its own: the first look-up of a process differs from later
    // ones.
    if (!THREADS_AFTER_FORK)
        return;
    auto const look_up_without_descriptors = []() -> int {
        Io io;
        Resolver resolver(io.executor());
        asio::steady_timer const needs_some(io.context);
        rlimit none{};
        ::getrlimit(RLIMIT_NOFILE, &none);
        none.rlim_cur = 0;
        ::setrlimit(RLIMIT_NOFILE, &none);
        std::string answers;
        for (auto const* host : {"localhost", "127.0.0.1", "::1", "nowhere.invalid", "localhost"})
            resolver.resolve(host, 80, [&](error_code ec, Addresses const& found) {
                answers +=
                    ec == asio::error::no_descriptors ? "no descriptors, " : text(ec, found) + ", ";
            });
        io.run();
        // In an order of their own.
        bool const good =
            answers.find("127.0.0.1:80, ") != answers.npos &&
            answers.find("[::1]:80, ") != answers.npos &&
            answers.size() == "127.0.0.1:80, [::1]:80, "s.size() + 3 * "no descriptors, "s.size();
        std::_Exit(good ? 0 : 1);
    };
    BOOST_TEST(in_child(look_up_without_descriptors) == 0);
    BOOST_TEST(in_child([&] {
                   static_cast<void>(tornado::detail::get_addresses("localhost", 80, AF_UNSPEC, 0));
                   return look_up_without_descriptors();
               }) == 0);
}

BOOST_AUTO_TEST_CASE(without_a_thread_a_look_up_completes_with_the_reason) {
    if (!THREADS_AFTER_FORK)
        return;
    BOOST_TEST(in_child([]() -> int { // has none of the threads that are idle here
                   Io io;
                   Resolver resolver(io.executor());
                   NoThreads const none;
                   error_code told;
                   resolver.resolve("localhost", 80,
                                    [&](error_code ec, Addresses const&) { told = ec; });
                   io.run();
                   std::_Exit(told == error_code(EAGAIN, boost::system::system_category()) ? 0 : 1);
               }) == 0);
}

BOOST_AUTO_TEST_CASE(T180_resolvers_of_loops_on_several_threads) {
    std::vector<std::thread> several;
    std::atomic<int> answers = 0;
    for (int i = 0; i < 4; ++i)
        several.emplace_back([&] {
            IOLoop loop;
            Resolver resolver;
            for (int round = 0; round < 5; ++round)
                loop.run_sync(
                    [&]() -> asio::awaitable<void> {
                        auto const found = co_await resolver.resolve("localhost", 1, AF_INET);
                        answers += found == Addresses{{"127.0.0.1", 1}};
                    },
                    30s);
        });
    for (auto& thread : several)
        thread.join();
    BOOST_TEST(answers == 20);
}

BOOST_AUTO_TEST_CASE(a_resolver_on_plain_asio_and_with_any_token) {
    asio::thread_pool pool(1);
    Resolver resolver(asio::make_strand(pool));
    BOOST_TEST(text(resolver.resolve("localhost", 80, AF_INET, asio::use_future).get()) ==
               "127.0.0.1:80");
    BOOST_TEST(text(resolver.resolve("127.0.0.1", 80, asio::use_future).get()) == "127.0.0.1:80");
}

BOOST_AUTO_TEST_CASE(completion_runs_on_the_handlers_executor) {
    Io io;
    Resolver resolver(io.executor());
    asio::io_context other;
    bool called = false;
    resolver.resolve("127.0.0.1", 80,
                     asio::bind_executor(other, [&](error_code, Addresses) { called = true; }));
    io.run();
    BOOST_TEST(!called);
    other.run_for(30s);
    BOOST_TEST(called);
}

// ---- Subclasses

BOOST_AUTO_TEST_CASE(look_up_gets_the_question_and_answers_when_it_likes) {
    on_each_loop([](Host& host) {
        ScriptedResolver resolver(host.loop());
        Events events;
        resolver.resolve("example.com", 443, AF_INET6, on(events, "first"));
        resolver.resolve("example.org", 80, on(events, "second"));
        BOOST_TEST_REQUIRE(resolver.questions.size() == 2U);
        auto& first = resolver.questions[0];
        BOOST_TEST((first.host == "example.com" && first.port == 443 && first.family == AF_INET6));
        BOOST_TEST(resolver.questions[1].family == AF_UNSPEC);
        BOOST_TEST(first.completion.wanted());
        std::swap(resolver.questions[0], resolver.questions[1]);
        resolver.answer({Address("10.0.0.1", 1), Address("::1", 2)});
        resolver.answer(asio::error::connection_refused);
        BOOST_TEST(events.take() == ""); // never inside the call
        host.check_no_work();
        host.run([&]() -> asio::awaitable<void> {
            resolver.always = {Address("10.0.0.2", 3)};
            BOOST_TEST(co_await ask(resolver, "x", 0) == "10.0.0.2:3");
        });
        BOOST_TEST(events.take() == "second:10.0.0.1:1 [::1]:2, first:refused");
    });
}

BOOST_AUTO_TEST_CASE(only_the_first_answer_counts) {
    Io io;
    ScriptedResolver resolver(io.executor());
    Events events;
    resolver.resolve("x", 80, on(events, "x"));
    auto completion = std::move(resolver.questions[0].completion);
    completion({}, {Address("10.0.0.1", 1)});
    BOOST_TEST(!completion.wanted());
    completion(asio::error::connection_refused);
    io.run();
    completion({}, {});
    io.run();
    BOOST_TEST(events.take() == "x:10.0.0.1:1");
}

BOOST_AUTO_TEST_CASE(an_empty_list_is_an_unknown_host) {
    Io io;
    ScriptedResolver resolver(io.executor());
    Events events;
    resolver.resolve("x", 80, on(events, "x"));
    resolver.answer(Addresses());
    io.run();
    BOOST_TEST(events.take() == "x:unknown");
}

BOOST_AUTO_TEST_CASE(a_completion_that_is_dropped_or_assigned_to_aborts) {
    Io io;
    ScriptedResolver resolver(io.executor());
    Events events;
    for (auto const* name : {"a", "b", "c"})
        resolver.resolve(name, 80, on(events, name));
    resolver.questions[0].completion = std::move(resolver.questions[1].completion);
    io.run_until([&, seen = ""s]() mutable { return (seen += events.take()) == "a:aborted"; });
    resolver.questions.clear();
    io.run();
    BOOST_TEST(events.take() == "b:aborted, c:aborted");
}

BOOST_AUTO_TEST_CASE(an_exception_of_look_up_is_told_to_the_one_who_asked) {
    struct Throwing : Resolver {
        using Resolver::Resolver;
        std::function<void(Completion&)> failure;
        void look_up(std::string, std::uint16_t, int, Completion completion) override {
            failure(completion);
        }
    };
    CapturedLog const log;
    Io io;
    Throwing resolver(io.executor());
    OverrideResolver mapped(resolver, {{"x", "y"}});
    Events events;
    int asked = 0;
    auto const told = [&](std::function<void(Resolver::Completion&)> failure) {
        resolver.failure = std::move(failure);
        auto& asked_of = ++asked % 2 == 0 ? static_cast<Resolver&>(resolver) : mapped;
        asked_of.resolve("x\n", 80, on(events, "x"));
        BOOST_TEST(events.take() == ""); // never inside the call
        io.run();
        return events.take();
    };
    BOOST_TEST(told([](auto&) { throw std::runtime_error("no"); }) ==
               "x:" + word(asio::error::no_recovery));
    BOOST_TEST(told([](auto&) { throw system_error(asio::error::connection_refused); }) ==
               "x:refused");
    BOOST_TEST(told([](auto&) {
                   throw std::system_error(std::make_error_code(std::errc::broken_pipe));
               }) == "x:broken_pipe");
    BOOST_TEST(told([](auto&) { throw std::bad_alloc(); }) == "x:" + word(asio::error::no_memory));
    BOOST_TEST(log.count("Exception in look_up of \"x\\x0a\": std::runtime_error: no") == 1);
    BOOST_TEST(log.lines().size() == 4u);
    // What was answered before stands.
    BOOST_TEST(told([](auto& completion) {
                   completion({}, {Address("10.0.0.1", 1)});
                   throw std::runtime_error("too late");
               }) == "x:10.0.0.1:1");
    BOOST_TEST(log.count("too late") == 1);
    std::vector<Resolver::Completion> kept;
    BOOST_TEST(told([&](auto& completion) {
                   kept.push_back(std::move(completion));
                   throw system_error(asio::error::connection_refused);
               }) == "x:refused");
    kept.clear();
    io.run();
    BOOST_TEST(events.take() == "");
    BOOST_TEST(told([](auto& completion) { auto const dropped = std::move(completion); }) ==
               "x:aborted");
}

BOOST_AUTO_TEST_CASE(a_coroutine_catches_what_look_up_throws) {
    struct Throwing : Resolver {
        using Resolver::Resolver;
        void look_up(std::string, std::uint16_t, int, Completion) override {
            throw std::runtime_error("no");
        }
    };
    on_each_loop([](Host& host) {
        CapturedLog const log;
        Throwing resolver(host.loop());
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await ask(resolver, "x", 80) == word(asio::error::no_recovery));
        });
    });
}

BOOST_AUTO_TEST_CASE(a_look_up_outlives_its_resolver) {
    on_each_loop([](Host& host) {
        Events events;
        Resolver(host.loop()).resolve("localhost", 80, AF_INET, on(events, "x"));
        host.run([&]() -> asio::awaitable<void> {
            Resolver other(host.loop());
            co_await host.until([&] { return events.take() == "x:127.0.0.1:80"; });
        });
    });
}

// ---- Cancellation, and the end of everything

BOOST_AUTO_TEST_CASE(a_look_up_is_work_and_each_kind_of_cancellation_ends_it_at_once) {
    using asio::cancellation_type;
    for (auto const type :
         {cancellation_type::terminal, cancellation_type::partial, cancellation_type::total}) {
        HangingNames slow;
        Io io;
        Resolver resolver(io.executor());
        Events events;
        asio::cancellation_signal signal;
        resolver.resolve("x", 80, asio::bind_cancellation_slot(signal.slot(), on(events, "x")));
        BOOST_TEST(slow.gate.wait_for(1));
        io.poll();
        BOOST_TEST(!io.context.stopped()); // it is work
        signal.emit(type);
        signal.emit(type);
        BOOST_TEST(events.take() == ""); // never inside the call
        io.run();
        BOOST_TEST(events.take() == "x:aborted");
        BOOST_TEST(!signal.slot().has_handler());
        slow.gate.open();
        BOOST_TEST(slow.gate.wait_for(1, 1));
        io.run();
        BOOST_TEST(events.take() == "");
    }
}

BOOST_AUTO_TEST_CASE(a_cancellation_after_the_answer_changes_nothing) {
    Io io;
    ScriptedResolver resolver(io.executor());
    resolver.always = {Address("10.0.0.1", 1)};
    Events events;
    asio::cancellation_signal signal;
    resolver.resolve("x", 80, asio::bind_cancellation_slot(signal.slot(), on(events, "x")));
    signal.emit(asio::cancellation_type::total);
    io.run();
    BOOST_TEST(events.take() == "x:10.0.0.1:1");
}

BOOST_AUTO_TEST_CASE(a_look_up_that_was_cancelled_in_the_queue_is_not_started) {
    HangingNames slow;
    Io io;
    Resolver resolver(io.executor());
    asio::cancellation_signal signal;
    Events events;
    int const at_a_time = 10;
    for (int i = 0; i < at_a_time; ++i)
        resolver.resolve("x", 80, on(events, std::to_string(i)));
    BOOST_TEST(slow.gate.wait_for(at_a_time));
    auto const busy = threads();
    resolver.resolve("y", 80, asio::bind_cancellation_slot(signal.slot(), on(events, "y")));
    resolver.resolve("z", 80, on(events, "z"));
    BOOST_TEST(threads() == busy);
    signal.emit(asio::cancellation_type::total);
    io.run_until([&, seen = ""s]() mutable { return (seen += events.take()) == "y:aborted"; });
    BOOST_TEST(slow.gate.arrived() == at_a_time);
    slow.gate.open();
    io.run();
    BOOST_TEST(slow.gate.arrived() == at_a_time + 1);
    BOOST_TEST(events.take().find("z:127.0.0.1:80") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_context_does_not_wait_for_a_look_up_that_hangs) {
    HangingNames slow;
    std::optional<Resolver> resolver;
    auto const held = std::make_shared<int>();
    auto const begin = std::chrono::steady_clock::now();
    {
        IOLoop loop;
        resolver.emplace(loop);
        resolver->resolve("x", 80, [held](error_code, Addresses) { BOOST_ERROR("called"); });
        loop.add_callback([&loop] { loop.stop(); });
        loop.start();
        BOOST_TEST(slow.gate.wait_for(1));
        BOOST_TEST(held.use_count() == 2);
    }
    BOOST_TEST(held.use_count() == 1);
    BOOST_CHECK(std::chrono::steady_clock::now() - begin < 20s);
    slow.gate.open();
    BOOST_TEST(slow.gate.wait_for(1, 1)); // and comes to nobody
}

// Plain, overriding and of one's own; never used, used, and with a look-up pending.
BOOST_AUTO_TEST_CASE(a_resolver_that_outlives_its_context_is_closed) {
    for (int stage = 0; stage < 3; ++stage)
        for (bool const used_after : {false, true}) {
            auto io = std::make_unique<Io>();
            Resolver plain(asio::make_strand(io->context));
            ScriptedResolver scripted(io->executor());
            OverrideResolver overriding(scripted, {{"x", "y"}});
            Resolver* const all[] = {&plain, &scripted, &overriding};
            Uncalled const uncalled;
            if (stage == 1) {
                scripted.always = {Address("127.0.0.1", 1)};
                for (auto* const each : all)
                    io->run_test([&]() -> asio::awaitable<void> {
                        BOOST_TEST((co_await ask(*each, "localhost", 1, AF_INET)) == "127.0.0.1:1");
                    });
            }
            if (stage == 2)
                for (auto* const each : all)
                    each->resolve("localhost", 80, uncalled.handler());
            io.reset();
            BOOST_TEST(uncalled.left() == 0);
            if (!used_after)
                continue;
            for (auto* const each : all) {
                each->resolve("localhost", 80, uncalled.handler());
                each->resolve("127.0.0.1", 80, uncalled.handler());
                each->close();
                BOOST_TEST(uncalled.left() == 0);
            }
            for (auto& question : scripted.questions) {
                BOOST_TEST(!question.completion.wanted());
                question.completion({}, {Address("127.0.0.1", 1)});
            }
        }
}

BOOST_AUTO_TEST_CASE(answers_race_with_the_end_of_the_context) {
    struct Quick : Resolver {
        using Resolver::Resolver;
        void look_up(std::string, std::uint16_t, int, Completion completion) override {
            tornado::detail::run_detached([completion = std::move(completion)](error_code) mutable {
                completion({}, {Address("127.0.0.1", 1)});
            });
        }
    };
    auto const held = std::make_shared<int>();
    int answered = 0;
    for (int round = 0; round < 300; ++round) {
        asio::io_context context;
        Quick plain(context.get_executor());
        Quick strand(asio::make_strand(context));
        for (auto* const resolver : {&plain, &strand, &plain, &strand})
            resolver->resolve("x", 1, [&, held](error_code, Addresses) { ++answered; });
        for (int turns = round % 7; turns > 0; --turns)
            context.poll_one();
    }
    BOOST_TEST(held.use_count() == 1);
    BOOST_TEST_MESSAGE(answered << " of 1200 answers came in time");
}

BOOST_AUTO_TEST_CASE(a_process_that_exits_does_not_wait_for_a_look_up_that_hangs) {
    if (!THREADS_AFTER_FORK)
        return;
    BOOST_TEST(in_child([] {
                   static IOLoop loop;
                   static auto* const slow = new HangingNames; // never opens the gate
                   static Resolver resolver(loop);
                   resolver.resolve("x", 80, [](error_code, Addresses) {});
                   loop.run_sync([] { slow->gate.wait_for(1); });
                   return 42;
               }) == 42);
}

// A child process has no threads of other tests.
BOOST_AUTO_TEST_CASE(a_look_up_is_answered_after_all_threads_have_gone_home) {
    if (!THREADS_AFTER_FORK)
        return;
    BOOST_TEST(in_child([] {
                   detail::thread_patience = 1ms;
                   Io io;
                   Resolver resolver(io.executor());
                   for (int round = 1; round <= 3; ++round) {
                       std::string answers;
                       for (int several = 0; several < 3; ++several)
                           resolver.resolve("localhost", 80, AF_INET,
                                            [&](error_code ec, Addresses const& found) {
                                                answers += text(ec, found) + ' ';
                                            });
                       io.context.restart();
                       io.context.run_for(30s);
                       if (answers != "127.0.0.1:80 127.0.0.1:80 127.0.0.1:80 ")
                           return round;
                       auto const deadline = std::chrono::steady_clock::now() + 30s;
                       while (threads() != 1 || detail::detached_threads() != 0)
                           if (std::chrono::steady_clock::now() > deadline)
                               return 10 + round;
                   }
                   return 42;
               }) == 42);
}

BOOST_AUTO_TEST_CASE(a_child_process_has_threads_of_its_own) {
    if (!THREADS_AFTER_FORK)
        return;
    auto const resolve = [] {
        Io io;
        Resolver resolver(io.executor());
        Events events;
        resolver.resolve("localhost", 80, AF_INET, on(events, "x"));
        io.run();
        return events.take() == "x:127.0.0.1:80" ? 0 : 1;
    };
    BOOST_TEST(resolve() == 0); // there is an idle thread now
    BOOST_TEST(in_child([&]() -> int {
                   // What threads of the parent held when it forked is nobody's here: no leak
                   // check.
                   std::_Exit(resolve() + in_child([&]() -> int { std::_Exit(resolve()); }));
               }) == 0);
    BOOST_TEST(resolve() == 0);
}

// ---- OverrideResolver

BOOST_AUTO_TEST_CASE(T179_the_key_that_says_most_counts) {
    on_each_loop([](Host& host) {
        ScriptedResolver inner(host.loop());
        OverrideResolver resolver(inner, {{"a", "host"},
                                          {{"a", 80}, {"port", 8080}},
                                          {{"a", 80, AF_INET}, {"family", 8081}},
                                          {{"b", 80, AF_INET6}, "b6"},
                                          {{"c", 80, AF_UNSPEC}, "any"}});
        auto const asked = [&](std::string name, std::uint16_t port, int family = AF_UNSPEC) {
            resolver.resolve(std::move(name), port, family, [](error_code, Addresses) {});
            auto const question = std::move(inner.questions.front());
            inner.questions.pop_front();
            BOOST_TEST(question.family == family);
            return question.host + ":" + std::to_string(question.port);
        };
        BOOST_TEST(asked("a", 80, AF_INET) == "family:8081");
        BOOST_TEST(asked("a", 80, AF_INET6) == "port:8080");
        BOOST_TEST(asked("a", 80) == "port:8080");
        BOOST_TEST(asked("a", 81, AF_INET) == "host:81");
        BOOST_TEST(asked("a", 81) == "host:81");
        BOOST_TEST(asked("b", 80, AF_INET6) == "b6:80");
        BOOST_TEST(asked("b", 80) == "b:80");
        BOOST_TEST(asked("c", 80) == "any:80");
        BOOST_TEST(asked("c", 80, AF_INET) == "c:80");
        BOOST_TEST(asked("host", 80) == "host:80"); // what it gives is not looked for again
    });
}

BOOST_AUTO_TEST_CASE(T179_what_is_given_may_be_a_literal_or_a_name) {
    on_each_loop([](Host& host) {
        auto const system = std::make_shared<Resolver>(host.loop());
        OverrideResolver resolver(system, {{"literal", "127.0.1.1"}, {"name", "localhost"}});
        host.run([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await ask(resolver, "literal", 80) == "127.0.1.1:80");
            BOOST_TEST(co_await ask(resolver, "name", 80, AF_INET) == "127.0.0.1:80");
            BOOST_TEST(co_await ask(resolver, "localhost", 81, AF_INET) == "127.0.0.1:81");
        });
    });
}

BOOST_AUTO_TEST_CASE(overriding_resolvers_can_be_stacked_closed_and_cancelled) {
    Io io;
    auto const inner = std::make_shared<ScriptedResolver>(io.executor());
    auto const middle =
        std::make_shared<OverrideResolver>(inner, OverrideResolver::Mapping{{"b", "c"}});
    OverrideResolver outer(middle, {{"a", "b"}});
    Events events;
    asio::cancellation_signal signal;
    outer.resolve("a", 80, asio::bind_cancellation_slot(signal.slot(), on(events, "a")));
    BOOST_TEST_REQUIRE(inner->questions.size() == 1U);
    BOOST_TEST(inner->questions[0].host == "c");
    signal.emit(asio::cancellation_type::partial);
    io.run(); // nothing is left to wait for, although nobody has answered
    BOOST_TEST(events.take() == "a:aborted");
    BOOST_TEST(!inner->questions[0].completion.wanted());
    outer.close();
    BOOST_TEST(inner->closed == 1);
}

BOOST_AUTO_TEST_SUITE_END()
