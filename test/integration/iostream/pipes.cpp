// SPDX-License-Identifier: BSL-1.0
// Streams of descriptors: pipes, FIFOs, terminals, devices, and what their files are left like.
#include "tornado/ioloop.hpp"
#include "tornado/iostream.hpp"
#include "tornado/testing.hpp"

#include "support/descriptors.hpp"
#include "support/events.hpp"
#include "support/processes.hpp"
#include "support/stream_pairs.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <utility>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

/// A descriptor that the test owns.
class Fd {
public:
    explicit Fd(int fd) : fd_(fd) { BOOST_TEST_REQUIRE(fd >= 0); }
    Fd(Fd&& other) noexcept : fd_(other.give()) {}
    Fd& operator=(Fd&&) = delete;
    ~Fd() { close(); }

    int get() const { return fd_; }
    int give() { return std::exchange(fd_, -1); }
    void close() {
        if (fd_ >= 0)
            ::close(give());
    }
    bool blocks() const { return (::fcntl(fd_, F_GETFL) & O_NONBLOCK) == 0; }
    Fd dup() const { return Fd(::fcntl(fd_, F_DUPFD_CLOEXEC, 0)); }
    void send(std::string_view text) const {
        BOOST_TEST(::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    std::string receive() const {
        std::array<char, 100> buffer;
        auto const n = ::read(fd_, buffer.data(), buffer.size());
        return n < 0 ? "failed" : std::string(buffer.data(), static_cast<std::size_t>(n));
    }

private:
    int fd_;
};

/// A pipe in blocking mode.
struct Pipe {
    Pipe() : Pipe(make()) {}
    explicit Pipe(std::pair<int, int> ends) : reader(ends.first), writer(ends.second) {}
    static std::pair<int, int> make() { return BlockingPipeKind::descriptors(); }

    Fd reader;
    Fd writer;
};

/// A terminal that is not this process's, and its other side.
struct Terminal {
    Terminal() : master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)), slave(open(master)) {}
    static Fd open(Fd const& master) {
        BOOST_REQUIRE(::grantpt(master.get()) == 0);
        BOOST_REQUIRE(::unlockpt(master.get()) == 0);
        return Fd(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
    }

    Fd master;
    Fd slave;
};

/// A FIFO in a folder of its own.
struct Fifo {
    Fifo() {
        BOOST_REQUIRE(::mkdtemp(folder.data()) != nullptr);
        path = folder + "/fifo";
        BOOST_REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    }
    ~Fifo() {
        ::unlink(path.c_str());
        ::rmdir(folder.c_str());
    }
    Fd open(int flags) const { return Fd(::open(path.c_str(), flags | O_CLOEXEC)); }

    std::string folder = "/tmp/tornado-fifo-XXXXXX";
    std::string path;
};

PipeIOStreamPtr stream_of(Io& io, Fd fd, StreamOptions const& options = {}) {
    auto const stream = std::make_shared<PipeIOStream>(io.executor(), fd.get(), options);
    fd.give();
    return stream;
}

/// Those that the context opens for its first stream are counted.
std::ptrdiff_t open_descriptors_of(Io& io) {
    stream_of(io, Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
    auto const pipe = PipeKind::descriptors();
    stream_of(io, Fd(pipe.first));
    stream_of(io, Fd(pipe.second));
    io.run();
    return open_descriptors();
}

void check_refused(int fd, std::string const& text) {
    Io io;
    auto const before = open_descriptors();
    BOOST_CHECK_EXCEPTION(PipeIOStream(io.executor(), fd), std::invalid_argument,
                          [&](std::invalid_argument const& e) {
                              BOOST_TEST_MESSAGE(e.what());
                              auto const message = std::string(e.what());
                              return message.find("descriptor " + std::to_string(fd)) !=
                                         std::string::npos &&
                                     message.find(text) != std::string::npos;
                          });
    BOOST_TEST(open_descriptors() == before);
}

} // namespace

BOOST_AUTO_TEST_SUITE(iostream_pipes)

// ---- Tornado's own

BOOST_AUTO_TEST_CASE_TEMPLATE(T142_a_delimiter_a_count_and_the_rest_at_the_close, Kind, PairKinds) {
    StreamPair<Kind> io;
    io.far->write("hel");
    io.far->write("lo world");
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await io.near->read_until(" ") == "hello ");
        BOOST_TEST(co_await io.near->read_bytes(3) == "wor");
        io.far->close();
        BOOST_TEST(co_await io.near->read_until_close() == "ld");
    });
    io.run();
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T143_more_than_a_pipe_holds_arrives_whole, Kind, PairKinds) {
    StreamPair<Kind> io;
    std::string const big(1024 * 1024, '1');
    io.run_test([&]() -> asio::awaitable<void> {
        io.far->write(big);
        BOOST_TEST((co_await io.near->read_bytes(big.size()) == big));
    });
}

