// SPDX-License-Identifier: BSL-1.0
// TLS on streams: the switch in mid-stream, the handshake, and whose certificate is whose.
#include "support/tls.hpp"

#include "tornado/iostream.hpp"
#include "tornado/ssl_options.hpp"
#include "tornado/testing.hpp"

#include "iostream/stream_core.hpp"
#include "support/events.hpp"
#include "support/stream_pairs.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>
#include <openssl/x509_vfy.h>

#include <chrono>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace tornado;
using namespace tornado::test;

namespace {

/// Two plain streams that are to become TLS; near is the client.
struct Plain : StreamPair<TcpKind> {
    SSLIOStreamPtr client;
    SSLIOStreamPtr server;
    error_code client_error;
    error_code server_error;

    /// Both ends switch; what came of it is in the members.
    void start_tls(Context client_with = client_context(), std::string const& name = "localhost",
                   Context server_with = server_context()) {
        int left = 2;
        far->start_tls(true, std::move(server_with), "", [&](error_code ec, SSLIOStreamPtr made) {
            server_error = ec;
            server = std::move(made);
            --left;
        });
        near->start_tls(false, std::move(client_with), name,
                        [&](error_code ec, SSLIOStreamPtr made) {
                            client_error = ec;
                            client = std::move(made);
                            --left;
                        });
        run_until([&] { return left == 0; });
    }
};

asio::awaitable<void> smtp_server(IOStreamPtr plain, std::string& log) {
    co_await plain->write("220 mail.example.com ready\r\n");
    log += co_await plain->read_until("\r\n");
    co_await plain->write("250-mail.example.com welcome\r\n250 STARTTLS\r\n");
    log += co_await plain->read_until("\r\n");
    co_await plain->write("220 go ahead\r\n");
    IOStreamPtr const stream = co_await plain->start_tls(true, server_context());
    log += co_await stream->read_until("\r\n");
    co_await stream->write("250 mail.example.com welcome\r\n");
}

asio::awaitable<void> smtp_client(IOStreamPtr plain, std::string& log) {
    log += co_await plain->read_until("\r\n");
    co_await plain->write("EHLO client.example.com\r\n");
    log += co_await plain->read_until_regex("250 .*\r\n");
    co_await plain->write("STARTTLS\r\n");
    log += co_await plain->read_until("\r\n");
    IOStreamPtr const stream = co_await plain->start_tls(false, client_context(), "localhost");
    co_await stream->write("EHLO again\r\n");
    log += co_await stream->read_until("\r\n");
}

} // namespace

BOOST_AUTO_TEST_SUITE(iostream_tls)

BOOST_AUTO_TEST_CASE(T128_start_tls_in_an_smtp_dialogue) {
    Plain io;
    std::string heard_by_server;
    std::string heard_by_client;
    bool ended = false;
    asio::co_spawn(io.context, smtp_server(io.far, heard_by_server),
                   [&](std::exception_ptr failure) { ended = !failure; });
    io.run_test([&] { return smtp_client(io.near, heard_by_client); });
    BOOST_TEST(ended);
    BOOST_TEST(heard_by_server == "EHLO client.example.com\r\nSTARTTLS\r\nEHLO again\r\n");
    BOOST_TEST(heard_by_client ==
               "220 mail.example.com ready\r\n250-mail.example.com welcome\r\n250 STARTTLS\r\n"
               "220 go ahead\r\n250 mail.example.com welcome\r\n");
}

BOOST_AUTO_TEST_CASE(T129_start_tls_on_a_stream_that_is_not_idle) {
    Plain io;
    Events events;

    io.near->read_until("\n", events.on("read"));
    io.near->start_tls(false, client_context(), "localhost", events.on("1"));
    io.poll();
    BOOST_TEST(events.take() == "1!not_idle");
    io.far->write("unharmed\nmore");
    io.run_until([&] { return !io.near->reading(); });
    BOOST_TEST(events.take() == "read:unharmed\n");

    io.near->start_tls(false, client_context(), "localhost", events.on("2")); // "more" is unread
    io.poll();
    BOOST_TEST(events.take() == "2!not_idle");
    io.near->read_bytes(4, events.on("rest"));
    io.near->write("x", events.on("write"));
    io.near->start_tls(false, client_context(), "localhost", events.on("3"));
    io.poll();
    BOOST_TEST(events.take() == "write, rest:more, 3!not_idle");

    io.near->close();
    io.near->start_tls(false, client_context(), "localhost", events.on("4"));
    io.poll();
    BOOST_TEST(events.take() == "4!not_idle");

    auto const unconnected = std::make_shared<IOStream>(asio::ip::tcp::socket(io.context));
    unconnected->start_tls(false, client_context(), "localhost", events.on("5"));
    io.poll();
    BOOST_TEST(events.take() == "5!not_idle");
}

