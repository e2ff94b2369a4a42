// SPDX-License-Identifier: BSL-1.0
// Subprocess: what a program is started with, its pipes, its end, and everything that goes wrong.
#include "tornado/process.hpp"

#include "tornado/testing.hpp"

#include "support/descriptors.hpp"
#include "support/events.hpp"
#include "support/host.hpp"
#include "support/io.hpp"
#include "support/processes.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <tuple>
#include <unistd.h>
#include <vector>

using namespace tornado;
using namespace tornado::test;

namespace {

constexpr auto as_tuple = asio::as_tuple(asio::use_awaitable);

std::vector<std::string> sh(std::string script) {
    return {"sh", "-c", std::move(script)};
}

/// All that a script writes to stdout. (g++ 12 destroys temporary options of a co_await twice.)
asio::awaitable<std::string> output(Host& host, std::string script, SubprocessOptions options) {
    options.stdout_ = Subprocess::STREAM;
    Subprocess program(host.loop(), sh(std::move(script)), options);
    auto text = co_await program.stdout_stream()->read_until_close();
    co_await program.wait_for_exit();
    co_return text;
}

asio::awaitable<std::string> output(Host& host, std::string script) {
    return output(host, std::move(script), SubprocessOptions());
}

/// Until the program has ended; its status stays to be taken.
void await_end(Subprocess const& program) {
    siginfo_t info;
    ::waitid(P_PID, static_cast<id_t>(program.pid()), &info, WEXITED | WNOWAIT);
}

bool has(std::string const& text, std::string const& part) {
    return text.find(part) != text.npos;
}

/// what() of the system_error or invalid_argument with which a program is not started; and nothing
/// may stay open.
std::string failure(IOLoop& loop, std::vector<std::string> const& arguments,
                    SubprocessOptions const& options = {}) {
    auto const before = open_descriptors();
    std::string text = "it was started";
    try {
        Subprocess const program(loop, arguments, options);
    } catch (std::exception const& e) {
        text = e.what();
    }
    BOOST_TEST(open_descriptors() == before);
    return text;
}

std::atomic<int> looks = 0; // calls of waitid
bool knows_pidfd = true;    // waitid does

SubprocessOptions const all_streams{
    .stdin_ = Subprocess::STREAM, .stdout_ = Subprocess::STREAM, .stderr_ = Subprocess::STREAM};

} // namespace

// The test's waitid stands before the C library's, to count and to be an older kernel's.
extern "C" int waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
    constexpr auto by_pidfd = static_cast<idtype_t>(3);
    ++looks;
    if (type == by_pidfd && !knows_pidfd) {
        errno = EINVAL;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_waitid, type, id, info, options, nullptr));
}

BOOST_AUTO_TEST_SUITE(process)

// ---- Pipes

BOOST_AUTO_TEST_CASE(T196_a_dialogue_with_a_program) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            Subprocess program(host.loop(), sh("while read line; do echo \"you said $line\"; done"),
                               {.stdin_ = Subprocess::STREAM,
                                .stdout_ = Subprocess::STREAM,
                                .stderr_ = Subprocess::to_stdout});
            for (auto const* const line : {"one", "two"}) {
                program.stdin_stream()->write(line + std::string("\n"));
                auto const answer = co_await program.stdout_stream()->read_until("\n");
                BOOST_TEST(answer == "you said " + std::string(line) + "\n");
            }
            BOOST_TEST(!program.stderr_stream());
            program.stdin_stream()->close();
            BOOST_TEST(co_await program.stdout_stream()->read_until_close() == "");
            BOOST_TEST(co_await program.wait_for_exit() == 0);
        });
    });
}

BOOST_AUTO_TEST_CASE(T197_a_program_sees_that_its_input_ends) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            Subprocess program(host.loop(), {"cat"}, all_streams);
            program.stdin_stream()->write(std::string(200'000, 'x'));
            program.stdin_stream()->close_after_flush();
            auto const text = co_await program.stdout_stream()->read_until_close();
            BOOST_TEST(text.size() == 200'000U);
            BOOST_TEST(co_await program.wait_for_exit() == 0);
        });
    });
}

BOOST_AUTO_TEST_CASE(T197_stderr_is_a_stream_of_its_own) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            Subprocess program(host.loop(), sh("echo to stderr >&2; echo to stdout"), all_streams);
            BOOST_TEST(co_await program.stderr_stream()->read_until_close() == "to stderr\n");
            BOOST_TEST(co_await program.stdout_stream()->read_until_close() == "to stdout\n");
            co_await program.wait_for_exit();
        });
    });
}