BOOST_AUTO_TEST_CASE(T144_a_pipe_without_a_reader) {
    CapturedLog const log;
    for (bool const idle : {false, true}) {
        StreamPair<PipeKind> io;
        Events events;
        io.far->set_close_callback(events.at("close"));
        if (idle) // it has been waiting
            io.poll();
        io.near->close();
        io.far->write(std::string(100000, 'x'), events.on("write"));
        io.run();
        BOOST_TEST(events.take() == "write!broken_pipe, close");
        BOOST_TEST(word(io.far->error()) == "broken_pipe");
        io.far->write("x", events.on("again"));
        io.near->read_bytes(1, events.on("read"));
        io.run();
        BOOST_TEST(events.take() == "again!broken_pipe, read!closed");
    }
    BOOST_TEST(log.lines().empty());
}

BOOST_AUTO_TEST_CASE(T144_an_idle_writer_notices_that_its_reader_has_gone) {
    for (bool const blocking : {false, true}) {
        Io io;
        Events events;
        auto const ends = blocking ? BlockingPipeKind::descriptors() : PipeKind::descriptors();
        Fd reader(ends.first);
        auto const writer = stream_of(io, Fd(ends.second));
        writer->set_close_callback(events.at("close"));
        io.poll();
        BOOST_TEST(events.take() == "");
        reader.close();
        io.run();
        BOOST_TEST(events.take() == "close");
        BOOST_TEST(word(writer->error()) == "broken_pipe");
    }
}

BOOST_AUTO_TEST_CASE(a_writer_that_waits_for_room_is_told_that_its_reader_has_gone) {
    Io io;
    Events events;
    Pipe pipe;
    auto const writer = stream_of(io, std::move(pipe.writer));
    writer->write(std::string(1000000, 'x'), events.on("write"));
    io.poll();
    BOOST_TEST(events.take() == "");
    pipe.reader.close();
    io.run();
    BOOST_TEST(events.take() == "write!broken_pipe");
}

BOOST_AUTO_TEST_CASE(what_a_writer_left_is_read_when_it_has_gone) {
    Io io;
    Events events;
    Pipe pipe;
    pipe.writer.send("last words");
    pipe.writer.close();
    auto const reader = stream_of(io, std::move(pipe.reader));
    reader->read_until("\n", events.on("line"));
    io.run();
    reader->read_until_close(events.on("rest"));
    io.run();
    BOOST_TEST(events.take() == "line!eof, rest:last words");
}

// ---- Directions

BOOST_AUTO_TEST_CASE(the_wrong_direction_is_an_error_that_harms_nothing) {
    for (bool const blocking : {false, true}) {
        Io io;
        Events events;
        auto const ends = blocking ? BlockingPipeKind::descriptors() : PipeKind::descriptors();
        auto const reader = stream_of(io, Fd(ends.first));
        auto const writer = stream_of(io, Fd(ends.second));
        std::array<char, 1> byte;
        writer->read_bytes(1, events.on("string"));
        writer->read_into(asio::buffer(byte), events.on("into"));
        reader->write("x", events.on("write"));
        reader->async_write_some(asio::buffer(byte), events.on("some"));
        BOOST_CHECK_NO_THROW(reader->write("nobody waits"));
        BOOST_TEST(events.take() == "");
        io.poll();
        BOOST_TEST(events.take() == "string!wrong, into!wrong, write!wrong, some!wrong");
        writer->write("through");
        io.run_test([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await reader->read_bytes(7) == "through");
        });
        BOOST_TEST(!writer->closed());
        BOOST_TEST(!reader->closed());
    }
}

BOOST_AUTO_TEST_CASE(shutdown_write_is_the_end_of_a_pipe) {
    for (bool const half_close : {false, true}) {
        Io io;
        Events events;
        Pipe pipe;
        auto const writer =
            stream_of(io, std::move(pipe.writer), StreamOptions{.half_close = half_close});
        auto const reader = stream_of(io, std::move(pipe.reader));
        std::string const big(1000000, 'b');
        writer->set_close_callback(events.at("close"));
        writer->write(big);
        writer->shutdown_write();
        io.run_test([&]() -> asio::awaitable<void> {
            BOOST_TEST((co_await reader->read_until_close() == big));
        });
        io.run();
        BOOST_TEST(events.take() == "close");
        BOOST_TEST(writer->native_handle() == -1);
    }
}