BOOST_AUTO_TEST_CASE(clear_text_before_the_switch_is_never_taken_as_encrypted) {
    Plain io;
    CapturedLog const log;
    Events events;
    // What a man in the middle adds to a command comes in one packet with it, or in the next.
    io.near->write("STARTTLS\r\nRCPT TO:<evil>\r\n");
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await io.far->read_until("\r\n") == "STARTTLS\r\n");
    });
    io.far->start_tls(true, server_context(), "", events.on("switch"));
    io.poll();
    BOOST_TEST(events.take() == "switch!not_idle");

    Plain other;
    other.near->write("STARTTLS\r\n");
    other.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await other.far->read_until("\r\n") == "STARTTLS\r\n");
        other.near->write("RCPT TO:<evil>\r\n");
        auto const [ec, stream] = co_await other.far->start_tls(true, server_context(), "",
                                                                asio::as_tuple(asio::deferred));
        BOOST_TEST((ec.category() == asio::error::get_ssl_category()));
        BOOST_TEST(!stream);
    });
    BOOST_TEST(log.count("SSL Error on connection ") == 1);
}

BOOST_AUTO_TEST_CASE(T130_start_tls_hands_over_and_leaves_the_old_stream_closed) {
    Plain io;
    Events events;
    io.near->set_close_callback(events.at("close"));
    io.start_tls();
    BOOST_TEST_REQUIRE(io.client);
    BOOST_TEST(io.near->closed());
    io.near->read_until("\n", events.on("read"));
    io.near->write("x", events.on("write"));
    io.near->close();
    io.poll();
    BOOST_TEST(events.take() == "write!closed, read!closed");
    io.near.reset();
    BOOST_TEST(!io.client->closed());
    io.client->close();
    io.poll();
    BOOST_TEST(events.take() == "close");
}

BOOST_AUTO_TEST_CASE(T130_the_limits_are_handed_over) {
    Plain io;
    auto [a, b] = tcp_sockets(io);
    io.near = std::make_shared<IOStream>(
        std::move(a), StreamOptions{.max_buffer_size = 1000, .max_write_buffer_size = 500});
    io.far = std::make_shared<IOStream>(std::move(b));
    io.start_tls();
    Events events;
    CapturedLog const log;
    io.client->write(std::string(501, 'x'), events.on("write"));
    io.client->read_until("\n", events.on("read"));
    io.server->write(std::string(1001, 'x'));
    io.run_until([&] { return io.client->closed(); });
    io.poll();
    BOOST_TEST(events.take() == "write!full, read!full");
}

BOOST_AUTO_TEST_CASE(what_was_written_before_the_switch_leaves_in_clear_text) {
    Plain io;
    std::string const text(3'000'000, 'c');
    io.far->write(std::string(text)); // more than the kernel takes; nobody waits for it
    io.run_test([&]() -> asio::awaitable<void> {
        bool switched = false;
        io.far->start_tls(true, server_context(), "", [&](error_code ec, SSLIOStreamPtr stream) {
            BOOST_TEST(!ec);
            io.server = std::move(stream);
            switched = true;
        });
        auto const got = co_await io.near->read_bytes(text.size());
        BOOST_TEST((got == text));
        auto const stream = co_await io.near->start_tls(false, client_context(), "localhost");
        co_await stream->write("encrypted\n");
        while (!switched)
            co_await asio::post(io.context, asio::use_awaitable);
        BOOST_TEST(co_await io.server->read_until("\n") == "encrypted\n");
    });
}