BOOST_AUTO_TEST_CASE(a_program_that_closes_its_input_breaks_the_pipe) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            Subprocess program(host.loop(), sh("exec <&-; echo closed; read line"),
                               {.stdin_ = Subprocess::STREAM, .stdout_ = Subprocess::STREAM});
            co_await program.stdout_stream()->read_until("\n");
            auto const [ec] =
                co_await program.stdin_stream()->write(std::string(1'000'000, 'x'), as_tuple);
            BOOST_TEST(ec == asio::error::broken_pipe);
            co_await program.wait_for_exit(false);
        });
    });
}

BOOST_AUTO_TEST_CASE(a_program_that_writes_without_end_waits_for_the_reader) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            constexpr std::size_t limit = 256 * 1024;
            Subprocess program(
                host.loop(), {"cat", "/dev/zero"},
                {.stdout_ = Subprocess::STREAM, .streams = {.max_buffer_size = limit}});
            std::size_t received = 0;
            while (received < 64 * limit)
                received += (co_await program.stdout_stream()->read_bytes(limit, true)).size();
            BOOST_TEST(!program.returncode());
            program.kill();
            BOOST_TEST(co_await program.wait_for_exit(false) == -SIGKILL);
            // What has come of the rest is all there is.
            auto const rest = co_await program.stdout_stream()->read_until_close();
            BOOST_TEST(rest.size() <= limit + 64 * 1024);
        });
    });
}

BOOST_AUTO_TEST_CASE(the_exit_does_not_wait_for_a_grandchild_that_has_the_pipe) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            Subprocess program(host.loop(), sh("sleep 60 & echo $!; echo last; exit 3"),
                               {.stdout_ = Subprocess::STREAM});
            BOOST_TEST(co_await program.wait_for_exit(false) == 3);
            auto const stream = program.stdout_stream();
            auto const grandchild = std::stoi(co_await stream->read_until("\n"));
            BOOST_TEST(co_await stream->read_until("\n") == "last\n");
            bool ended = false;
            stream->set_close_callback([&] { ended = true; });
            co_await asio::post(host.context(), asio::use_awaitable);
            BOOST_TEST(!ended);
            ::kill(grandchild, SIGKILL);
            co_await host.until([&] { return ended; });
        });
    });
}

// ---- What a program is started with

BOOST_AUTO_TEST_CASE(streams_are_there_where_they_were_asked_for) {
    Io io;
    Subprocess program(io.executor(), {"true"}, {.stdout_ = Subprocess::STREAM});
    BOOST_TEST(!program.stdin_stream());
    BOOST_TEST(program.stdout_stream().get() != nullptr);
    BOOST_TEST(!program.stderr_stream());
    BOOST_TEST(program.pid() > 0);
    BOOST_TEST((program.get_executor() == asio::any_io_executor(io.executor())));
    await_end(program);
}

BOOST_AUTO_TEST_CASE(the_default_loop_is_the_current_one) {
    LoopFixture test(10s);
    Subprocess program({"true"});
    BOOST_TEST(test.run([&] { return program.wait_for_exit(asio::use_awaitable); }) == 0);
}

BOOST_AUTO_TEST_CASE(null_reads_nothing_and_takes_all) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            SubprocessOptions const nulls{.stdin_ = Subprocess::null, .stderr_ = Subprocess::null};
            auto const text = co_await output(host, "cat; echo lost >&2; echo kept", nulls);
            BOOST_TEST(text == "kept\n");
        });
    });
}

BOOST_AUTO_TEST_CASE(stderr_follows_stdout) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            SubprocessOptions const together{.stderr_ = Subprocess::to_stdout};
            auto const text = co_await output(host, "echo one; echo two >&2; echo three", together);
            BOOST_TEST(text == "one\ntwo\nthree\n");
        });
    });
}