BOOST_AUTO_TEST_CASE(close_after_flush_waits_for_no_reader) {
    Io io;
    Pipe pipe;
    auto const writer = stream_of(io, std::move(pipe.writer));
    writer->write("last");
    writer->close_after_flush();
    io.run();
    BOOST_TEST(writer->closed());
    BOOST_TEST(writer->native_handle() == -1);
    BOOST_TEST(pipe.reader.receive() == "last");
}

BOOST_AUTO_TEST_CASE(the_end_of_a_socket_reaches_others_that_hold_it) {
    StreamPair<SocketDescriptorKind> io;
    Fd const held(::dup(io.far->native_handle()));
    io.far->write("request");
    io.far->shutdown_write();
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await io.near->read_until_close() == "request");
    });
}

// ---- The file's mode

BOOST_AUTO_TEST_CASE(a_pipe_that_others_share_goes_on_blocking) {
    Io io;
    Pipe pipe;
    auto const others_reader = pipe.reader.dup();
    auto const others_writer = pipe.writer.dup();
    auto const number = pipe.reader.get();
    auto const reader = stream_of(io, std::move(pipe.reader));
    auto const writer = stream_of(io, std::move(pipe.writer));
    BOOST_TEST(reader->native_handle() == number);
    writer->write("hello");
    io.run_test(
        [&]() -> asio::awaitable<void> { BOOST_TEST(co_await reader->read_bytes(5) == "hello"); });
    io.poll(); // both wait
    BOOST_TEST(others_reader.blocks());
    BOOST_TEST(others_writer.blocks());
    reader->close();
    writer->close();
    io.run();
    BOOST_TEST(others_reader.blocks());
    others_writer.send("x");
    BOOST_TEST(others_reader.receive() == "x");
}

BOOST_AUTO_TEST_CASE(a_terminal_that_others_share_goes_on_blocking) {
    Io io;
    Terminal terminal;
    auto const others = terminal.slave.dup();
    auto const before = open_descriptors_of(io);
    auto const stream = stream_of(io, std::move(terminal.slave));
    stream->write("prompt> ");
    stream->read_until("\n", [](error_code, std::string const&) {});
    io.poll();
    BOOST_TEST(others.blocks());
    terminal.master.send("typed\n");
    io.run_until([&] { return !stream->reading(); });
    BOOST_TEST(terminal.master.receive().starts_with("prompt> "));
    stream->close();
    io.run();
    BOOST_TEST(others.blocks());
    BOOST_TEST(open_descriptors() == before - 1);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_opened_anew_is_switched_and_switched_back) {
    for (bool const released : {false, true}) {
        Io io;
        auto const ends = SocketDescriptorKind::descriptors();
        Terminal terminal;
        Fd socket(ends.first);
        Fd const others_socket = socket.dup();
        Fd const others_master = terminal.master.dup();
        auto const a = stream_of(io, std::move(socket));
        auto const b = stream_of(io, std::move(terminal.master));
        io.poll();
        BOOST_TEST(!others_socket.blocks());
        BOOST_TEST(!others_master.blocks());
        if (released) {
            Fd const back(a->release());
            BOOST_TEST(back.blocks());
            Fd const master(b->release());
            BOOST_TEST(master.blocks());
        }
        a->close();
        b->close();
        io.run();
        BOOST_TEST(others_socket.blocks());
        BOOST_TEST(others_master.blocks());
        ::close(ends.second);
    }
}

BOOST_AUTO_TEST_CASE(only_the_process_that_has_switched_a_file_switches_it_back) {
    Io io;
    auto const ends = SocketDescriptorKind::descriptors();
    Fd socket(ends.first);
    Fd const others = socket.dup();
    auto const stream = stream_of(io, std::move(socket));
    Forked child([&] {
        stream->close();
        return 0;
    });
    BOOST_TEST(child.wait() == 0);
    BOOST_TEST(!others.blocks());
    stream->close();
    BOOST_TEST(others.blocks());
    ::close(ends.second);
}