BOOST_AUTO_TEST_CASE(T131_T132_certificates_and_names_are_verified) {
    struct Case {
        Identity const& identity;
        std::string name;
        int reason;
    };
    auto const& all = certificates();
    for (auto const& [identity, name, reason] :
         {Case{all.expired, "localhost", X509_V_ERR_CERT_HAS_EXPIRED},
          Case{all.self_signed, "localhost", X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT},
          Case{all.foreign, "localhost", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY},
          Case{all.other, "localhost", X509_V_ERR_HOSTNAME_MISMATCH},
          Case{all.localhost, "127.0.0.2", X509_V_ERR_IP_ADDRESS_MISMATCH},
          Case{all.localhost, "127.0.0.1", X509_V_OK}, Case{all.localhost, "::1", X509_V_OK},
          Case{all.localhost, "localhost", X509_V_OK}})
        BOOST_TEST_CONTEXT(identity.certfile << " as " << name) {
            Plain io;
            CapturedLog const log;
            io.start_tls(client_context(), name, server_context(identity));
            if (reason == X509_V_OK) {
                BOOST_TEST(!io.client_error);
                BOOST_TEST(!io.server_error);
                continue;
            }
            BOOST_TEST((io.client_error == error_code(reason, certificate_category())));
            BOOST_TEST((io.client_error != errc::stream_closed));
            // With TLS 1.3 the server hears of it after its own handshake.
            if (io.server) {
                io.run_until([&] { return io.server->closed(); });
                io.server_error = io.server->error();
            }
            BOOST_TEST((io.server_error.category() == asio::error::get_ssl_category()));
            BOOST_TEST(log.count("SSL Error on connection ") >= 1);
            BOOST_TEST(log.count(io.client_error.message()) == 1);
            BOOST_TEST(log.lines().size() == 2u); // one for each side
        }
}

BOOST_AUTO_TEST_CASE(T133_unless_it_is_switched_off) {
    Plain wrong_name;
    wrong_name.start_tls(client_context({.check_hostname = false}), "localhost",
                         server_context(certificates().other));
    BOOST_TEST(!wrong_name.client_error);

    Plain no_name;
    no_name.start_tls(client_context({.check_hostname = false}), "");
    BOOST_TEST(!no_name.client_error);

    Plain anybody;
    anybody.start_tls(ssl_options_to_context({.cert_reqs = CertReqs::none}, false), "",
                      server_context(certificates().self_signed));
    BOOST_TEST(!anybody.client_error);
    BOOST_TEST(common_name(anybody.client->peer_certificate()) == "localhost");
}

BOOST_AUTO_TEST_CASE(a_client_that_is_to_verify_needs_a_name) {
    Plain io;
    CapturedLog const log;
    io.start_tls(client_context(), "");
    BOOST_TEST((io.client_error == error::server_name_required));
    BOOST_TEST(io.client_error.message().find("server_hostname") != std::string::npos);

    // One that judges by rules of its own may do without.
    auto const judging = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    judging->set_verify_mode(asio::ssl::verify_peer);
    judging->set_verify_callback([](bool, asio::ssl::verify_context&) { return true; });
    Plain judged;
    judged.start_tls(judging, "");
    BOOST_TEST(!judged.client_error);

    Plain invalid;
    BOOST_CHECK_THROW(invalid.near->start_tls(false, client_context(), std::string("a\0b", 3),
                                              [](error_code, SSLIOStreamPtr) {}),
                      std::invalid_argument);
    BOOST_CHECK_THROW(
        invalid.near->start_tls(false, nullptr, "localhost", [](error_code, SSLIOStreamPtr) {}),
        std::invalid_argument);
    BOOST_TEST(!invalid.near->closed());
}

