// SPDX-License-Identifier: BSL-1.0
// Files among the writes of each kind of stream.
#include "tornado/gen.hpp"
#include "tornado/iostream.hpp"
#include "tornado/testing.hpp"

#include "support/events.hpp"
#include "support/noise.hpp"
#include "support/stream_pairs.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <functional>
#include <future>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

constexpr std::size_t MiB = 1024 * 1024;

/// A file in memory.
class File {
public:
    explicit File(std::string const& content = {}) {
        BOOST_REQUIRE(fd_ != -1);
        BOOST_REQUIRE(::write(fd_, content.data(), content.size()) ==
                      static_cast<ssize_t>(content.size()));
    }
    File(File const&) = delete;
    File& operator=(File const&) = delete;
    ~File() { close(); }

    void resize(std::uint64_t size) const {
        BOOST_REQUIRE(::ftruncate(fd_, static_cast<off_t>(size)) == 0);
    }
    void close() {
        if (fd_ != -1)
            ::close(std::exchange(fd_, -1));
    }
    int fd() const { return fd_; }

private:
    int fd_ = ::memfd_create("file", MFD_CLOEXEC);
};

/// What comes until the end of the stream.
template <class Pair>
std::string rest_of(Pair& io) {
    std::string all;
    io.run_test([&]() -> asio::awaitable<void> { all = co_await io.near->read_until_close(); });
    return all;
}

template <class Pair>
void run_turns(Pair& io, int turns = 30) {
    io.run_test([&]() -> asio::awaitable<void> {
        for (int i = 0; i < turns; ++i)
            co_await asio::post(io.context, asio::use_awaitable);
    });
}

} // namespace

BOOST_AUTO_TEST_SUITE(iostream_files)

BOOST_AUTO_TEST_CASE_TEMPLATE(files_and_writes_arrive_in_order, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    auto const content = noise(3 * MiB);
    File file(content);
    ::lseek(file.fd(), 5, SEEK_SET); // its place is neither used nor moved
    io.far->write("head ", events.on("1"));
    io.far->send_file(file.fd(), 0, content.size(), events.on("2"));
    io.far->write(" middle ", events.on("3"));
    io.far->send_file(file.fd(), 1000, 3, events.on("4"));
    io.far->send_file(file.fd(), 7, 0, events.on("5"));
    io.far->send_file(file.fd(), content.size() - 4, 4, events.on("6"));
    io.far->write(std::string(100000, 't'), events.on("7"));
    io.far->close_after_flush();
    BOOST_TEST(events.take() == "");
    BOOST_TEST(::lseek(file.fd(), 0, SEEK_CUR) == 5);
    file.close(); // a descriptor of its own is kept
    auto const expected = "head " + content + " middle " + content.substr(1000, 3) +
                          content.substr(content.size() - 4) + std::string(100000, 't');
    BOOST_TEST((rest_of(io) == expected));
    io.run();
    BOOST_TEST(events.take() == "1, 2:3145728, 3, 4:3, 5:0, 6:4, 7");
    BOOST_TEST(io.far->bytes_written() == expected.size());
    BOOST_TEST(word(io.far->error()) == "ok");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_slow_reader_holds_a_file_and_no_memory, Kind, PairKinds) {
    StreamPair<Kind> io(StreamOptions{}, StreamOptions{.max_write_buffer_size = 100});
    Events events;
    auto const content = noise(20 * MiB);
    File const file(content);
    bool above = false;
    io.far->set_write_watermarks(10, 50, [&](bool is) { above = is; });
    io.far->send_file(file.fd(), 0, content.size(), events.on("1"));
    io.far->write(std::string(40, 'x'), events.on("2"));
    std::string got;
    io.run_test([&]() -> asio::awaitable<void> {
        for (int i = 0; i < 20; ++i) {
            got += co_await io.near->read_bytes(10000);
            for (int turn = 0; turn < 5; ++turn)
                co_await asio::post(io.context, asio::use_awaitable);
        }
        BOOST_TEST(events.take() == "");
        BOOST_TEST(io.far->writing());
        while (got.size() != content.size() + 40)
            got += co_await io.near->read_bytes(100000, true);
    });
    io.run_until([&] { return !io.far->writing(); });
    io.poll();
    BOOST_TEST((got == content + std::string(40, 'x')));
    BOOST_TEST(events.take() == "1:20971520, 2");
    BOOST_TEST(!above);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T111_T144_a_reader_that_goes_away, Kind, PairKinds) {
    CapturedLog const log;
    StreamPair<Kind> io;
    Events events;
    File file;
    file.resize(100 * MiB);
    std::optional<std::uint64_t> sent;
    io.far->set_close_callback(events.at("close"));
    io.far->send_file(file.fd(), 0, 100 * MiB, [&](error_code ec, std::uint64_t n) {
        BOOST_TEST((ec == errc::stream_closed), ec.message());
        sent = n;
    });
    run_turns(io);
    BOOST_TEST(!sent);
    io.near->close();
    io.near.reset();
    io.run();
    BOOST_TEST_REQUIRE(sent.has_value());
    BOOST_TEST(*sent == io.far->bytes_written());
    BOOST_TEST(*sent > 0u);
    BOOST_TEST(*sent < 100 * MiB);
    BOOST_TEST(events.take() == "close");
}