BOOST_AUTO_TEST_CASE(a_file_that_came_in_non_blocking_mode_stays_so) {
    Io io;
    auto const ends = PipeKind::descriptors();
    Fd const others(::dup(ends.first));
    Fd const writer(ends.second);
    auto const before = open_descriptors_of(io);
    auto const reader = stream_of(io, Fd(ends.first));
    BOOST_TEST(open_descriptors() == before);
    reader->close();
    io.run();
    BOOST_TEST(!others.blocks());
}

BOOST_AUTO_TEST_CASE(release_gives_the_descriptor_back_as_it_came) {
    for (bool const blocking : {false, true}) {
        Io io;
        Events events;
        auto const ends = blocking ? BlockingPipeKind::descriptors() : PipeKind::descriptors();
        Fd const writer(ends.second);
        auto const before = open_descriptors_of(io);
        auto const reader = stream_of(io, Fd(ends.first));
        reader->set_close_callback(events.at("close"));
        writer.send("one\ntwo");
        io.run_test([&]() -> asio::awaitable<void> {
            BOOST_TEST(co_await reader->read_until("\n") == "one\n");
        });
        BOOST_CHECK_EXCEPTION(reader->release(), system_error,
                              [](system_error const& e) { return e.code() == error::not_idle; });
        std::string unread;
        Fd const back(reader->release(&unread));
        BOOST_TEST(back.get() == ends.first);
        BOOST_TEST(back.blocks() == blocking);
        BOOST_TEST(unread == "two");
        BOOST_TEST(reader->closed());
        BOOST_TEST(reader->native_handle() == -1);
        BOOST_TEST(open_descriptors() == before);
        io.run();
        BOOST_TEST(events.take() == "");
        writer.send("x");
        BOOST_TEST(back.receive() == "x");
    }
}

// ---- FIFOs

BOOST_AUTO_TEST_CASE(a_fifo_waits_for_its_first_writer_and_ends_with_the_last) {
    Io io;
    Events events;
    Fifo const fifo;
    auto const reader = stream_of(io, fifo.open(O_RDONLY | O_NONBLOCK));
    reader->read_until("\n", events.on("line"));
    reader->set_close_callback(events.at("close"));
    io.poll();
    BOOST_TEST(events.take() == "");
    auto writer = stream_of(io, fifo.open(O_WRONLY));
    writer->write("hello\n");
    io.run_until([&] { return !reader->reading(); });
    BOOST_TEST(events.take() == "line:hello\n");
    writer->close();
    io.run();
    BOOST_TEST(events.take() == "close");
    BOOST_TEST(word(reader->error()) == "eof");
}

BOOST_AUTO_TEST_CASE(a_fifo_whose_writer_has_gone_before_is_at_its_end) {
    Io io;
    Events events;
    Fifo const fifo;
    auto const opens = fifo.open(O_RDWR); // so that nobody blocks
    auto reader = fifo.open(O_RDONLY);
    auto writer = fifo.open(O_WRONLY);
    writer.send("left");
    const_cast<Fd&>(opens).close();
    writer.close();
    auto const stream = stream_of(io, std::move(reader));
    stream->read_until_close(events.on("rest"));
    io.run();
    BOOST_TEST(events.take() == "rest:left");
}

// ---- Terminals and devices

BOOST_AUTO_TEST_CASE(a_terminals_lines) {
    Io io;
    Events events;
    Terminal terminal;
    auto const slave = stream_of(io, std::move(terminal.slave));
    auto const master = stream_of(io, std::move(terminal.master));
    master->write("one\ntwo\n");
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await slave->read_until("\n") == "one\n");
        BOOST_TEST(co_await slave->read_until("\n") == "two\n");
        slave->write("answer\n");
        BOOST_TEST(co_await master->read_until("answer\r\n") == "one\r\ntwo\r\nanswer\r\n");
        master->write("\x04"); // the end of input
        BOOST_TEST(co_await slave->read_until_close() == "");
        BOOST_TEST(word(slave->error()) == "eof");
        // The last one on that side has gone.
        BOOST_TEST(co_await master->read_until_close() == "");
        BOOST_TEST(word(master->error()) == "eof");
    });
    io.run();
}

BOOST_AUTO_TEST_CASE(the_last_user_of_a_terminal_goes_while_its_master_reads) {
    Io io;
    CapturedLog const log;
    Events events;
    Terminal terminal;
    auto const master = stream_of(io, std::move(terminal.master));
    master->read_until("\n", events.on("read"));
    io.poll();
    terminal.slave.close();
    io.run();
    BOOST_TEST(events.take() == "read!eof");
    BOOST_TEST(log.lines().empty());
}