BOOST_AUTO_TEST_CASE(what_cannot_even_be_begun_is_thrown_where_a_coroutine_catches_it) {
    Plain io;
    auto const unconnected =
        std::make_shared<SSLIOStream>(asio::ip::tcp::socket(io.context), client_context());
    Address const address("127.0.0.1", 1);
    int caught = 0;
    io.run_test([&]() -> asio::awaitable<void> {
        for (auto const& name : {std::string(300, 'x'), std::string("local\0host", 10)}) {
            try {
                co_await io.near->start_tls(false, client_context(), name);
            } catch (std::invalid_argument const&) {
                ++caught;
            }
            try {
                co_await unconnected->connect(address, name);
            } catch (std::invalid_argument const&) {
                ++caught;
            }
        }
        try {
            co_await io.near->start_tls(true, nullptr);
        } catch (std::invalid_argument const&) {
            ++caught;
        }
        io.far->write("unharmed\n");
        BOOST_TEST(co_await io.near->read_until("\n") == "unharmed\n");
    });
    BOOST_TEST(caught == 5);
    BOOST_TEST(!unconnected->closed());
}

BOOST_AUTO_TEST_CASE(tls_that_cannot_be_begun_completes_with_the_reason_and_changes_nothing) {
    Plain io;
    CapturedLog const log;
    auto const hollow = client_context();
    auto const elsewhere = std::move(*hollow); // no SSL can be made of what is left
    io.run_test([&]() -> asio::awaitable<void> {
        auto const [ec, stream] =
            co_await io.near->start_tls(false, hollow, "localhost", asio::as_tuple(asio::deferred));
        BOOST_TEST((ec.category() == asio::error::get_ssl_category()));
        BOOST_TEST(!stream);
        io.far->write("unharmed\n");
        BOOST_TEST(co_await io.near->read_until("\n") == "unharmed\n");
    });
    BOOST_TEST(log.count("SSL Error on connection ") == 1);
    BOOST_TEST(log.lines().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_certificate_without_a_subjectAltName_is_told_so) {
    for (auto const* name : {"localhost", "127.0.0.1"}) {
        Plain io;
        CapturedLog const log;
        io.start_tls(client_context(), name, server_context(certificates().nameless));
        BOOST_TEST((io.client_error == certificate_error::no_subject_alt_name));
        BOOST_TEST((io.client_error.category() == certificate_category()));
        BOOST_TEST(log.count("SSL Error on connection ") >= 1);
        BOOST_TEST(log.count("with a subjectAltName") == 1);
    }
}

BOOST_AUTO_TEST_CASE(a_foreign_context_may_be_told_not_to_check_names) {
    auto const foreign = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    foreign->load_verify_file(certificates().ca);
    foreign->set_verify_mode(asio::ssl::verify_peer);
    for (bool const checks : {true, false}) {
        check_hostname(*foreign, checks);
        for (auto const* name : {"", "other.test"}) {
            CapturedLog const log;
            Plain io;
            io.start_tls(foreign, name);
            BOOST_TEST(io.client_error.failed() == checks);
        }
        CapturedLog const log;
        Plain stranger; // the chain is verified in any case
        stranger.start_tls(foreign, "localhost", server_context(certificates().foreign));
        BOOST_TEST((stranger.client_error.category() == certificate_category()));
    }
}

BOOST_AUTO_TEST_CASE(a_handshake_under_way_keeps_its_stream) {
    for (bool const server_side : {false, true})
        for (bool const begun : {false, true}) {
            Io io;
            auto [a, b] = tcp_sockets(io);
            Events events;
            auto const make = [&](asio::ip::tcp::socket& socket, bool server) {
                auto stream = std::make_shared<SSLIOStream>(
                    std::move(socket), server ? server_context() : client_context(), server,
                    server ? "" : "localhost");
                stream->set_close_callback(events.at(server ? "server" : "client"));
                return stream;
            };
            auto left = make(a, server_side);
            std::weak_ptr<SSLIOStream> const alive = left;
            if (begun)
                io.poll();
            left.reset();
            io.poll();
            BOOST_TEST(!alive.expired());
            BOOST_TEST(events.take() == "");
            auto const held = make(b, !server_side);
            io.run_test([&]() -> asio::awaitable<void> {
                co_await held->wait_for_handshake();
                static_cast<void>(co_await held->read_until_close());
            });
            BOOST_TEST((held->error() == asio::error::eof)); // in good order, when it was over
            BOOST_TEST(alive.expired());
            io.run();
        }
}

BOOST_AUTO_TEST_CASE(a_context_may_be_destroyed_in_a_handshake_that_nobody_holds) {
    std::weak_ptr<SSLIOStream> alive;
    {
        Io io;
        auto [a, b] = tcp_sockets(io);
        auto stream =
            std::make_shared<SSLIOStream>(std::move(a), client_context(), false, "localhost");
        alive = stream;
        io.poll();
        stream.reset();
        BOOST_TEST(!alive.expired());
    }
    BOOST_TEST(alive.expired());
}

BOOST_AUTO_TEST_CASE(T127_T134_T135_the_handshake_begins_by_itself) {
    Io io;
    auto [a, b] = tcp_sockets(io);
    auto const server = std::make_shared<SSLIOStream>(std::move(b), server_context(), true);
    auto const client =
        std::make_shared<SSLIOStream>(std::move(a), client_context(), false, "localhost");
    BOOST_TEST(server->cipher() == "");
    BOOST_TEST(server->alpn() == "");
    BOOST_TEST(!client->peer_certificate());
    io.run_until([&] { return !client->cipher().empty() && !server->cipher().empty(); });
    BOOST_TEST(client->cipher() == server->cipher());
    BOOST_TEST(server->server_name() == "localhost");
    BOOST_TEST(common_name(client->peer_certificate()) == "localhost");
    BOOST_TEST(client->native_handle() != nullptr);
    BOOST_CHECK_THROW(client->release(), system_error);
}

BOOST_AUTO_TEST_CASE(T122_T137_reads_and_writes_before_the_handshake_wait_for_it) {
    Io io;
    auto [a, b] = tcp_sockets(io);
    auto const server = std::make_shared<SSLIOStream>(std::move(b), server_context(), true);
    Events events;
    server->write("220 ready\n", events.on("write"));
    server->read_until("\n", events.on("read"));
    io.poll();
    BOOST_TEST(events.take() == "");
    BOOST_TEST(server->reading());
    BOOST_TEST(server->writing());
    auto const client =
        std::make_shared<SSLIOStream>(std::move(a), client_context(), false, "localhost");
    io.run_test([&]() -> asio::awaitable<void> {
        client->write("hello\n");
        BOOST_TEST(co_await client->read_until("\n") == "220 ready\n");
    });
    io.run_until([&] { return !server->reading(); });
    BOOST_TEST(events.take() == "write, read:hello\n");
}

BOOST_AUTO_TEST_CASE(T122_a_handshake_that_waits_for_the_peer_reads) {
    Io io;
    auto [a, b] = tcp_sockets(io);
    auto const server = std::make_shared<SSLIOStream>(std::move(b), server_context(), true);
    io.poll();
    BOOST_TEST(server->reading());
    auto const client =
        std::make_shared<SSLIOStream>(std::move(a), client_context(), false, "localhost");
    io.run_test([&]() -> asio::awaitable<void> {
        co_await client->wait_for_handshake();
        co_await server->wait_for_handshake();
    });
    BOOST_TEST(!server->reading());
}

BOOST_AUTO_TEST_CASE(T136_wait_for_handshake) {
    Io io;
    auto [a, b] = tcp_sockets(io);
    auto const server = std::make_shared<SSLIOStream>(std::move(b), server_context(), true);
    Events events;
    asio::cancellation_signal cancel;
    server->wait_for_handshake(asio::bind_cancellation_slot(cancel.slot(), events.on("1")));
    server->wait_for_handshake(events.on("2"));
    io.poll();
    BOOST_TEST(events.take() == "2!" + make_error_code(error::already_waiting).message());
    cancel.emit(asio::cancellation_type::total);
    io.poll();
    BOOST_TEST(events.take() == "1!aborted");
    server->wait_for_handshake(events.on("3"));
    auto const client =
        std::make_shared<SSLIOStream>(std::move(a), client_context(), false, "localhost");
    client->wait_for_handshake(events.on("client"));
    io.run_until([&] { return !server->cipher().empty() && !client->cipher().empty(); });
    io.poll();
    auto const text = events.take();
    BOOST_TEST((text == "client, 3" || text == "3, client"), text);
    server->wait_for_handshake(events.on("4"));
    BOOST_TEST(events.take() == ""); // never inside the call
    server->start_tls(true, server_context(), "", events.on("not now"));
    io.poll();
    BOOST_TEST(events.take() == "4, not now!not_idle");
    server->close();
    server->wait_for_handshake(events.on("5"));
    io.poll();
    BOOST_TEST(events.take() == "5!closed");
}

BOOST_AUTO_TEST_CASE(T130_tls_in_tls_leaves_a_closed_tls_stream) {
    StreamPair<TlsKind> io;
    auto const old = std::static_pointer_cast<SSLIOStream>(io.far);
    SSLIOStreamPtr client;
    SSLIOStreamPtr server;
    io.far->start_tls(true, server_context(), "",
                      [&](error_code, SSLIOStreamPtr made) { server = std::move(made); });
    io.near->start_tls(false, client_context(), "localhost",
                       [&](error_code, SSLIOStreamPtr made) { client = std::move(made); });
    BOOST_TEST(old->alpn().empty());
    BOOST_TEST(old->cipher().empty());
    BOOST_TEST(!old->peer_certificate());
    BOOST_TEST(old->closed());
    io.run_until([&] { return client && server; });
    std::string const text(3'000'000, 'x'); // more than the kernel takes
    server->write(std::string(text));
    io.poll();
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST((co_await client->read_bytes(text.size()) == text));
    });
}