// The first part of it is taken, the reset comes with that, and the kernel raises SIGPIPE for the
// second.
BOOST_AUTO_TEST_CASE_TEMPLATE(T111_T144_a_reader_that_is_gone_when_a_file_begins, Kind, PairKinds) {
    CapturedLog const log;
    StreamPair<Kind> io;
    File file;
    file.resize(MiB);
    bool told = false;
    io.near->close();
    io.far->send_file(file.fd(), 0, MiB, [&](error_code ec, std::uint64_t) {
        BOOST_TEST((ec == errc::stream_closed), ec.message());
        told = true;
    });
    io.run();
    BOOST_TEST(told);
    BOOST_TEST(io.far->closed());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_file_that_shrinks_closes_the_stream, Kind, PairKinds) {
    CapturedLog const log;
    StreamPair<Kind> io;
    Events events;
    File file;
    file.resize(100 * MiB);
    std::uint64_t sent = 0;
    io.far->set_close_callback(events.at("close"));
    io.far->write("head");
    io.far->send_file(file.fd(), 10, 50 * MiB, [&](error_code ec, std::uint64_t n) {
        events.add(word(ec));
        sent = n;
    });
    io.far->write("never", events.on("write"));
    run_turns(io);
    file.resize(20 * MiB);
    BOOST_TEST(events.take() == "");
    BOOST_TEST(rest_of(io).size() == 4 + 20 * MiB - 10);
    io.run();
    BOOST_TEST(events.take() == "shrunk, write!shrunk, close");
    BOOST_TEST(sent == 20 * MiB - 10);
    BOOST_TEST(word(io.far->error()) == "shrunk");
    BOOST_TEST((io.far->error() == errc::stream_closed));
    BOOST_TEST(log.count("nothing is left at offset 20971520, and 31457290 bytes more") == 1);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_cancelled_file_tells_what_was_sent_and_makes_way, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    File file;
    file.resize(50 * MiB);
    asio::cancellation_signal first;
    asio::cancellation_signal second;
    std::uint64_t sent = 0;
    io.far->send_file(
        file.fd(), 0, 50 * MiB,
        asio::bind_cancellation_slot(first.slot(), [&](error_code ec, std::uint64_t n) {
            events.add("1 " + word(ec));
            sent = n;
        }));
    io.far->write("x", events.on("2"));
    io.far->send_file(file.fd(), 0, 50 * MiB,
                      asio::bind_cancellation_slot(second.slot(), events.on("3")));
    io.far->write("y\n", events.on("4"));
    run_turns(io);
    second.emit(asio::cancellation_type::total); // not begun
    BOOST_TEST(events.take() == "");
    io.poll();
    BOOST_TEST(events.take() == "3!aborted");
    first.emit(asio::cancellation_type::terminal); // half-way
    std::string got;
    io.run_test(
        [&]() -> asio::awaitable<void> { got = co_await io.near->read_until("\n", 60 * MiB); });
    io.run_until([&] { return !io.far->writing(); });
    io.poll();
    BOOST_TEST(events.take() == "1 aborted, 2, 4");
    BOOST_TEST(sent > 0u);
    BOOST_TEST((got == std::string(sent, '\0') + "xy\n"));
    BOOST_TEST(!io.far->closed());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T124_a_file_with_a_deadline, Kind, PairKinds) {
    StreamPair<Kind> io;
    File file;
    file.resize(50 * MiB);
    io.run_test([&]() -> asio::awaitable<void> {
        auto const [ec, sent] = co_await io.far->send_file(
            file.fd(), 0, 50 * MiB, asio::as_tuple(cancel_after(5ms, asio::deferred)));
        BOOST_TEST(word(ec) == "aborted");
        BOOST_TEST(sent == io.far->bytes_written());
        BOOST_TEST(co_await io.far->send_file(file.fd(), 0, 0, cancel_after(1h)) == 0u);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T101_close_drops_what_is_left_of_a_file, Kind, PairKinds) {
    for (bool const begun : {false, true}) {
        StreamPair<Kind> io;
        Events events;
        File file;
        file.resize(50 * MiB);
        std::uint64_t sent = 0;
        io.far->write("head", events.on("1"));
        if (!begun)
            run_turns(io);
        io.far->send_file(file.fd(), 0, 50 * MiB, [&](error_code ec, std::uint64_t n) {
            events.add("2!" + word(ec));
            sent = n;
        });
        io.far->write("x", events.on("3"));
        if (begun)
            run_turns(io);
        io.far->close();
        io.far->send_file(file.fd(), 0, 1, events.on("4"));
        auto const got = rest_of(io);
        io.run();
        auto const order = events.take();
        BOOST_TEST((order == "1, 2!closed, 3!closed, 4!closed" ||
                    order == "1, 4!closed, 2!closed, 3!closed"),
                   order);
        BOOST_TEST((sent != 0) == begun);
        BOOST_TEST((got == "head" + std::string(sent, '\0')));
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T110_a_file_that_is_being_sent_when_the_peer_ends_arrives, Kind,
                              TwoWayKinds) {
    StreamPair<Kind> io(StreamOptions{.half_close = true});
    Events events;
    File const file(noise(5 * MiB));
    io.far->read_until_close([](error_code, std::string const&) {});
    io.far->send_file(file.fd(), 0, 5 * MiB, events.on("1"));
    io.near->shutdown_write();
    BOOST_TEST((rest_of(io) == noise(5 * MiB)));
    io.run();
    BOOST_TEST(events.take() == "1:5242880");
    BOOST_TEST(io.far->closed());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_stream_that_nobody_holds_sends_its_file, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    {
        File const file(noise(5 * MiB));
        io.far->send_file(file.fd(), 0, 5 * MiB, events.on("1"));
        io.far.reset();
    }
    BOOST_TEST((rest_of(io) == noise(5 * MiB)));
    io.run();
    BOOST_TEST(events.take() == "1:5242880");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(bytes_beyond_four_gibibytes, Kind, PairKinds) {
    constexpr std::uint64_t far_out = 5ULL << 30;
    StreamPair<Kind> io;
    File file;
    file.resize(far_out);
    BOOST_REQUIRE(::pwrite(file.fd(), "end", 3, static_cast<off_t>(far_out)) == 3);
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await io.far->send_file(file.fd(), far_out - 1, 4) == 4u);
        BOOST_TEST(co_await io.near->read_bytes(4) == std::string("\0end", 4));
    });
    // As many at once are counted as well.
    asio::cancellation_signal signal;
    std::optional<std::uint64_t> sent;
    io.far->send_file(file.fd(), 0, far_out,
                      asio::bind_cancellation_slot(signal.slot(),
                                                   [&](error_code, std::uint64_t n) { sent = n; }));
    run_turns(io);
    signal.emit(asio::cancellation_type::terminal);
    io.run_until([&] { return sent.has_value(); });
    BOOST_TEST(*sent == io.far->bytes_written() - 4);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_is_no_file_is_refused_in_the_caller, Kind, PairKinds) {
    StreamPair<Kind> io;
    Events events;
    File const file("0123456789");
    auto const refused = [&](int fd, std::uint64_t offset, std::uint64_t count,
                             std::string const& why) {
        BOOST_CHECK_EXCEPTION(io.far->send_file(fd, offset, count, events.on("file")),
                              std::invalid_argument, [&](std::invalid_argument const& e) {
                                  return std::string(e.what()).find("send_file: descriptor " +
                                                                    std::to_string(fd) + why) == 0;
                              });
        BOOST_CHECK_THROW((void)io.far->send_file(fd, offset, count), std::invalid_argument);
    };
    int pipe[2];
    BOOST_REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
    int const folder = ::open("/", O_RDONLY | O_CLOEXEC);
    std::string const path = "/proc/self/fd/" + std::to_string(file.fd());
    int const unreadable = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    refused(-1, 0, 0, " is not open");
    refused(folder, 0, 0, " is a directory");
    refused(pipe[0], 0, 1, " is no regular file");
    refused(unreadable, 0, 1, " cannot be read");
    refused(file.fd(), 0, 11, " has 10 bytes, and 11 are to be sent from 0 on");
    refused(file.fd(), 11, 0, " has 10 bytes, and 0 are to be sent from 11 on");
    refused(file.fd(), 5, UINT64_MAX, " has 10 bytes");
    for (int const fd : {pipe[0], pipe[1], folder, unreadable})
        ::close(fd);
    io.poll();
    BOOST_TEST(events.take() == "");
    BOOST_TEST(!io.far->writing());
    io.run_test([&]() -> asio::awaitable<void> { // none of them did any harm
        BOOST_TEST(co_await io.far->send_file(file.fd(), 10, 0) == 0u);
        BOOST_TEST(co_await io.far->send_file(file.fd(), 0, 10) == 10u);
        BOOST_TEST(co_await io.near->read_bytes(10) == "0123456789");
    });
}

BOOST_AUTO_TEST_CASE(T142_the_end_of_a_pipe_that_is_read_takes_no_file) {
    StreamPair<PipeKind> io;
    Events events;
    File const file("x");
    io.near->send_file(file.fd(), 0, 1, events.on("1"));
    io.poll();
    BOOST_TEST(events.take() == "1!wrong");
    io.far->shutdown_write();
    io.far->send_file(file.fd(), 0, 1, events.on("2"));
    io.run();
    BOOST_TEST(events.take() == "2!broken_pipe");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(every_token_works_for_a_file, Kind, PairKinds) {
    StreamPair<Kind> io;
    File const file("0123456789");
    auto later = io.far->send_file(file.fd(), 0, 10, asio::use_future);
    io.run_until([&] { return later.wait_for(0s) == std::future_status::ready; });
    BOOST_TEST(later.get() == 10u);
    io.run_test([&]() -> asio::awaitable<void> {
        auto deferred = io.far->send_file(file.fd(), 1, 2);
        BOOST_TEST(!io.far->writing()); // nothing happens until it is awaited
        BOOST_TEST(co_await std::move(deferred) == 2u);
        BOOST_TEST(co_await io.far->send_file(file.fd(), 3, 4, asio::use_awaitable) == 4u);
        BOOST_TEST(co_await io.near->read_bytes(16) == "0123456789123456");
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_turn_of_a_file_is_bounded, Kind, PairKinds) {
    StreamPair<Kind> io;
    File file;
    file.resize(30 * MiB);
    std::uint64_t last = 0;
    std::uint64_t most = 0;
    bool done = false;
    io.far->send_file(file.fd(), 0, 30 * MiB, [&](error_code ec, std::uint64_t) { done = !ec; });
    std::function<void()> const look = [&] {
        most = std::max(most, io.far->bytes_written() - last);
        last = io.far->bytes_written();
        if (!done)
            asio::post(io.context, look);
    };
    look();
    std::size_t got = 0;
    io.run_test([&]() -> asio::awaitable<void> {
        while (got != 30 * MiB) {
            auto const n = co_await io.near->fill();
            io.near->consume(n);
            got += n;
        }
    });
    io.run_until([&] { return done; });
    BOOST_TEST(most > 0u);
    BOOST_TEST(most <= MiB);
}

BOOST_AUTO_TEST_CASE(T062_a_file_waits_for_the_connection) {
    Io io;
    Events events;
    File const file("hello");
    asio::ip::tcp::acceptor acceptor(io.context, {asio::ip::address_v4::loopback(), 0});
    auto const stream = std::make_shared<IOStream>(asio::ip::tcp::socket(io.context));
    stream->send_file(file.fd(), 0, 5, events.on("file"));
    stream->connect(Address(acceptor.local_endpoint()), events.on("connect"));
    io.run_test([&]() -> asio::awaitable<void> {
        IOStream far(co_await acceptor.async_accept(asio::use_awaitable));
        BOOST_TEST(co_await far.read_bytes(5) == "hello");
    });
    BOOST_TEST(events.take() == "connect:stream, file:5");
}

BOOST_AUTO_TEST_SUITE_END()