BOOST_AUTO_TEST_CASE(a_terminal_that_is_only_written_to_takes_nobodys_input) {
    Io io;
    Terminal terminal;
    auto const output = stream_of(io, terminal.slave.dup());
    output->set_close_callback([] {});
    output->write("text");
    io.poll();
    terminal.master.send("typed\n");
    io.poll();
    BOOST_TEST(terminal.slave.receive() == "typed\n");
    output->write("more");
    output->close_after_flush();
    io.run();
    BOOST_TEST(output->native_handle() == -1);
    BOOST_TEST(terminal.master.receive().find("text") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(devices_that_epoll_refuses_are_always_ready) {
    Io io;
    Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    auto const others = null.dup();
    auto const sink = stream_of(io, std::move(null));
    auto const zero = stream_of(io, Fd(::open("/dev/zero", O_RDONLY | O_CLOEXEC)));
    auto const full = stream_of(io, Fd(::open("/dev/full", O_WRONLY | O_CLOEXEC)));
    Events events;
    CapturedLog const log;
    io.run_test([&]() -> asio::awaitable<void> {
        co_await sink->write(std::string(1000000, 'x'));
        BOOST_TEST((co_await zero->read_bytes(100000) == std::string(100000, '\0')));
        BOOST_TEST(co_await sink->read_until_close() == "");
    });
    BOOST_TEST(word(sink->error()) == "eof");
    full->write(std::string(100000, 'x'), events.on("write"));
    io.run();
    BOOST_TEST(events.take() == "write!No space left on device");
    BOOST_TEST(others.blocks());
}

// ---- What is refused

BOOST_AUTO_TEST_CASE(what_is_no_stream_is_refused_with_the_remedy) {
    Fd const file(::open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
    Fd const folder(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    Fd const path(::open("/dev/null", O_PATH | O_CLOEXEC));
    Fd const datagrams(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    check_refused(file.get(), "run_in_executor");
    check_refused(folder.get(), "run_in_executor");
    check_refused(path.get(), "not open");
    check_refused(datagrams.get(), "add_handler");
    check_refused(-1, "not open");
    check_refused(54321, "not open");
    BOOST_TEST(file.blocks());
}

// ---- Ends

BOOST_AUTO_TEST_CASE(a_stream_lives_on_the_current_loop) {
    LoopFixture test(30s);
    Pipe pipe;
    auto const reader = std::make_shared<PipeIOStream>(pipe.reader.give());
    auto const writer = std::make_shared<PipeIOStream>(pipe.writer.give(), StreamOptions());
    BOOST_TEST(reader->loop() == &test.loop);
    writer->write("line\n");
    auto const line = test.run([&]() -> asio::awaitable<std::string> {
        return reader->read_until("\n", asio::use_awaitable);
    });
    BOOST_TEST(line == "line\n");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T101_what_a_completed_write_took_is_sent_after_the_last_reference,
                              Kind, PairKinds) {
    StreamPair<Kind> io;
    std::string const big(1000000, 'b');
    bool written = false;
    io.far->set_write_watermarks(2 * big.size(), 2 * big.size(), [](bool) {});
    io.far->write(big, [&](error_code ec) { written = !ec; });
    io.run_until([&] { return written; });
    io.far->close();
    io.far.reset();
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST((co_await io.near->read_until_close() == big));
    });
    io.run();
}

BOOST_AUTO_TEST_CASE(nothing_is_left_open) {
    auto const before = open_descriptors();
    for (bool const blocking : {false, true}) {
        Io io;
        auto const ends = blocking ? BlockingPipeKind::descriptors() : PipeKind::descriptors();
        {
            PipeIOStream const reader(io.executor(), ends.first);
            PipeIOStream const writer(io.executor(), ends.second);
        }
        io.run();
    }
    BOOST_TEST(open_descriptors() == before);
}

// One whose file lives on elsewhere would wake the loop for ever.
BOOST_AUTO_TEST_CASE(a_closed_stream_whose_file_lives_on_is_not_heard_of_again) {
    Io io;
    auto const ends = PipeKind::descriptors();
    Fd const held(::dup(ends.first));
    Fd const writer(ends.second);
    auto const reader = stream_of(io, Fd(ends.first));
    reader->read_bytes(1, [](error_code, std::string const&) {});
    io.poll();
    reader->close();
    io.run();
    writer.send("x");
    io.poll();
    BOOST_TEST(held.receive() == "x");
}

BOOST_AUTO_TEST_SUITE_END()