BOOST_AUTO_TEST_CASE(T101_a_servers_tickets_do_not_cut_off_what_a_closed_client_has_written) {
    Io io;
    auto [a, b] = tcp_sockets(io);
    auto const client =
        std::make_shared<SSLIOStream>(std::move(a), client_context(), false, "localhost");
    auto const server = std::make_shared<SSLIOStream>(std::move(b), server_context(), true);
    std::string const text(1'000'000, 'x'); // the kernel takes it, the peer's does not yet
    client->wait_for_handshake([&](error_code) {
        client->write(std::string(text), [&](error_code ec) {
            BOOST_TEST(!ec);
            client->close();
        });
    });
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST((co_await server->read_until_close() == text));
    });
    BOOST_TEST(server->error() == asio::error::eof);
    io.run(); // nothing is left of the client
    BOOST_TEST(client->IOStream::native_handle() == -1);
}

BOOST_AUTO_TEST_CASE(a_client_whose_peer_has_all_does_not_linger) {
    Plain io;
    io.start_tls();
    Events events;
    io.client->write("question");
    io.server->read_bytes(8, [&](error_code, std::string const&) { io.server->write("answer"); });
    io.client->read_bytes(6, events.on("read"));
    io.run_until([&] { return !io.client->reading(); });
    BOOST_TEST(events.take() == "read:answer");
    int const descriptor = static_cast<IOStream&>(*io.client).native_handle();
    BOOST_TEST(::fcntl(descriptor, F_GETFD) != -1);
    io.client->close();
    BOOST_TEST(::fcntl(descriptor, F_GETFD) == -1);
}

