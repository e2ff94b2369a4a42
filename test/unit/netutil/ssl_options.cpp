// SPDX-License-Identifier: BSL-1.0
// TLS contexts: what two ends agree on, and what bad options are told.
#include "tornado/netutil.hpp"

#include "support/certificates.hpp"
#include "support/tls_pair.hpp"
#include "transport/tls_names.hpp"

#include <boost/asio/ssl/context.hpp>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(netutil_ssl_options)

namespace {

using namespace tornado;
using namespace tornado::test;
namespace data = boost::unit_test::data;

auto const& made = certificates;

SSLOptions server_options(Identity const& identity = made().localhost) {
    return {.certfile = identity.certfile, .keyfile = identity.keyfile};
}

SSLOptions client_options() {
    return {.ca_certs = made().ca};
}

SSLOptions mutual_options() {
    auto options = server_options();
    options.ca_certs = made().ca;
    options.cert_reqs = CertReqs::required;
    return options;
}

SSLOptions known_client_options() {
    auto options = client_options();
    options.certfile = made().client.certfile;
    options.keyfile = made().client.keyfile;
    return options;
}

struct Contexts {
    explicit Contexts(SSLOptions const& of_server = server_options(),
                      SSLOptions const& of_client = client_options())
        : server(ssl_options_to_context(of_server, true)),
          client(ssl_options_to_context(of_client, false)) {}

    TlsPair pair(std::string const& name = "localhost") const {
        TlsPair pair(*server, *client);
        detail::expect_server_name(pair.client.get(), name);
        return pair;
    }

    std::shared_ptr<asio::ssl::context> server;
    std::shared_ptr<asio::ssl::context> client;
};

bool agree(SSLOptions const& server, SSLOptions const& client,
           std::string const& name = "localhost") {
    return Contexts(server, client).pair(name).shake_hands();
}

long verify_result(SSLOptions const& server, SSLOptions const& client = client_options()) {
    auto pair = Contexts(server, client).pair();
    pair.shake_hands();
    return SSL_get_verify_result(pair.client.get());
}

std::string protocol(SSL* ssl) {
    unsigned char const* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &name, &size);
    return {reinterpret_cast<char const*>(name), size};
}

/// The common name of the certificate that a server shows.
std::string shown(SSL* client) {
    auto* const certificate = SSL_get1_peer_certificate(client);
    char name[256] = "";
    if (certificate)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                  sizeof name);
    X509_free(certificate);
    return name;
}

std::string file(std::string const& name, std::string const& content) {
    std::string const path = made().folder / name;
    std::ofstream(path) << content;
    return path;
}

std::string content(std::string const& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// What the making of a context complains about; empty if it does not.
std::string complaint(SSLOptions const& options, bool server_side = true) {
    try {
        ssl_options_to_context(options, server_side);
    } catch (std::invalid_argument const& e) {
        return e.what();
    } catch (system_error const& e) {
        return e.what();
    }
    return "";
}

void check_complaint(SSLOptions const& options, std::vector<std::string> const& words,
                     bool server_side = true) {
    auto const text = complaint(options, server_side);
    for (auto const& word : words)
        BOOST_TEST(text.find(word) != text.npos, "no '" << word << "' in '" << text << "'");
    BOOST_TEST(ERR_peek_error() == 0u);
}

} // namespace

BOOST_AUTO_TEST_CASE(a_handshake_is_TLS_1_3_and_carries_bytes) {
    auto pair = Contexts().pair();
    BOOST_TEST_REQUIRE(pair.shake_hands());
    BOOST_TEST(SSL_version(pair.client.get()) == TLS1_3_VERSION);
    BOOST_TEST(TlsPair::pass("there", pair.client.get(), pair.server.get()) == "there");
    BOOST_TEST(TlsPair::pass("back", pair.server.get(), pair.client.get()) == "back");
}

BOOST_AUTO_TEST_CASE(TLS_1_2_has_forward_secrecy_and_authenticated_encryption) {
    Contexts contexts;
    SSL_CTX_set_max_proto_version(contexts.client->native_handle(), TLS1_2_VERSION);
    auto pair = contexts.pair();
    BOOST_TEST_REQUIRE(pair.shake_hands());
    BOOST_TEST(SSL_version(pair.client.get()) == TLS1_2_VERSION);
    BOOST_TEST(SSL_get_cipher_name(pair.client.get()) ==
               std::string("ECDHE-ECDSA-AES128-GCM-SHA256"));
    auto* const ciphers = SSL_CTX_get_ciphers(contexts.server->native_handle());
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
        auto const* const cipher = sk_SSL_CIPHER_value(ciphers, i);
        BOOST_TEST(SSL_CIPHER_is_aead(cipher) == 1);
        BOOST_TEST((SSL_CIPHER_get_kx_nid(cipher) == NID_kx_ecdhe ||
                    SSL_CIPHER_get_kx_nid(cipher) == NID_kx_any));
    }
}