BOOST_AUTO_TEST_CASE(stderr_follows_a_stdout_that_is_inherited) {
    Report report;
    Forked process([&] {
        ::dup2(report.write_end(), STDOUT_FILENO);
        Io io;
        Subprocess program(io.executor(), sh("echo to stderr >&2"),
                           {.stderr_ = Subprocess::to_stdout});
        program.wait_for_exit([](error_code, int) {});
        io.run();
        return 0;
    });
    BOOST_TEST(report.line() == "to stderr");
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_CASE(a_given_descriptor_stays_its_owners) {
    on_each_loop([](Host& host) {
        int ends[2];
        BOOST_TEST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        BOOST_TEST(::write(ends[1], "input\n", 6) == 6);
        host.run([&]() -> asio::awaitable<void> {
            SubprocessOptions const given{.stdin_ = ends[0]};
            auto const text = co_await output(host, "read line; echo got $line", given);
            BOOST_TEST(text == "got input\n");
        });
        BOOST_TEST(::fcntl(ends[0], F_GETFD) == FD_CLOEXEC);
        ::close(ends[0]);
        ::close(ends[1]);
    });
}

BOOST_AUTO_TEST_CASE(standard_descriptors_can_change_places) {
    Report out;
    Report err;
    Forked process([&] {
        ::dup2(out.write_end(), 1);
        ::dup2(err.write_end(), 2);
        Io io;
        Subprocess program(io.executor(), sh("echo to stdout; echo to stderr >&2"),
                           {.stdout_ = STDERR_FILENO, .stderr_ = STDOUT_FILENO});
        int code = 1;
        program.wait_for_exit([&](error_code, int result) { code = result; });
        io.run();
        return code;
    });
    BOOST_TEST(out.line() == "to stderr");
    BOOST_TEST(err.line() == "to stdout");
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_CASE(pipes_work_where_the_standard_descriptors_are_closed) {
    Forked process([&] {
        for (int const fd : {0, 1, 2})
            ::close(fd);
        Io io;
        Subprocess program(io.executor(), {"cat"}, all_streams);
        std::string text;
        program.stdin_stream()->write("through\n");
        program.stdin_stream()->close_after_flush();
        program.stdout_stream()->read_until_close(
            [&](error_code, std::string const& all) { text = all; });
        int code = 1;
        program.wait_for_exit([&](error_code, int result) { code = result; });
        io.run();
        return code == 0 && text == "through\n" ? 0 : 1;
    });
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_CASE(no_other_descriptor_reaches_the_program) {
    on_each_loop([](Host& host) {
        int const inheritable = ::open("/dev/null", O_RDONLY);
        int const high = ::fcntl(inheritable, F_DUPFD, 200);
        BOOST_TEST_REQUIRE(high >= 200);
        host.run([&]() -> asio::awaitable<void> {
            // ls opens the fourth one itself.
            BOOST_TEST(co_await output(host, "exec ls /proc/self/fd") == "0\n1\n2\n3\n");
        });
        ::close(inheritable);
        ::close(high);
    });
}

BOOST_AUTO_TEST_CASE(no_signal_is_blocked_and_none_ignored_for_the_pipes_sake) {
    Forked process([] {
        sigset_t all;
        ::sigfillset(&all);
        ::sigprocmask(SIG_SETMASK, &all, nullptr);
        std::signal(SIGPIPE, SIG_IGN);
        Io io;
        Events events;
        // Not in a shell, which unblocks all signals by itself.
        Subprocess shown(io.executor(), {"grep", "SigBlk", "/proc/self/status"},
                         {.stdout_ = Subprocess::STREAM});
        shown.stdout_stream()->read_until_close(events.on("mask"));
        io.run();
        Subprocess killed(io.executor(), sh("kill -PIPE $$"));
        killed.wait_for_exit(false, events.on("end"));
        io.run();
        return events.take() == "mask:SigBlk:\t0000000000000000\n, end:-13" ? 0 : 1;
    });
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_CASE(the_environment_is_inherited_or_replaced) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            auto const script = "echo ${A-none} ${B-none} ${PATH-none}";
            SubprocessOptions options;
            BOOST_TEST_REQUIRE(options.env.contains("PATH"));
            auto const path = options.env["PATH"];
            BOOST_TEST(co_await output(host, script) == "none none " + path + "\n");
            options.env["A"] = "a=1";
            BOOST_TEST(co_await output(host, script, options) == "a=1 none " + path + "\n");
            options.env = {{"B", "b b"}, {"PATH", ""}};
            BOOST_TEST(co_await output(host, script, options) == "none b b\n");
            options.env.clear();
            options.stdout_ = Subprocess::STREAM;
            Subprocess bare(host.loop(), {"env"}, options);
            BOOST_TEST(co_await bare.stdout_stream()->read_until_close() == "");
        });
    });
}