BOOST_AUTO_TEST_CASE(a_peer_that_says_nothing_to_start_tls_is_given_up) {
    struct ShortHandshake {
        ShortHandshake() { detail::handshake_limit = std::chrono::milliseconds(1); }
        ~ShortHandshake() { detail::handshake_limit = former; }
        std::chrono::steady_clock::duration const former = detail::handshake_limit;
    } const shortened;
    BOOST_TEST((shortened.former == std::chrono::seconds(60)));
    Plain io;
    std::optional<error_code> switched;
    io.near->start_tls(false, client_context(), "localhost",
                       [&](error_code ec, SSLIOStreamPtr const&) { switched = ec; });
    auto [a, b] = tcp_sockets(io);
    std::optional<error_code> born;
    auto const server = std::make_shared<SSLIOStream>(std::move(a), server_context(), true);
    server->wait_for_handshake([&](error_code ec) { born = ec; });
    io.run_until([&] { return switched && born; });
    BOOST_TEST((switched == asio::error::timed_out));
    BOOST_TEST((born == asio::error::timed_out));
}

BOOST_AUTO_TEST_CASE(T136_there_is_no_handshake_to_wait_for_before_connect) {
    Io io;
    Events events;
    auto const stream = std::make_shared<SSLIOStream>(asio::ip::tcp::socket(io.context),
                                                      client_context(), false, "localhost");
    stream->wait_for_handshake(events.on("wait"));
    io.run();
    BOOST_TEST(events.take() == "wait!" + word(asio::error::not_connected));
}