BOOST_AUTO_TEST_CASE(certificates_of_every_kind_of_key_are_good_in_both_directions) {
    for (auto const& [kind, identity] : made().kinds)
        for (int const version : {TLS1_2_VERSION, TLS1_3_VERSION})
            BOOST_TEST_CONTEXT(kind << " in version " << version) {
                auto client = client_options();
                client.certfile = identity.certfile;
                client.keyfile = identity.keyfile;
                auto server = mutual_options();
                server.certfile = identity.certfile;
                server.keyfile = identity.keyfile;
                Contexts contexts(server, client);
                SSL_CTX_set_max_proto_version(contexts.client->native_handle(), version);
                auto pair = contexts.pair();
                BOOST_TEST(pair.shake_hands());
                BOOST_TEST(SSL_version(pair.server.get()) == version);
                BOOST_TEST(shown(pair.server.get()) == "localhost"); // by the client
            }
}

BOOST_AUTO_TEST_CASE(keys_are_exchanged_on_curves_and_on_no_finite_field) {
    Contexts contexts;
    auto* const client = contexts.client->native_handle();
    for (auto const* group : {"X25519", "P-256", "X448", "P-384", "P-521"}) {
        SSL_CTX_set1_groups_list(client, group);
        BOOST_TEST(contexts.pair().shake_hands(), group);
    }
    SSL_CTX_set1_groups_list(client, "ffdhe8192");
    BOOST_TEST(!contexts.pair().shake_hands());
}

BOOST_AUTO_TEST_CASE(older_versions_are_refused) {
    auto server = server_options();
    server.ciphers = "ALL:@SECLEVEL=0";
    for (int const version : {TLS1_VERSION, TLS1_1_VERSION}) {
        Contexts contexts(server);
        auto* const client = contexts.client->native_handle();
        SSL_CTX_set_min_proto_version(client, version);
        SSL_CTX_set_max_proto_version(client, version);
        SSL_CTX_set_cipher_list(client, "ALL:@SECLEVEL=0");
        BOOST_TEST(!contexts.pair().shake_hands());
        SSL_CTX_set_min_proto_version(contexts.server->native_handle(), version);
        BOOST_TEST(contexts.pair().shake_hands());
    }
}

BOOST_AUTO_TEST_CASE(the_server_chooses_the_cipher) {
    auto server = server_options();
    server.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";
    Contexts contexts(server);
    SSL_CTX_set_max_proto_version(contexts.client->native_handle(), TLS1_2_VERSION);
    auto pair = contexts.pair();
    BOOST_TEST_REQUIRE(pair.shake_hands());
    BOOST_TEST(SSL_get_cipher_name(pair.client.get()) ==
               std::string("ECDHE-ECDSA-AES256-GCM-SHA384"));
}

BOOST_DATA_TEST_CASE(renegotiation_is_refused, data::make({false, true}), by_server) {
    Contexts contexts;
    auto const& asks = by_server ? contexts.server : contexts.client;
    SSL_CTX_set_max_proto_version(asks->native_handle(), TLS1_2_VERSION);
    SSL_CTX_clear_options(asks->native_handle(), SSL_OP_NO_RENEGOTIATION);
    auto pair = contexts.pair();
    BOOST_TEST_REQUIRE(pair.shake_hands());
    auto* const asking = by_server ? pair.server.get() : pair.client.get();
    auto* const asked = by_server ? pair.client.get() : pair.server.get();
    SSL_renegotiate(asking);
    SSL_do_handshake(asking);
    BOOST_TEST(SSL_renegotiate_pending(asking) == 1);
    char byte = 0;
    BOOST_TEST(SSL_read(asked, &byte, 1) == -1); // answers with the alert no_renegotiation
    BOOST_TEST(SSL_read(asking, &byte, 1) == -1);
    BOOST_TEST(ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_NO_RENEGOTIATION);
    ERR_clear_error();
}

