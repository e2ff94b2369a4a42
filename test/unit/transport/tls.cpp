// SPDX-License-Identifier: BSL-1.0
// TLS over a scripted transport: short, slow, full, and broken at each step.
#include "transport/tls.hpp"

#include "tornado/netutil.hpp"
#include "tornado/testing.hpp"

#include "iostream/stream_core.hpp"
#include "support/certificates.hpp"
#include "support/events.hpp"
#include "support/io.hpp"
#include "support/scripted_transport.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>
#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>

using namespace tornado;
using namespace tornado::test;

using detail::TlsTransport;

namespace {

struct Contexts {
    std::shared_ptr<asio::ssl::context> server = ssl_options_to_context(
        {.certfile = certificates().combined, .alpn_protocols = {"two", "one"}}, true);
    std::shared_ptr<asio::ssl::context> client =
        ssl_options_to_context({.ca_certs = certificates().ca, .alpn_protocols = {"one"}}, false);
};

Contexts const& contexts() {
    static Contexts const made;
    return made;
}

/// A stream with TLS over a wire of its own.
class TlsStream final : public BaseIOStream {
public:
    TlsStream(std::shared_ptr<asio::ssl::context> context, bool server, std::shared_ptr<Wire> wire)
        : BaseIOStream(make_core(std::move(context), server, std::move(wire))) {}

private:
    static std::shared_ptr<detail::StreamCore>
    make_core(std::shared_ptr<asio::ssl::context> context, bool server,
              std::shared_ptr<Wire> wire) {
        auto transport =
            std::make_unique<TlsTransport>(std::move(context), server, server ? "" : "localhost");
        transport->lay_over(std::make_unique<ScriptedTransport>(std::move(wire)));
        auto const core =
            std::make_shared<detail::StreamCore>(std::move(transport), StreamOptions(), false);
        core->establish();
        return core;
    }
};

/// A client and a server, and a cable between them that the test moves bytes along.
struct Cable : Io {
    std::shared_ptr<Wire> client_wire = std::make_shared<Wire>(executor());
    std::shared_ptr<Wire> server_wire = std::make_shared<Wire>(executor());
    std::shared_ptr<TlsStream> client;
    std::shared_ptr<TlsStream> server;

    explicit Cable(std::shared_ptr<asio::ssl::context> client_context = contexts().client,
                   std::shared_ptr<asio::ssl::context> server_context = contexts().server)
        : client(std::make_shared<TlsStream>(std::move(client_context), false, client_wire)),
          server(std::make_shared<TlsStream>(std::move(server_context), true, server_wire)) {}

    /// Until neither end has anything more to do.
    void settle() {
        do {
            context.restart();
            while (context.poll() != 0)
                context.restart();
        } while (move(*client_wire, *server_wire) + move(*server_wire, *client_wire) != 0);
    }

