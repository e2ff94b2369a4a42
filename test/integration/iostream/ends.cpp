// SPDX-License-Identifier: BSL-1.0
// How a peer goes: what it said last, why it went, and what was on its way to it.
#include "tornado/iostream.hpp"

#include "support/events.hpp"
#include "support/stream_pairs.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

std::string const last_words = "507 no room for all that\n";
// More than the kernel takes for a peer that does not read.
constexpr std::size_t too_much = 16 << 20;

void reset_at_close(int descriptor) {
    linger const now{1, 0};
    ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

// The far end of a connection, without a stream that would be polite.
template <class Kind>
struct Peer : StreamAndSocket<Kind> {
    using StreamAndSocket<Kind>::peer;

    explicit Peer(StreamOptions const& options = {}) : StreamAndSocket<Kind>(options) {
        this->stream->write("unread"); // so that closing a Unix socket is a reset, too
        this->run_until([&] { return !this->stream->writing(); });
    }
    void say(std::string const& text) { asio::write(peer, asio::buffer(text)); }
    void end() { peer.shutdown(Socket::shutdown_send); }
    void reset() {
        reset_at_close(peer.native_handle());
        peer.close();
    }
    std::size_t read_all() {
        std::size_t total = 0;
        std::vector<char> block(1 << 16);
        peer.non_blocking(true);
        this->run_until([&] {
            for (;;) { // until there is nothing to read, nor to send
                error_code ec;
                auto const n = peer.read_some(asio::buffer(block), ec);
                if (n == 0 && ec != asio::error::would_block)
                    return true;
                total += n;
                this->context.restart();
                if (this->context.poll() == 0 && n == 0)
                    return false;
            }
        });
        return total;
    }
};

template <>
struct Peer<TlsKind> : StreamPair<TlsKind> {
    IOStreamPtr stream = near;

    explicit Peer(StreamOptions const& options = {}) : StreamPair<TlsKind>(options) {
        stream->write("unread");
        run_until([&] { return !stream->writing(); });
    }
    void say(std::string const& text) {
        far->write(text);
        run_until([&] { return !far->writing(); });
    }
    void end() { far->shutdown_write(); }
    // The descriptor goes without a word of TLS.
    void reset() {
        reset_at_close(far->native_handle());
        int const nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        ::dup3(nothing, far->native_handle(), O_CLOEXEC);
        ::close(nothing);
    }
    std::size_t read_all() {
        std::string all;
        run_test([&]() -> asio::awaitable<void> { all = co_await far->read_until_close(); });
        return all.size();
    }
};

enum class Reading { pending, later, none };

struct Case {
    bool reset;
    bool blocked;
    Reading reading;
};

std::ostream& operator<<(std::ostream& out, Case const& c) {
    return out << (c.reset ? "reset" : "end") << (c.blocked ? ", write blocked" : "") << ", read "
               << (c.reading == Reading::pending ? "pending"
                   : c.reading == Reading::later ? "later"
                                                 : "none");
}

std::vector<Case> cases() {
    std::vector<Case> all;
    for (bool const reset : {false, true})
        for (bool const blocked : {false, true})
            for (auto const reading : {Reading::pending, Reading::later, Reading::none})
                all.push_back({reset, blocked, reading});
    return all;
}

} // namespace

BOOST_AUTO_TEST_SUITE(iostream_ends)