BOOST_DATA_TEST_CASE(sessions_are_resumed,
                     data::make({TLS1_2_VERSION, TLS1_3_VERSION}) * data::make({false, true}),
                     version, mutual) {
    Contexts contexts(mutual ? mutual_options() : server_options(), known_client_options());
    auto* const client = contexts.client->native_handle();
    SSL_CTX_set_max_proto_version(client, version);
    auto first = contexts.pair();
    BOOST_TEST_REQUIRE(first.shake_hands());
    BOOST_TEST(!SSL_session_reused(first.client.get()));
    TlsPair::pass("tickets come first", first.server.get(), first.client.get());
    auto* const session = SSL_get1_session(first.client.get());
    auto second = contexts.pair();
    SSL_set_session(second.client.get(), session);
    SSL_SESSION_free(session);
    BOOST_TEST(second.shake_hands());
    BOOST_TEST(SSL_session_reused(second.client.get()) == 1);
    auto* const peer = SSL_get1_peer_certificate(second.server.get());
    BOOST_TEST((peer != nullptr) == mutual);
    X509_free(peer);
}

BOOST_AUTO_TEST_CASE(a_server_keeps_no_sessions) {
    Contexts contexts;
    SSL_CTX_set_max_proto_version(contexts.client->native_handle(), TLS1_2_VERSION);
    SSL_CTX_set_options(contexts.client->native_handle(), SSL_OP_NO_TICKET);
    auto pair = contexts.pair();
    BOOST_TEST(pair.shake_hands());
    BOOST_TEST(SSL_CTX_sess_number(contexts.server->native_handle()) == 0);
}