BOOST_AUTO_TEST_CASE(a_program_runs_in_its_directory) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            auto const here = std::filesystem::current_path().string();
            BOOST_TEST(co_await output(host, "pwd -P") == here + "\n");
            SubprocessOptions const at_root{.cwd = "/"};
            BOOST_TEST(co_await output(host, "pwd -P", at_root) == "/\n");
        });
    });
}

// ---- The end

BOOST_AUTO_TEST_CASE(T198_the_callback_gets_the_code) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            for (int const code : {0, 1, 255}) {
                Subprocess program(host.loop(), sh("exit " + std::to_string(code)));
                std::optional<int> told;
                program.set_exit_callback([&](int returncode) { told = returncode; });
                co_await host.until([&] { return told.has_value(); });
                BOOST_TEST((told == code));
                BOOST_TEST((program.returncode() == code));
            }
        });
    });
}

BOOST_AUTO_TEST_CASE(T199_a_signal_is_a_negative_code) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            for (int const signal : {SIGTERM, SIGKILL, SIGUSR1}) {
                Subprocess program(host.loop(), {"sleep", "60"});
                BOOST_TEST(!program.returncode());
                if (signal == SIGTERM)
                    program.terminate();
                else if (signal == SIGKILL)
                    program.kill();
                else
                    program.send_signal(signal);
                auto const [ec, code] = co_await program.wait_for_exit(as_tuple);
                BOOST_TEST(code == -signal);
                BOOST_TEST((ec == error_code(-signal, exit_category())));
                BOOST_TEST((program.returncode() == -signal));
                program.kill(); // nothing happens to whoever has that number now
                program.send_signal(0);
            }
        });
    });
}

BOOST_AUTO_TEST_CASE(T200_an_end_that_is_not_0_is_an_error_unless_that_is_not_wanted) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            Subprocess good(host.loop(), {"true"});
            BOOST_TEST(co_await good.wait_for_exit() == 0);
            Subprocess bad(host.loop(), sh("exit 3"));
            BOOST_TEST(co_await bad.wait_for_exit(false) == 3);
            try {
                co_await bad.wait_for_exit();
                BOOST_ERROR("no exception");
            } catch (system_error const& e) {
                BOOST_TEST(e.code().value() == 3);
                BOOST_TEST((e.code().category() == exit_category()));
                BOOST_TEST(has(e.what(), "The program exited with status 3"));
            }
            auto const [ec, code] = co_await bad.wait_for_exit(true, as_tuple);
            BOOST_TEST(ec.value() == 3);
            BOOST_TEST(code == 3);
        });
    });
}

BOOST_AUTO_TEST_CASE(T200_the_messages_say_how_it_ended) {
    BOOST_TEST(exit_category().message(1) == "The program exited with status 1");
    BOOST_TEST(exit_category().message(-9) == "The program was killed by signal 9 (Killed)");
    BOOST_TEST(std::string(exit_category().name()) == "tornado.exit");
}

BOOST_AUTO_TEST_CASE(T201_a_program_that_ended_before_is_reported_and_later) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            Subprocess program(host.loop(), sh("exit 5"));
            await_end(program);
            for (int times = 0; times < 2; ++times) {
                std::string told;
                program.set_exit_callback([&](int code) { told += std::to_string(code); });
                program.wait_for_exit([&](error_code ec, int) { told += " " + ec.message(); });
                BOOST_TEST(told == ""); // not inside the call
                co_await host.until([&] { return told.size() > 1; });
                BOOST_TEST(told == "5 The program exited with status 5");
            }
        });
    });
}

BOOST_AUTO_TEST_CASE(T202_each_end_is_told_on_the_subprocesss_own_loop) {
    // The main thread's loop handles SIGCHLD.
    IOLoop main;
    std::atomic<int> signals = 0;
    main.add_signal_handler(SIGCHLD, [&] { ++signals; });
    std::vector<std::thread> threads;
    std::atomic<int> right = 0;
    for (int code = 1; code <= 3; ++code)
        threads.emplace_back([&, code] {
            IOLoop loop;
            Subprocess program(sh("exit " + std::to_string(code)));
            program.set_exit_callback([&](int told) {
                right += told == code && IOLoop::current_if_any() == &loop;
                loop.stop();
            });
            loop.start();
        });
    Subprocess program(sh("exit 4"));
    program.set_exit_callback([&](int told) {
        right += told == 4 && IOLoop::current_if_any() == &main;
        main.stop();
    });
    main.start();
    for (auto& thread : threads)
        thread.join();
    BOOST_TEST(right == 4);
}