BOOST_AUTO_TEST_CASE_TEMPLATE(T059_T067_T111_last_words_and_the_cause_in_every_order, Kind,
                              ConnectionKinds) {
    for (auto const& c : cases()) {
        BOOST_TEST_CONTEXT(c) {
            Peer<Kind> io;
            Events events;
            auto const stream = io.stream;
            stream->set_close_callback(events.at("close"));
            if (c.blocked) {
                stream->write(std::string(too_much, 'x'), [](error_code) {});
                io.poll();
                BOOST_TEST(stream->writing());
            }
            if (c.reading == Reading::pending)
                stream->read_until("\n", events.on("read"));
            io.poll();
            io.say(last_words);
            if (c.reset)
                io.reset();
            else
                io.end();
            if (c.blocked && !c.reset)
                BOOST_TEST(io.read_all() == too_much + 6);
            io.run_until([&] { return stream->native_handle() == -1; });
            io.poll();
            bool const pending = c.reading == Reading::pending;
            BOOST_TEST(events.take() == (pending ? "read:" + last_words + ", close" : "close"));
            BOOST_TEST(word(stream->error()) == (c.reset ? "reset" : "eof"));
            if (c.reading == Reading::later)
                stream->read_until("\n", events.on("later"));
            io.poll();
            stream->read_bytes(1, events.on("after"));
            io.poll();
            BOOST_TEST(events.take() ==
                       (c.reading == Reading::later ? "later:" + last_words + ", " : ""s) +
                           (c.reading == Reading::none ? "after:5"
                            : c.reset                  ? "after!reset"
                                                       : "after!eof"));
        }
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T111_a_reset_that_a_send_meets_first_is_a_reset, Kind,
                              ConnectionKinds) {
    Peer<Kind> io;
    Events events;
    io.stream->read_until("\n", events.on("read"));
    io.poll();
    io.reset();
    io.stream->write("tick", events.on("write"));
    io.run_until([&] { return io.stream->closed(); });
    io.poll();
    BOOST_TEST(word(io.stream->error()) == "reset");
    BOOST_TEST(events.take().find("read!reset") != std::string::npos);
}

// ---- An answer to a peer that has ended its side

BOOST_AUTO_TEST_CASE_TEMPLATE(T110_an_answer_that_is_being_written_arrives, Kind, ConnectionKinds) {
    Peer<Kind> io;
    Events events;
    auto const stream = io.stream;
    stream->set_close_callback(events.at("close"));
    // In pieces, each written when the former is complete, and one more read that ends at once.
    asio::co_spawn(
        io.context,
        [&]() -> asio::awaitable<void> {
            for (int i = 0; i != 8; ++i)
                co_await stream->write(std::string(too_much / 8, 'x'));
            events.add("written");
        },
        [](std::exception_ptr failure) { BOOST_TEST(!failure); });
    stream->read_until("\n", events.on("read"));
    io.poll();
    io.end();
    io.run_until([&] { return !stream->reading(); });
    BOOST_TEST(events.take() == "read!eof");
    BOOST_TEST(!stream->closed());
    BOOST_TEST(!stream->error());
    BOOST_TEST(io.read_all() == too_much + 6);
    io.run_until([&] { return stream->native_handle() == -1; });
    io.poll();
    BOOST_TEST(events.take() == "written, close");
    BOOST_TEST(word(stream->error()) == "eof");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T074_T110_an_idle_stream_closes_at_once, Kind, ConnectionKinds) {
    Peer<Kind> io;
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.end();
    io.run_until([&] { return io.stream->closed(); });
    io.poll();
    BOOST_TEST(events.take() == "close");
    BOOST_TEST(io.stream->native_handle() == -1);
}

// ---- Peers that are gone while nobody reads what they sent

BOOST_AUTO_TEST_CASE_TEMPLATE(T074_T104_an_end_behind_unread_bytes_is_noticed, Kind,
                              ConnectionKinds) {
    for (bool const reset : {false, true}) {
        BOOST_TEST_CONTEXT((reset ? "reset" : "end")) {
            Peer<Kind> io;
            Events events;
            io.stream->set_close_callback(events.at("close"));
            io.say("a few bytes");
            io.run_until([&] { return io.stream->bytes_read() == 11; });
            if (reset)
                io.reset();
            else
                io.end();
            io.run_until([&] { return io.stream->native_handle() == -1; });
            io.poll();
            BOOST_TEST(events.take() == "close");
            BOOST_TEST(word(io.stream->error()) == (reset ? "reset" : "eof"));
            io.stream->read_bytes(11, events.on("read"));
            io.poll();
            BOOST_TEST(events.take() == "read:a few bytes");
        }
    }
}

BOOST_AUTO_TEST_CASE(T074_a_hang_up_without_an_error_is_an_end) {
    StreamAndSocket<UnixKind> io; // that has nothing to read when it closes
    Events events;
    asio::write(io.peer, asio::buffer("ab", 2));
    io.stream->read_bytes(1, events.on("1"));
    io.run_until([&] { return !io.stream->reading(); });
    io.poll();
    io.peer.close();
    io.run_until([&] { return io.stream->closed(); });
    BOOST_TEST(word(io.stream->error()) == "eof");
    io.stream->read_until_close(events.on("2"));
    io.poll();
    BOOST_TEST(events.take() == "1:a, 2:b");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T074_a_reset_is_noticed_without_a_close_callback, Kind,
                              ConnectionKinds) {
    for (bool const more_than_a_chunk : {false, true}) {
        Peer<Kind> io(StreamOptions{.read_chunk_size = 16});
        Events events;
        if (more_than_a_chunk) // and with one
            io.stream->set_close_callback(events.at("close"));
        io.say(std::string(40, 'a'));
        io.run_until([&] { return io.stream->bytes_read() >= 16; });
        io.poll();
        io.reset();
        io.run_until([&] { return io.stream->native_handle() == -1; });
        io.poll();
        BOOST_TEST(word(io.stream->error()) == "reset");
        BOOST_TEST(events.take() == (more_than_a_chunk ? "close" : ""));
        io.stream->read_until_close(events.on("read"));
        io.poll();
        BOOST_TEST(events.take() == "read:" + std::string(40, 'a'));
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(T110_a_reset_after_a_half_close_is_noticed, Kind, ConnectionKinds) {
    Peer<Kind> io(StreamOptions{.half_close = true});
    Events events;
    io.stream->set_close_callback(events.at("close"));
    io.stream->read_bytes(1, events.on("read"));
    io.end();
    io.run_until([&] { return !io.stream->reading(); });
    io.poll();
    BOOST_TEST(events.take() == "read!eof");
    BOOST_TEST(!io.stream->closed());
    io.reset();
    io.run_until([&] { return io.stream->native_handle() == -1; });
    io.poll();
    BOOST_TEST(events.take() == "close");
    // For TCP the kernel calls it by another name when the peer's side had ended.
    BOOST_TEST(word(io.stream->error()) ==
               (std::is_same_v<Kind, UnixKind> ? "reset" : "broken_pipe"));
}

BOOST_AUTO_TEST_CASE(T074_urgent_data_are_no_end) {
    Peer<TcpKind> io;
    io.say("a few bytes");
    io.run_until([&] { return io.stream->bytes_read() == 11; });
    ::send(io.peer.native_handle(), "!", 1, MSG_OOB);
    io.poll();
    BOOST_TEST(!io.stream->closed());
    BOOST_TEST(io.context.poll_one() == 0u); // and nothing spins
}

BOOST_AUTO_TEST_SUITE_END()