BOOST_AUTO_TEST_CASE(T125_connect_with_tls) {
    Io io;
    asio::ip::tcp::acceptor acceptor(io.context, {asio::ip::address_v4::loopback(), 0});
    Address const address = acceptor.local_endpoint();
    auto const client =
        std::make_shared<SSLIOStream>(asio::ip::tcp::socket(io.context), client_context());
    Events events;
    client->write("early\n", events.on("write"));
    client->connect(address, "localhost", events.on("connect"));
    auto const server = std::make_shared<SSLIOStream>(acceptor.accept(), server_context(), true);
    io.run_test([&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await server->read_until("\n") == "early\n");
    });
    BOOST_TEST(events.take() == "connect:stream, write");

    acceptor.close();
    auto const refused =
        std::make_shared<SSLIOStream>(asio::ip::tcp::socket(io.context), client_context());
    CapturedLog const log;
    refused->set_close_callback(events.at("close"));
    refused->connect(address, "localhost", events.on("connect"));
    io.run_until([&] { return refused->closed(); });
    io.poll();
    BOOST_TEST(events.take() == "connect!refused, close");
    BOOST_TEST(log.lines().empty());
}

BOOST_AUTO_TEST_CASE(a_cancelled_start_tls_closes_the_connection) {
    Plain io;
    Events events;
    asio::cancellation_signal cancel;
    io.near->set_close_callback(events.at("close"));
    io.near->start_tls(false, client_context(), "localhost",
                       asio::bind_cancellation_slot(cancel.slot(), events.on("switch")));
    io.poll();
    cancel.emit(asio::cancellation_type::terminal);
    io.poll();
    BOOST_TEST(events.take() == "switch!aborted, close");
    io.run_test([&]() -> asio::awaitable<void> {
        static_cast<void>(co_await io.far->read_until_close()); // a ClientHello
    });
}

BOOST_AUTO_TEST_CASE(client_certificates) {
    auto const asks = server_context(
        certificates().localhost, {.ca_certs = certificates().ca, .cert_reqs = CertReqs::required});
    auto const shows = client_context(
        {.certfile = certificates().client.certfile, .keyfile = certificates().client.keyfile});
    Plain io;
    io.start_tls(shows, "localhost", asks);
    BOOST_TEST_REQUIRE(io.server);
    BOOST_TEST(common_name(io.server->peer_certificate()) == "client");

    Plain none;
    CapturedLog const log;
    none.start_tls(client_context(), "localhost", asks);
    BOOST_TEST((none.server_error.category() == asio::error::get_ssl_category()));
    BOOST_TEST(none.server_error.message().find("peer did not return a certificate") == 0u);
}

BOOST_AUTO_TEST_CASE(alpn_and_server_names) {
    SSLOptions options{.alpn_protocols = {"h2", "http/1.1"}};
    options.server_names["*.example.org"] = {certificates().wildcard.certfile,
                                             certificates().wildcard.keyfile};
    Plain io;
    io.start_tls(client_context({.alpn_protocols = {"http/1.1"}}), "www.example.org",
                 server_context(certificates().localhost, options));
    BOOST_TEST_REQUIRE(io.client);
    BOOST_TEST(io.client->alpn() == "http/1.1");
    BOOST_TEST(io.server->alpn() == "http/1.1");
    BOOST_TEST(io.server->server_name() == "www.example.org");
    BOOST_TEST(common_name(io.client->peer_certificate()) == "example.org");
}

BOOST_AUTO_TEST_CASE(asio_runs_on_a_tls_stream) {
    StreamPair<TlsKind> io;
    std::string const text(1'000'000, 'x');
    asio::async_write(*io.far, asio::buffer(text), asio::detached);
    io.run_test([&]() -> asio::awaitable<void> {
        auto const got = co_await io.near->read_bytes(text.size());
        BOOST_TEST((got == text));
    });
}

BOOST_AUTO_TEST_SUITE_END()