BOOST_AUTO_TEST_CASE(stopping_and_continuing_is_no_end) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            Subprocess program(host.loop(), {"cat"}, all_streams);
            std::optional<int> told;
            program.set_exit_callback([&](int code) { told = code; });
            program.send_signal(SIGSTOP);
            siginfo_t info;
            ::waitid(P_PID, static_cast<id_t>(program.pid()), &info, WSTOPPED | WNOWAIT);
            co_await asio::post(host.context(), asio::use_awaitable);
            BOOST_TEST(!told.has_value());
            BOOST_TEST(!program.returncode());
            program.send_signal(SIGCONT);
            program.stdin_stream()->write("still here\n");
            BOOST_TEST(co_await program.stdout_stream()->read_until("\n") == "still here\n");
            BOOST_TEST(!told.has_value());
            program.stdin_stream()->close();
            co_await host.until([&] { return told.has_value(); });
            BOOST_TEST((told == 0));
        });
    });
}

BOOST_AUTO_TEST_CASE(another_child_is_left_to_its_owner) {
    on_each_loop([](Host& host) {
        struct sigaction before {};
        ::sigaction(SIGCHLD, nullptr, &before);
        auto const other = ::fork();
        if (other == 0)
            ::_exit(9);
        host.run([&]() -> asio::awaitable<void> {
            Subprocess program(host.loop(), {"true"});
            co_await program.wait_for_exit();
        });
        int status = 0;
        BOOST_TEST(::waitpid(other, &status, 0) == other);
        BOOST_TEST(WEXITSTATUS(status) == 9);
        struct sigaction after {};
        ::sigaction(SIGCHLD, nullptr, &after);
        BOOST_TEST((before.sa_handler == after.sa_handler));
    });
}

BOOST_AUTO_TEST_CASE(a_status_that_somebody_else_took_is_an_error) {
    on_each_loop([](Host& host) {
        CapturedLog const log;
        host.run([&]() -> asio::awaitable<void> {
            Subprocess program(host.loop(), sh("exit 3"));
            int status = 0;
            ::waitpid(program.pid(), &status, 0);
            auto const [ec, code] = co_await program.wait_for_exit(as_tuple);
            BOOST_TEST((ec == boost::system::errc::no_child_process));
            BOOST_TEST(code == 255);
            BOOST_TEST((program.returncode() == 255));
            program.kill();
        });
        BOOST_TEST(log.count("was taken by somebody else") == 1);
    });
}

// ---- Waiting