BOOST_AUTO_TEST_CASE(T131_clients_verify_by_default) {
    BOOST_TEST(verify_result(server_options()) == X509_V_OK);
    BOOST_TEST(verify_result(server_options(made().expired)) == X509_V_ERR_CERT_HAS_EXPIRED);
    BOOST_TEST(verify_result(server_options(made().self_signed)) ==
               X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
    BOOST_TEST(verify_result(server_options(made().foreign)) ==
               X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    BOOST_TEST(!agree(server_options(), {})); // the system does not know our authority
    BOOST_TEST(!agree(server_options(), {.cert_reqs = CertReqs::optional}));
    BOOST_TEST(agree(server_options(made().expired), {.cert_reqs = CertReqs::none}));
    BOOST_TEST(agree(server_options(made().foreign), {.ca_certs = made().foreign_ca}));
    BOOST_TEST(
        agree(server_options(made().self_signed), {.ca_certs = made().self_signed.certfile}));
}

BOOST_AUTO_TEST_CASE(an_intermediate_authority_or_the_very_certificate_is_trusted) {
    auto const& below = made().below;
    auto const& localhost = made().localhost;
    BOOST_TEST(agree(server_options(below), client_options()));
    BOOST_TEST(agree(server_options(below), {.ca_certs = made().intermediate}));
    BOOST_TEST(agree(server_options(localhost), {.ca_certs = localhost.certfile}));
    BOOST_TEST(!agree(server_options(localhost), {.ca_certs = made().intermediate}));
    BOOST_TEST(!agree(server_options(below), {.ca_certs = localhost.certfile}));
    BOOST_TEST(!agree(server_options(localhost), {.ca_certs = localhost.certfile}, "other.test"));
    BOOST_TEST(!agree(server_options(made().expired), {.ca_certs = made().expired.certfile}));

    auto server = mutual_options(); // likewise for a server
    server.ca_certs = made().client.certfile;
    BOOST_TEST(agree(server, known_client_options()));
    server.ca_certs = made().intermediate;
    BOOST_TEST(!agree(server, known_client_options()));
}

BOOST_AUTO_TEST_CASE(T132_host_names_are_checked_unless_told_otherwise) {
    auto client = client_options();
    BOOST_TEST(agree(server_options(), client, "127.0.0.1"));
    BOOST_TEST(!agree(server_options(made().other), client));
    BOOST_TEST(verify_result(server_options(made().other)) == X509_V_ERR_HOSTNAME_MISMATCH);
    BOOST_TEST(verify_result(server_options(made().nameless)) == X509_V_ERR_HOSTNAME_MISMATCH);
    client.check_hostname = false;
    BOOST_TEST(agree(server_options(made().other), client));
    BOOST_TEST(agree(server_options(made().nameless), client));
    BOOST_TEST(!agree(server_options(made().foreign), client)); // the rest is checked still
}

BOOST_AUTO_TEST_CASE(check_hostname_is_a_switch_for_any_context) {
    Contexts contexts(server_options(made().other));
    BOOST_TEST(!contexts.pair().shake_hands());
    check_hostname(*contexts.client, false);
    BOOST_TEST(contexts.pair().shake_hands());
    check_hostname(*contexts.client, true);
    BOOST_TEST(!contexts.pair().shake_hands());
}

BOOST_AUTO_TEST_CASE(a_directory_of_authorities) {
    auto const folder = made().folder / "authorities";
    std::filesystem::create_directory(folder);
    SSLOptions client{.ca_certs = folder};
    check_complaint(client, {folder, "openssl rehash"}, false);

    auto* const in = BIO_new_file(made().ca.c_str(), "r");
    auto* const ca = PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
    char name[16];
    std::snprintf(name, sizeof name, "%08lx.0",
                  X509_NAME_hash_ex(X509_get_subject_name(ca), nullptr, nullptr, nullptr));
    X509_free(ca);
    BIO_free(in);
    std::filesystem::create_symlink(made().ca, folder / name);
    BOOST_TEST(agree(server_options(), client));
    BOOST_TEST(!agree(server_options(made().foreign), client));
    std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(client_certificates) {
    auto server = mutual_options();
    auto const known = known_client_options();
    auto stranger = client_options();
    stranger.certfile = made().foreign.certfile;
    stranger.keyfile = made().foreign.keyfile;

    BOOST_TEST(agree(server, known));
    BOOST_TEST(!agree(server, client_options()));
    BOOST_TEST(!agree(server, stranger));
    server.cert_reqs = CertReqs::optional;
    BOOST_TEST(agree(server, known));
    BOOST_TEST(agree(server, client_options()));
    BOOST_TEST(!agree(server, stranger));
    server.cert_reqs = CertReqs::none;
    BOOST_TEST(agree(server, stranger));
    server.cert_reqs.reset();
    BOOST_TEST(agree(server, stranger));

    auto pair = Contexts(mutual_options(), known).pair();
    BOOST_TEST(pair.shake_hands());
    BOOST_TEST(sk_X509_NAME_num(SSL_get_client_CA_list(pair.client.get())) == 1);
}

BOOST_AUTO_TEST_CASE(the_server_chooses_the_protocol) {
    auto server = server_options();
    auto client = client_options();
    server.alpn_protocols = {"h2", "http/1.1"};
    client.alpn_protocols = {"x", "http/1.1", "h2"};
    {
        Contexts contexts(server, client);
        auto pair = contexts.pair();
        BOOST_TEST(pair.shake_hands());
        BOOST_TEST(protocol(pair.client.get()) == "h2");
        BOOST_TEST(protocol(pair.server.get()) == "h2");
    }
    client.alpn_protocols = {"x"}; // nothing in common
    auto pair = Contexts(server, client).pair();
    SSL_do_handshake(pair.client.get());
    SSL_do_handshake(pair.server.get());
    SSL_do_handshake(pair.client.get());
    BOOST_TEST(ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
    ERR_clear_error();

    client.alpn_protocols = {};
    BOOST_TEST(agree(server, client));
    server.alpn_protocols = {};
    client.alpn_protocols = {"h2"};
    BOOST_TEST(agree(server, client));
}

BOOST_AUTO_TEST_CASE(certificates_by_server_name) {
    auto server = mutual_options();
    server.alpn_protocols = {"http/1.1"};
    server.server_names = {
        {"Other.test", {made().other.certfile, made().other.keyfile}},
        {"*.example.org", {made().wildcard.certfile, made().wildcard.keyfile}},
        {"exact.example.org", {made().combined}},
    };
    auto client = known_client_options();
    client.alpn_protocols = {"http/1.1"};
    client.check_hostname = false;
    Contexts contexts(server, client);
    auto const shown_for = [&](std::string const& name) {
        auto pair = contexts.pair(name);
        BOOST_TEST(pair.shake_hands());
        BOOST_TEST(protocol(pair.client.get()) == "http/1.1");
        return shown(pair.client.get());
    };
    for (int const version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        SSL_CTX_set_max_proto_version(contexts.client->native_handle(), version);
        BOOST_TEST(shown_for("other.test") == "other.test");
        BOOST_TEST(shown_for("OTHER.test") == "other.test");
        BOOST_TEST(shown_for("www.example.org") == "example.org");
        BOOST_TEST(shown_for("exact.example.org") == "localhost");
        BOOST_TEST(shown_for("example.org") == "localhost");
        BOOST_TEST(shown_for("a.b.example.org") == "localhost");
        BOOST_TEST(shown_for("unknown.test") == "localhost");
        BOOST_TEST(shown_for("127.0.0.1") == "localhost");
    }
}

BOOST_AUTO_TEST_CASE(callbacks_outlive_the_owner_of_the_context) {
    auto server = server_options();
    server.alpn_protocols = {"http/1.1"};
    server.server_names = {{"other.test", {made().other.certfile, made().other.keyfile}}};
    auto client = client_options();
    client.alpn_protocols = {"http/1.1"};
    auto pair = Contexts(server, client).pair("other.test"); // the contexts' owners are gone
    BOOST_TEST(pair.shake_hands());
    BOOST_TEST(shown(pair.client.get()) == "other.test");
}

BOOST_AUTO_TEST_CASE(keys_in_the_certfile_and_encrypted_ones) {
    BOOST_TEST(agree({.certfile = made().combined}, client_options()));
    SSLOptions options{.certfile = made().localhost.certfile,
                       .keyfile = made().encrypted_key,
                       .key_password = made().password};
    BOOST_TEST(agree(options, client_options()));
    options.key_password = "wrong";
    check_complaint(options, {made().encrypted_key, "key_password does not open"});
    options.key_password = std::string(5000, 'x');
    check_complaint(options, {made().encrypted_key, "key_password does not open"});
    options.key_password = "";
    check_complaint(options, {made().encrypted_key, "is encrypted: give its key_password"});
}

BOOST_AUTO_TEST_CASE(T159_bad_files_are_named) {
    auto const& localhost = made().localhost;
    check_complaint({}, {"set certfile"});
    check_complaint({.keyfile = localhost.keyfile}, {localhost.keyfile, "certfile"}, false);
    check_complaint({.certfile = "/none.crt"},
                    {"cannot read certfile /none.crt", "name a PEM file", "No such file"});
    check_complaint({.certfile = made().folder}, {made().folder, "Is a directory"});
    check_complaint({.certfile = localhost.certfile, .keyfile = "/none.key"},
                    {"cannot read keyfile /none.key", "No such file"});
    check_complaint({.certfile = localhost.certfile},
                    {localhost.certfile, "holds no private key in PEM form"});
    check_complaint({.certfile = localhost.keyfile},
                    {localhost.keyfile, "holds no certificate in PEM form"});

    auto const noise = file("noise.pem", std::string("\0\1\2 no PEM", 10));
    check_complaint({.certfile = noise}, {noise, "holds no certificate in PEM form"});
    check_complaint({.certfile = localhost.certfile, .keyfile = noise},
                    {noise, "holds no private key in PEM form"});
    auto const pem = content(localhost.certfile);
    auto const half = file("half.pem", pem + pem.substr(0, pem.size() / 2));
    check_complaint({.certfile = half, .keyfile = localhost.keyfile},
                    {half, "damaged certificate, number 2"});
    check_complaint({.certfile = localhost.certfile, .keyfile = made().other.keyfile},
                    {localhost.certfile, made().other.keyfile, "does not belong"});
    BOOST_TEST(complaint(server_options(made().expired)) == "");
}

BOOST_AUTO_TEST_CASE(bad_authorities_are_named) {
    auto server = server_options();
    server.cert_reqs = CertReqs::optional;
    check_complaint(server, {"ca_certs is empty"});
    server.ca_certs = "/none.pem";
    check_complaint(server, {"cannot read ca_certs /none.pem", "No such file"});
    auto const empty = file("empty.pem", "");
    check_complaint({.ca_certs = empty}, {empty, "holds no certificate"}, false);
    check_complaint({.ca_certs = made().localhost.keyfile},
                    {made().localhost.keyfile, "holds no certificate"}, false);
}

BOOST_AUTO_TEST_CASE(bad_names_are_named) {
    auto options = server_options();
    options.ciphers = "NONSENSE";
    check_complaint(options, {"\"NONSENSE\"", "openssl ciphers"});
    options.ciphers = "";

    for (bool const server_side : {true, false}) {
        options.alpn_protocols = {"h2", ""};
        check_complaint(options, {"alpn_protocols", "1 to 255 bytes"}, server_side);
        options.alpn_protocols = {std::string(256, 'x')};
        check_complaint(options, {"alpn_protocols", "1 to 255 bytes"}, server_side);
        options.alpn_protocols.assign(256, std::string(255, 'x'));
        check_complaint(options, {"alpn_protocols", "65535"}, server_side);
        options.alpn_protocols = {std::string(255, 'x')};
        BOOST_TEST(complaint(options, server_side) == "");
    }
    for (std::string const name : {"", "*", "*.", "a.*.org", "*.*.org", "w*.org"}) {
        options.server_names = {{name, {made().combined}}};
        check_complaint(options, {"server_names", "\"" + name + "\"", "*.example.org"});
    }
    options.server_names = {{"a.org", {}}};
    check_complaint(options, {"server_names", "a.org", "certfile"});
    options.server_names = {{"a.org", {made().other.certfile, made().localhost.keyfile}}};
    check_complaint(options, {made().other.certfile, "does not belong"});
}

BOOST_AUTO_TEST_SUITE_END()