    /// All that `from` has sent arrives at `to`.
    static std::size_t move(Wire& from, Wire& to) {
        auto data = from.sent();
        from.sends.clear();
        auto const size = data.size();
        if (size != 0)
            to.arrive(std::move(data));
        if (std::exchange(from.ended, false) ||
            (!from.open && !std::exchange(from.reported, true))) {
            to.end();
            return size + 1;
        }
        return size;
    }
};

std::string const long_text(200'000, 'l');

// What the ends say to each other, in every way there is.
asio::awaitable<void> ask(TlsStream& stream, Events& events) {
    try {
        stream.write("HELO\r\n");
        co_await stream.write(std::string(long_text));
        co_await stream.write("to 42\r\n");
        events.add(co_await stream.read_until("\r\n"));
        auto const answer = co_await stream.read_bytes(long_text.size());
        events.add(answer == long_text ? "all" : "mangled");
        stream.shutdown_write();
        events.add(co_await stream.read_until_close());
    } catch (system_error const& e) {
        events.add("asks!" + word(e.code()));
    }
}

asio::awaitable<void> answer(TlsStream& stream, Events& events) {
    try {
        auto text = co_await stream.read_until("\r\n");
        auto all = co_await stream.read_bytes(long_text.size());
        text += co_await stream.read_until_regex("[0-9]+\r\n");
        events.add(text + (all == long_text ? "all" : "mangled"));
        stream.write("250 ok\r\n");
        stream.write(std::move(all));
        co_await stream.write("bye");
        stream.close_after_flush();
    } catch (system_error const& e) {
        events.add("answers!" + word(e.code()));
    }
}

struct Shape {
    std::size_t read_limit;
    std::size_t write_limit;
    std::size_t slowness;
};

std::ostream& operator<<(std::ostream& out, Shape const& shape) {
    return out << "at most " << shape.read_limit << " in, " << shape.write_limit << " out, slow "
               << shape.slowness;
}

TlsTransport& tls_of(TlsStream& stream) {
    return static_cast<TlsTransport&>(detail::StreamAccess::core(stream).transport());
}

/// The key updates that a client sends, `size` bytes of them and a little more.
std::string key_updates(Cable& io, std::size_t size, int kind) {
    auto& transport = tls_of(*io.client);
    while (io.client_wire->sent().size() < size) {
        for (int i = 0; i < 1000; ++i) {
            SSL_key_update(transport.native_tls(), kind);
            SSL_do_handshake(transport.native_tls());
        }
        error_code ec;
        transport.write_some({}, ec);
    }
    auto all = io.client_wire->sent();
    io.client_wire->sends.clear();
    return all;
}

void converse(Cable& io, Events& client_events, Events& server_events) {
    asio::co_spawn(io.context, ask(*io.client, client_events), asio::detached);
    asio::co_spawn(io.context, answer(*io.server, server_events), asio::detached);
    io.settle();
}

} // namespace

BOOST_AUTO_TEST_SUITE(tls_transport)

BOOST_AUTO_TEST_CASE(T137_T140_nothing_is_lost_however_the_wire_behaves) {
    for (Shape const shape : {Shape{Wire::none, Wire::none, 0}, Shape{Wire::none, Wire::none, 1},
                              Shape{1000, 700, 0}, Shape{5, 4096, 0}, Shape{4096, 33, 2}})
        BOOST_TEST_CONTEXT(shape) {
            Cable io;
            for (auto const& wire : {io.client_wire, io.server_wire}) {
                wire->read_limit = shape.read_limit;
                wire->write_limit = shape.write_limit;
                wire->slowness = shape.slowness;
            }
            Events client;
            Events server;
            converse(io, client, server);
            BOOST_TEST(server.take() == "HELO\r\nto 42\r\nall");
            BOOST_TEST(client.take() == "250 ok\r\n, all, bye");
            BOOST_TEST(io.client->closed());
            BOOST_TEST(word(io.client->error()) == "eof"); // close_notify has come
        }
}

BOOST_AUTO_TEST_CASE(what_the_wire_does_not_take_is_sent_later) {
    Cable io;
    io.settle();
    io.server_wire->room = 10;
    Events events;
    io.server->write(std::string(1000, 'x'), events.on("write"));
    io.settle();
    BOOST_TEST(events.take() == "write"); // queued below the mark
    BOOST_TEST(io.server->writing());
    io.client->read_bytes(1000, events.on("read"));
    for (int turn = 0; turn != 200; ++turn) {
        io.server_wire->drain(10);
        io.settle();
    }
    BOOST_TEST(events.take() == "read:" + std::string(1000, 'x'));
    BOOST_TEST(!io.server->writing());
}

BOOST_AUTO_TEST_CASE(what_tls_below_tls_holds_back_is_sent_later) {
    Io io;
    auto const wire = std::make_shared<Wire>(io.executor());
    // A lower transport that takes all and holds the end of it back.
    struct Holding final : detail::Transport {
        ScriptedTransport over;
        bool holds = true;
        std::size_t calls = 0;
        explicit Holding(std::shared_ptr<Wire> to) : over(std::move(to)) {}
        asio::any_io_executor const& executor() noexcept override { return over.executor(); }
        int native_handle() noexcept override { return -1; }
        std::size_t read_some(std::span<asio::mutable_buffer const> to, error_code& ec) override {
            return over.read_some(to, ec);
        }
        std::size_t write_some(std::span<asio::const_buffer const> from, error_code& ec) override {
            ++calls;
            ec = holds ? error_code(asio::error::would_block) : error_code();
            return asio::buffer_size(from);
        }
        std::size_t send_file(int, std::uint64_t, std::size_t, error_code&) override { return 0; }
        void async_wait(detail::Direction direction, std::shared_ptr<detail::Waiter> w) override {
            over.async_wait(direction, std::move(w));
        }
        detail::Direction establish(error_code&) override { return detail::Direction::none; }
        detail::Direction connect(Endpoint const&, error_code&) override {
            return detail::Direction::none;
        }
        error_code lost() noexcept override { return {}; }
        void shutdown_write(error_code&) override {}
        void close() noexcept override {}
        int release(error_code&) override { return -1; }
        void leave_context() noexcept override { over.leave_context(); }
    };
    auto lower = std::make_unique<Holding>(wire);
    auto& below = *lower;
    TlsTransport transport(contexts().client, false, "localhost");
    transport.lay_over(std::move(lower));
    error_code ec;
    BOOST_TEST((transport.establish(ec) == detail::Direction::write));
    BOOST_TEST((transport.establish(ec) == detail::Direction::write));
    below.holds = false;
    auto const calls = below.calls;
    BOOST_TEST((transport.establish(ec) == detail::Direction::read));
    BOOST_TEST(below.calls == calls + 1);
}

BOOST_AUTO_TEST_CASE(a_close_sends_what_the_transport_still_holds) {
    Cable io;
    io.settle();
    io.server_wire->room = 10;
    Events events;
    io.server->write(std::string(1000, 'x'));
    io.settle();
    io.server->close();
    BOOST_TEST(io.server_wire->open);
    io.client->read_until_close(events.on("read"));
    io.server_wire->drain();
    io.settle();
    BOOST_TEST(events.take() == "read:" + std::string(1000, 'x'));
    BOOST_TEST(!io.server_wire->open);
    BOOST_TEST(word(io.client->error()) == "eof");
}

BOOST_AUTO_TEST_CASE(the_writes_of_a_turn_are_one_record_and_one_send) {
    Cable io;
    io.settle();
    auto const before = io.server_wire->writes;
    for (int i = 0; i != 50; ++i)
        io.server->write("0123456789\r\n");
    io.context.restart();
    io.context.poll();
    BOOST_TEST(io.server_wire->writes - before == 1u);
    BOOST_TEST(io.server_wire->sent().size() < 50u * 12 + 40);
}

BOOST_AUTO_TEST_CASE(a_read_that_takes_all_receives_once) {
    Cable io;
    io.settle();
    auto const before = io.client_wire->reads;
    Events events;
    io.client->read_until("\n", events.on("1"));
    io.server->write("one\n");
    io.settle();
    BOOST_TEST(events.take() == "1:one\n");
    BOOST_TEST(io.client_wire->reads - before == 1u);
}

BOOST_AUTO_TEST_CASE(T139_an_end_without_close_notify_loses_nothing_and_is_told_apart) {
    Cable io;
    io.settle();
    Events events;
    io.server->write("last words");
    io.settle();
    CapturedLog const log;
    io.client_wire->end();
    io.client->read_until_close(events.on("read"));
    io.client->set_close_callback(events.at("close"));
    io.settle();
    BOOST_TEST(events.take() == "read:last words, close");
    BOOST_TEST((io.client->error() == asio::ssl::error::stream_truncated));
    BOOST_TEST((io.client->error() == errc::stream_closed));
    for (auto const& line : log.lines())
        BOOST_ERROR(line);
}

BOOST_AUTO_TEST_CASE(close_notify_ends_the_stream_though_the_connection_stands) {
    Cable io;
    io.settle();
    Events events;
    io.server->write("a line\nthe rest");
    io.server->close();
    io.context.restart();
    io.context.poll();
    io.client_wire->arrive(io.server_wire->sent()); // but no end of the connection
    io.server_wire->reported = true;
    io.server_wire->sends.clear();
    io.client->read_until("\n", events.on("line"));
    io.settle();
    io.client->read_until_close(events.on("rest"));
    io.settle();
    BOOST_TEST(events.take() == "line:a line\n, rest:the rest");
    BOOST_TEST(word(io.client->error()) == "eof");
}

BOOST_AUTO_TEST_CASE(the_wire_breaks_at_each_step) {
    CapturedLog const log;
    for (error_code const failure :
         {make_error_code(asio::error::connection_reset), make_error_code(asio::error::eof)})
        for (std::size_t step = 0;; ++step)
            BOOST_TEST_CONTEXT("step " << step << ", " << failure.message()) {
                Cable io;
                io.server_wire->fail_at = step;
                io.server_wire->failure = failure;
                Events client;
                Events server;
                converse(io, client, server);
                auto const text = server.take();
                bool const unharmed = io.server_wire->calls <= step;
                if (unharmed)
                    BOOST_TEST(text == "HELO\r\nto 42\r\nall");
                else
                    BOOST_TEST(!io.server_wire->open);
                if (unharmed)
                    break;
            }
    BOOST_TEST(log.count("SSL Error") == 0); // nobody's fault
}

BOOST_AUTO_TEST_CASE(T138_garbage_ends_the_handshake_with_one_line) {
    Cable io;
    CapturedLog const log;
    Events events;
    io.server->read_until("\n", events.on("read"));
    io.server->set_close_callback(events.at("close"));
    io.client_wire->open = false;
    io.client_wire->reported = true;
    io.server_wire->arrive("GET / HTTP/1.1\r\n\r\n");
    io.context.restart();
    io.context.poll();
    auto const ec = io.server->error();
    BOOST_TEST((ec.category() == asio::error::get_ssl_category()));
    BOOST_TEST(events.take() == "read!" + ec.message() + ", close");
    BOOST_TEST(log.count("SSL Error on ") == 1);
    BOOST_TEST(log.lines().size() == 1u);
    BOOST_TEST(!io.server_wire->open);
}

BOOST_AUTO_TEST_CASE(a_record_that_was_tampered_with_ends_the_stream) {
    Cable io;
    io.settle();
    Events events;
    io.server->write("pay 10 to Bob\n");
    io.context.restart();
    io.context.poll();
    auto data = io.server_wire->sent();
    io.server_wire->sends.clear();
    data.back() = static_cast<char>(data.back() + 1);
    CapturedLog const log;
    io.client_wire->arrive(data);
    io.client->read_until("\n", events.on("read"));
    io.settle();
    BOOST_TEST((io.client->error().category() == asio::error::get_ssl_category()));
    BOOST_TEST(log.count("error on read from connection ") == 2); // the other is the peer's, told
                                                                  // by an alert
    BOOST_TEST(log.lines().size() == 2u);
    BOOST_TEST((io.server->error().category() == asio::error::get_ssl_category()));
}

BOOST_AUTO_TEST_CASE(what_came_before_a_broken_record_is_answered) {
    auto const upper = [](TlsStream& stream) -> asio::awaitable<void> {
        for (;;) {
            auto line = co_await stream.read_until("\n");
            co_await stream.write("you said " + line);
        }
    };
    for (auto const* kind : {"tampered", "garbage", "too long"})
        for (std::size_t const split : {0u, 3u, 1000u}) // in one packet, or in two
            BOOST_TEST_CONTEXT(kind << ", cut " << split << " bytes before the end") {
                Cable io;
                io.settle();
                CapturedLog const log;
                Events events;
                asio::co_spawn(io.context, upper(*io.server), asio::detached);
                io.client->read_until_close(events.on("answers"));
                std::string data;
                for (auto const* line : {"one\n", "two\n", "three\n"}) { // in a record each
                    io.client->write(line);
                    io.poll();
                    data += std::exchange(io.client_wire->sends, {}).at(0);
                }
                if (kind == std::string("tampered"))
                    data.back() = static_cast<char>(data.back() + 1);
                else
                    data.resize(data.size() - 6 - 22); // the last record
                if (kind == std::string("garbage"))
                    data += "GET / HTTP/1.1\r\n";
                if (kind == std::string("too long"))
                    data += "\x17\x03\x03\xff\xff" + std::string(11, 'x');
                auto const first = data.size() - std::min(split, data.size());
                if (first != 0)
                    io.server_wire->arrive(data.substr(0, first));
                if (first != data.size())
                    io.server_wire->arrive(data.substr(first));
                io.settle();
                BOOST_TEST((io.server->error().category() == asio::error::get_ssl_category()));
                BOOST_TEST(events.take() == "answers:you said one\nyou said two\n");
                BOOST_TEST(io.client->error().message().find("alert") != std::string::npos);
                BOOST_TEST(log.lines().size() == 2u); // one at each end
                BOOST_TEST(log.count("Write error") == 0);
                BOOST_TEST(log.count(io.server->error().message()) >= 1);
            }
}

BOOST_AUTO_TEST_CASE(records_that_came_together_are_read_without_another_receive) {
    Cable io;
    io.settle();
    std::string data;
    for (auto const* line : {"one\n", "two\n", "three\n"}) {
        io.client->write(line);
        io.poll();
        data += std::exchange(io.client_wire->sends, {}).at(0);
    }
    std::string got;
    asio::co_spawn(
        io.context,
        [&]() -> asio::awaitable<void> {
            for (int i = 0; i != 3; ++i)
                got += co_await io.server->read_until("\n");
        },
        asio::detached);
    io.settle();
    auto const before = io.server_wire->reads;
    io.server_wire->arrive(data);
    io.settle();
    BOOST_TEST(got == "one\ntwo\nthree\n");
    BOOST_TEST(io.server_wire->reads - before == 1u);
}

BOOST_AUTO_TEST_CASE(records_that_nobody_reads_yet_are_there_later) {
    Cable io;
    io.settle();
    std::string data;
    for (auto const* line : {"one\n", "two\n", "three\n"}) {
        io.client->write(line);
        io.poll();
        data += std::exchange(io.client_wire->sends, {}).at(0);
    }
    io.server_wire->arrive(data);
    io.settle();
    Events events;
    for (auto const* name : {"1", "2", "3"}) {
        io.server->read_until("\n", events.on(name));
        io.settle();
    }
    BOOST_TEST(events.take() == "1:one\n, 2:two\n, 3:three\n");
}

BOOST_AUTO_TEST_CASE(there_is_no_renegotiation_whatever_the_context_says) {
    auto const lax = std::make_shared<asio::ssl::context>(asio::ssl::context::tlsv12_client);
    SSL_CTX_clear_options(lax->native_handle(), SSL_OP_NO_RENEGOTIATION);
    Cable io(lax);
    io.settle();
    BOOST_TEST(SSL_renegotiate(tls_of(*io.client).native_tls()) == 0);
    Events events;
    io.server->read_until("\n", events.on("read"));
    io.client->write("still there?\n");
    io.settle();
    BOOST_TEST(events.take() == "read:still there?\n");
}

BOOST_AUTO_TEST_CASE(key_updates_without_end_leave_the_loop_to_others) {
    Cable io;
    io.settle();
    Events events;
    io.server->read_until("\n", events.on("read"));
    auto const reads = io.server_wire->reads;
    io.server_wire->arrive(key_updates(io, 400'000, SSL_KEY_UPDATE_NOT_REQUESTED));
    io.context.restart();
    BOOST_TEST(io.context.poll_one() == 1u);
    BOOST_TEST(io.server_wire->waits(detail::Direction::read) == false); // there is more
    BOOST_TEST(io.server_wire->reads - reads < 25u);
    io.client->write("still there?\n");
    io.settle();
    BOOST_TEST(events.take() == "read:still there?\n");
}

BOOST_AUTO_TEST_CASE(key_updates_that_nobody_takes_end_the_stream) {
    Cable io;
    io.settle();
    CapturedLog const log;
    Events events;
    io.server->read_until("\n", events.on("read"));
    io.server_wire->room = 0;
    for (int i = 0; i < 3; ++i) // more than the server may hold
        io.server_wire->arrive(key_updates(io, 150'000, SSL_KEY_UPDATE_REQUESTED));
    io.context.restart();
    io.context.poll();
    BOOST_TEST(events.take() == "read!" + word(asio::error::no_buffer_space));
    BOOST_TEST(log.count("error on read from ") == 1);
    BOOST_TEST(log.lines().size() == 1u);
    BOOST_TEST(!io.server_wire->open);
}

BOOST_AUTO_TEST_CASE(a_client_without_a_name_to_verify_is_refused) {
    Io io;
    auto const wire = std::make_shared<Wire>(io.executor());
    TlsTransport transport(contexts().client, false, "");
    transport.lay_over(std::make_unique<ScriptedTransport>(wire));
    error_code ec;
    BOOST_TEST((transport.establish(ec) == detail::Direction::none));
    BOOST_TEST((ec == error::server_name_required));
    BOOST_TEST(wire->sent().empty());
}

BOOST_AUTO_TEST_CASE(clear_text_leaves_first) {
    Io io;
    auto const wire = std::make_shared<Wire>(io.executor());
    wire->write_limit = 3;
    TlsTransport transport(contexts().client, false, "localhost");
    transport.lay_over(std::make_unique<ScriptedTransport>(wire), "STARTTLS\r\n");
    error_code ec;
    for (int turn = 0; turn != 1000 && transport.establish(ec) == detail::Direction::write;
         ++turn) {
    }
    BOOST_TEST(!ec);
    BOOST_TEST(wire->sent().substr(0, 11) == "STARTTLS\r\n\x16");
}

BOOST_AUTO_TEST_CASE(there_is_no_socket_to_release) {
    Io io;
    auto const wire = std::make_shared<Wire>(io.executor());
    TlsTransport transport(contexts().server, true, "");
    transport.lay_over(std::make_unique<ScriptedTransport>(wire));
    error_code ec;
    BOOST_TEST(transport.release(ec) == -1);
    BOOST_TEST((ec == asio::error::operation_not_supported));
    BOOST_TEST(wire->open);
}

BOOST_AUTO_TEST_SUITE_END()