BOOST_AUTO_TEST_CASE(any_number_of_waits_ends_at_once) {
    on_each_loop([](Host& host) {
        host.run([&]() -> asio::awaitable<void> {
            Subprocess program(host.loop(), {"cat"}, all_streams);
            int ended = 0;
            for (int i = 0; i < 3; ++i)
                program.wait_for_exit([&](error_code ec, int code) { ended += !ec && code == 0; });
            program.set_exit_callback([&](int) { ++ended; });
            co_await asio::post(host.context(), asio::use_awaitable);
            BOOST_TEST(ended == 0);
            program.stdin_stream()->close();
            co_await host.until([&] { return ended == 4; });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_wait_that_is_cancelled_leaves_the_others_and_the_program_alone) {
    Io io;
    Events events;
    Subprocess program(io.executor(), {"cat"}, {.stdin_ = Subprocess::STREAM});
    asio::cancellation_signal cancel;
    program.wait_for_exit(asio::bind_cancellation_slot(cancel.slot(), events.on("first")));
    program.wait_for_exit(events.on("second"));
    io.poll();
    cancel.emit(asio::cancellation_type::terminal);
    BOOST_TEST(events.take() == "");
    io.poll();
    BOOST_TEST(events.take() == "first!aborted");
    program.stdin_stream()->close();
    io.run();
    BOOST_TEST(events.take() == "second:0");
}

BOOST_AUTO_TEST_CASE(without_a_wait_there_is_no_work) {
    Io io;
    Subprocess program(io.executor(), {"cat"}, {.stdin_ = Subprocess::STREAM});
    auto const input = program.stdin_stream()->release(); // a stream waits for its own end
    io.run();
    asio::cancellation_signal cancel;
    program.wait_for_exit(asio::bind_cancellation_slot(cancel.slot(), [](error_code, int) {}));
    program.set_exit_callback([](int) {});
    cancel.emit(asio::cancellation_type::terminal);
    program.set_exit_callback(nullptr);
    io.run();
    ::close(input);
    await_end(program);
}

BOOST_AUTO_TEST_CASE(the_last_callback_counts) {
    Io io;
    Events events;
    Subprocess program(io.executor(), {"true"});
    program.set_exit_callback([&](int) { events.add("first"); });
    program.set_exit_callback([&](int) { events.add("second"); });
    io.run();
    BOOST_TEST(events.take() == "second");
    program.set_exit_callback([&](int) { events.add("third"); });
    program.set_exit_callback([&](int) { events.add("fourth"); });
    io.run();
    BOOST_TEST(events.take() == "fourth");
}

// ---- Lifetimes

BOOST_AUTO_TEST_CASE(waits_outlive_the_subprocess_and_its_callback_does_not) {
    Io io;
    Events events;
    {
        Subprocess program(io.executor(), sh("exit 2"));
        program.wait_for_exit(false, events.on("wait"));
        program.set_exit_callback([&](int) { events.add("callback"); });
    }
    io.run();
    BOOST_TEST(events.take() == "wait:2");
}

BOOST_AUTO_TEST_CASE(a_subprocess_may_be_destroyed_in_its_callback_and_in_a_waits_handler) {
    for (bool const in_callback : {true, false}) {
        Io io;
        auto program = std::make_unique<Subprocess>(io.executor(), sh("exit 2"));
        auto const destroy = [&] { program.reset(); };
        if (in_callback)
            program->set_exit_callback([&](int) { destroy(); });
        else
            program->wait_for_exit([&](error_code, int) { destroy(); });
        io.run();
        BOOST_TEST(!program);
    }
}

BOOST_AUTO_TEST_CASE(a_subprocess_can_be_moved_with_all_that_waits) {
    Io io;
    Events events;
    Subprocess program(io.executor(), sh("exit 2"), {.stdout_ = Subprocess::STREAM});
    program.set_exit_callback([&](int) { events.add("callback"); });
    auto moved = std::move(program);
    BOOST_TEST(moved.stdout_stream().get() != nullptr);
    io.run();
    BOOST_TEST(events.take() == "callback");
    BOOST_TEST((moved.returncode() == 2));
}

BOOST_AUTO_TEST_CASE(a_context_may_end_before_the_subprocess_and_the_program) {
    auto io = std::make_unique<Io>();
    Subprocess program(io->executor(), {"cat"}, {.stdin_ = Subprocess::STREAM});
    auto const input = program.stdin_stream()->release();
    auto const kept = std::make_shared<int>();
    program.wait_for_exit([kept](error_code, int) {});
    program.set_exit_callback([kept](int) {});
    io->poll();
    io.reset();
    BOOST_TEST(kept.use_count() == 1);
    BOOST_TEST(!program.returncode());
    program.wait_for_exit([kept](error_code, int) { BOOST_ERROR("called"); });
    program.set_exit_callback([kept](int) { BOOST_ERROR("called"); });
    BOOST_TEST(kept.use_count() == 1);
    auto moved = std::move(program);
    moved.send_signal(0);
    moved.set_exit_callback(nullptr);
    ::close(input);
    await_end(moved);
    BOOST_TEST((moved.returncode() == 0));
    moved.wait_for_exit([kept](error_code, int) { BOOST_ERROR("called"); });
    moved.set_exit_callback([kept](int) { BOOST_ERROR("called"); });
    BOOST_TEST(kept.use_count() == 1);
}

// Its callback holds the Subprocess.
BOOST_AUTO_TEST_CASE(a_context_that_ends_releases_the_callback) {
    auto io = std::make_unique<Io>();
    auto program = std::make_shared<Subprocess>(io->executor(), sh("exit 2"));
    std::weak_ptr<Subprocess> const watched = program;
    auto* const raw = program.get();
    raw->set_exit_callback([held = std::move(program)](int) {});
    BOOST_TEST(!watched.expired());
    io.reset();
    BOOST_TEST(watched.expired());
}

BOOST_AUTO_TEST_CASE(a_loop_may_be_closed_while_a_program_runs) {
    std::optional<IOLoop> loop(std::in_place);
    Subprocess program({"sleep", "60"});
    program.set_exit_callback([](int) { BOOST_ERROR("the loop is closed"); });
    program.wait_for_exit([](error_code, int) { BOOST_ERROR("the loop is closed"); });
    loop->run_sync([] {});
    loop->close();
    loop.reset();
    BOOST_TEST(!program.returncode());
    program.kill();
    await_end(program);
    BOOST_TEST((program.returncode() == -SIGKILL));
}

BOOST_AUTO_TEST_CASE(a_program_that_nobody_waits_for_leaves_no_zombie_for_long) {
    while (::waitpid(-1, nullptr, 0) > 0) { // earlier tests' would be let go in this one's count
    }
    Io io;
    pid_t pid = 0;
    {
        Subprocess program(io.executor(), {"cat"}, {.stdin_ = Subprocess::STREAM});
        pid = program.pid();
    } // its input ends here
    siginfo_t info;
    BOOST_TEST(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
    auto const before = open_descriptors();
    Subprocess next(io.executor(), {"true"});
    BOOST_TEST(::kill(pid, 0) == -1);
    await_end(next);
    BOOST_TEST(open_descriptors() == before); // one has gone, one has come
}

// ---- Failures

BOOST_AUTO_TEST_CASE(T203_a_program_that_is_not_there_is_named_at_once_and_nothing_leaks) {
    IOLoop loop;
    auto text = failure(loop, {"no-such-program"}, all_streams);
    BOOST_TEST(has(text, "cannot start \"no-such-program\", which is in no directory of PATH"));
    BOOST_TEST(has(text, "No such file"));
    text = failure(loop, {"/no/such/program"}, all_streams);
    BOOST_TEST(has(text, "\"/no/such/program\""));
    text = failure(loop, {"/etc/passwd"}, all_streams);
    BOOST_TEST(has(text, "\"/etc/passwd\", which this user may not execute"));
    text = failure(loop, {"true"}, {.stdin_ = Subprocess::STREAM, .cwd = "/no/such/directory"});
    BOOST_TEST(has(text, "its directory \"/no/such/directory\" cannot be entered"));
    text = failure(loop, {"true"}, {.cwd = "/etc/passwd"});
    BOOST_TEST(has(text, "its directory \"/etc/passwd\" cannot be entered"));
    auto const circle =
        std::filesystem::temp_directory_path() / ("circle" + std::to_string(::getpid()));
    std::filesystem::create_symlink(circle, circle);
    text = failure(loop, {"true"}, {.cwd = circle.string()});
    std::filesystem::remove(circle);
    BOOST_TEST(has(text, "its directory \"" + circle.string() + "\" cannot be entered"));
    text = failure(loop, {"no-such-program"}, {.cwd = "/"});
    BOOST_TEST(has(text, "in no directory of PATH"));
    text = failure(loop, {"true", std::string(8 << 20, 'x')}, all_streams);
    BOOST_TEST(has(text, "too long"));
}

BOOST_AUTO_TEST_CASE(arguments_without_sense_are_refused) {
    IOLoop loop;
    using namespace std::string_literals;
    BOOST_TEST(has(failure(loop, {}), "there is no program"));
    BOOST_TEST(has(failure(loop, {""}), "there is no program"));
    BOOST_TEST(has(failure(loop, {"echo", "a\0b"s}), "an argument has a NUL"));
    BOOST_TEST(has(failure(loop, {"echo"}, {.cwd = "/\0x"s}), "cwd has a NUL"));
    SubprocessOptions options = all_streams;
    options.env = {{"A=B", "c"}};
    BOOST_TEST(has(failure(loop, {"echo"}, options), "\"A=B\" in env"));
    options.env = {{"A", "b\0"s}};
    BOOST_TEST(has(failure(loop, {"echo"}, options), "a variable in env has a NUL"));
    options.env.clear();
    options.stdout_ = Subprocess::to_stdout;
    BOOST_TEST(has(failure(loop, {"echo"}, options), "to_stdout is for stderr"));
    options.stdout_ = 9999;
    BOOST_TEST(
        has(failure(loop, {"echo"}, options), "descriptor 9999, given as stdout, is not open"));
    BOOST_CHECK_THROW(Subprocess(loop, {"echo"}, options), std::invalid_argument);
    Subprocess program(loop, {"cat"}, all_streams);
    BOOST_CHECK_THROW(program.send_signal(4711), system_error);
    program.kill();
    await_end(program);
}

BOOST_AUTO_TEST_CASE(out_of_descriptors_is_an_error_that_says_so_or_none) {
    Forked process([] {
        IOLoop loop;
        auto const open = static_cast<rlim_t>(open_descriptors() - 1); // one was for looking
        int failures = 0;
        for (rlim_t left = 0; left < 12; ++left) {
            rlimit limit{open + left, 4096};
            ::setrlimit(RLIMIT_NOFILE, &limit);
            try {
                Subprocess program(loop, {"cat"}, all_streams);
                program.stdin_stream()->write("x\n");
                int code = -1;
                program.set_exit_callback([&](int told) {
                    code = told;
                    loop.stop();
                });
                program.stdin_stream()->close_after_flush();
                loop.start();
                if (code != 0)
                    return 2;
            } catch (system_error const& e) {
                ++failures;
                if (e.code().value() != EMFILE || !has(e.what(), "Subprocess") ||
                    !has(e.what(), "Too many open files"))
                    return 3;
            }
            limit.rlim_cur = 4096;
            ::setrlimit(RLIMIT_NOFILE, &limit);
            if (static_cast<rlim_t>(open_descriptors() - 1) != open)
                return 4;
        }
        return failures > 3 && failures < 11 ? 0 : 5;
    });
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_CASE(out_of_processes_is_an_error_that_says_so) {
    Forked process([] {
        IOLoop loop;
        if (!refuse({SYS_fork, SYS_vfork, SYS_clone, SYS_clone3}, EAGAIN))
            return 0;
        auto const text = failure(loop, {"true"}, all_streams);
        return has(text, "cannot start \"true\", because there are too many processes") &&
                       has(text, "Resource temporarily unavailable")
                   ? 0
                   : 1;
    });
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_CASE(an_older_kernel_is_asked_from_time_to_time) {
    Forked process([] {
        if (!refuse({SYS_pidfd_open, SYS_pidfd_send_signal}, ENOSYS))
            return 0;
        Io io;
        Events events;
        Subprocess bad(io.executor(), sh("exit 3"));
        Subprocess killed(io.executor(), {"sleep", "60"});
        Subprocess early(io.executor(), {"true"});
        await_end(early);
        bad.wait_for_exit(false, events.on("bad"));
        io.run();
        killed.kill();
        killed.set_exit_callback([&](int code) { events.add(std::to_string(code)); });
        io.run();
        early.wait_for_exit(events.on("early"));
        io.run();
        auto last = std::make_unique<Subprocess>(io.executor(), std::vector<std::string>{"cat"},
                                                 all_streams);
        last->wait_for_exit(events.on("last"));
        last.reset(); // its input ends
        io.run();
        return events.take() == "bad:3, -9, early:0, last:0" ? 0 : 1;
    });
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_CASE(an_older_kernel_is_asked_at_least_every_50_ms) {
    Forked process([] {
        if (!refuse({SYS_pidfd_open}, ENOSYS))
            return 0;
        Io io;
        Events events;
        Subprocess program(io.executor(), {"sleep", "60"});
        program.wait_for_exit(false, events.on("end"));
        looks = 0;
        io.run_until([] { return looks == 16; }); // doubling, it would take half a minute
        program.kill();
        io.run();
        return events.take() == "end:-9" ? 0 : 1;
    });
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_CASE(a_kernel_that_knows_descriptors_of_processes_and_cannot_wait_for_them) {
    Forked process([] {
        Io io;
        Events events;
        knows_pidfd = false;
        Subprocess program(io.executor(), sh("exit 3"));
        program.wait_for_exit(false, events.on("end"));
        io.run();
        return events.take() == "end:3" ? 0 : 1;
    });
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_CASE(where_a_sandbox_refuses_signals_by_descriptor_they_go_by_number) {
    Forked process([] {
        if (!refuse({SYS_pidfd_send_signal}, ENOSYS))
            return 0;
        Io io;
        Events events;
        Subprocess program(io.executor(), {"sleep", "60"});
        program.wait_for_exit(false, events.on("end"));
        program.kill();
        io.run();
        return events.take() == "end:-9" ? 0 : 1;
    });
    BOOST_TEST(process.wait() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
