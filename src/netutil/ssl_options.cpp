// SPDX-License-Identifier: BSL-1.0
// TLS contexts from options: files are read and judged here, with messages that say what to do,
// and OpenSSL is given the objects.
#include "tornado/netutil.hpp"

#include "transport/tls_names.hpp"

#include <boost/asio/ssl/context.hpp>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <stdexcept>
#include <unistd.h>

namespace tornado {
namespace {

template <auto free>
struct Free {
    template <class T>
    void operator()(T* object) const noexcept {
        free(object);
    }
};
void free_chain(STACK_OF(X509) * chain) {
    sk_X509_pop_free(chain, X509_free);
}
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Chain = std::unique_ptr<STACK_OF(X509), Free<free_chain>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Session = std::unique_ptr<SSL, Free<SSL_free>>;

/// What a peer is shown.
struct Shown {
    Certificate certificate;
    Key key;
    Chain chain;
};

/// What a server's callbacks need; owned by the SSL_CTX.
struct ServerSide {
    std::string protocols; // as they go over the wire
    std::map<std::string, Shown> names;
};

// OpenSSL's own word for what went wrong, if it has one; empties its queue.
std::string reason() {
    char const* const text = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return text ? " (" + std::string(text) + ")" : std::string();
}

void ensure(bool ok, std::string const& what) {
    if (!ok)
        throw std::invalid_argument(what + reason());
}

std::string read_file(std::string const& role, std::string const& path) {
    auto const fail = [&] {
        error_code const cause(errno, boost::system::system_category());
        throw system_error(cause, "cannot read " + role + " " + path +
                                      ": name a PEM file that this process may read");
    };
    detail::Descriptor const file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (file.native_handle() < 0)
        fail();
    std::string text;
    char block[4096];
    for (;;) {
        auto const size = ::read(file.native_handle(), block, sizeof block);
        if (size == 0)
            return text;
        if (size > 0)
            text.append(block, static_cast<std::size_t>(size));
        else if (errno != EINTR)
            fail();
    }
}

Bio reader_of(std::string const& text) {
    return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// All certificates of a file, at least one.
std::vector<Certificate> read_certificates(std::string const& role, std::string const& path) {
    auto const text = read_file(role, path);
    auto const reader = reader_of(text);
    std::vector<Certificate> found;
    while (auto* const next = PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr))
        found.emplace_back(next);
    bool const at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ensure(!found.empty() || !at_end, role + " " + path +
                                          " holds no certificate in PEM form: "
                                          "name a file with -----BEGIN CERTIFICATE-----");
    ensure(at_end, role + " " + path + " holds a damaged certificate, number " +
                       std::to_string(found.size() + 1) + ": make the file anew");
    ERR_clear_error();
    return found;
}

/// What OpenSSL asks a password of.
struct Password {
    std::string const& value;
    bool asked = false;

    static int give(char* place, int size, int, void* self) {
        auto& [value, asked] = *static_cast<Password*>(self);
        asked = true;
        if (value.empty() || value.size() > static_cast<std::size_t>(size))
            return -1;
        std::memcpy(place, value.data(), value.size());
        return static_cast<int>(value.size());
    }
};

Key read_key(std::string const& path, std::string const& key_password) {
    auto const text = read_file("keyfile", path);
    Password password{key_password};
    Key key(PEM_read_bio_PrivateKey(reader_of(text).get(), nullptr, Password::give, &password));
    if (!key && password.asked)
        ensure(false, key_password.empty()
                          ? "keyfile " + path + " is encrypted: give its key_password"
                          : "key_password does not open keyfile " + path + ": give the right one");
    ensure(key != nullptr, "keyfile " + path +
                               " holds no private key in PEM form: name a file with "
                               "-----BEGIN PRIVATE KEY-----");
    return key;
}

Shown read_identity(SSLOptions::Identity const& identity, std::string const& key_password) {
    auto const& certfile = identity.certfile;
    auto const& keyfile = identity.keyfile.empty() ? certfile : identity.keyfile;
    auto certificates = read_certificates("certfile", certfile);
    Shown shown{std::move(certificates.front()), read_key(keyfile, key_password),
                Chain(sk_X509_new_null())};
    for (auto next = certificates.begin() + 1; next != certificates.end(); ++next)
        sk_X509_push(shown.chain.get(), next->release());
    ensure(X509_check_private_key(shown.certificate.get(), shown.key.get()) == 1,
           "the key in " + keyfile + " does not belong to the certificate in " + certfile +
               ": name the key that it was made with; the server's certificate comes first");
    return shown;
}

/// Shows the identity in one session, in place of any other.
bool show(SSL* session, Shown const& shown) {
    SSL_certs_clear(session);
    return SSL_use_cert_and_key(session, shown.certificate.get(), shown.key.get(),
                                shown.chain.get(), 1) == 1;
}

std::string lower_case(std::string name) {
    for (auto& c : name)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return name;
}

int choose_certificate(SSL* session, int*, void* argument) {
    auto const& names = static_cast<ServerSide const*>(argument)->names;
    char const* const asked = SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
    if (asked == nullptr)
        return SSL_TLSEXT_ERR_NOACK;
    auto const name = lower_case(asked);
    auto found = names.find(name);
    if (auto const dot = name.find('.'); found == names.end() && dot != name.npos)
        found = names.find("*" + name.substr(dot));
    if (found == names.end())
        return SSL_TLSEXT_ERR_NOACK;
    return show(session, found->second) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int choose_protocol(SSL*, unsigned char const** chosen, unsigned char* size,
                    unsigned char const* offered, unsigned offered_size, void* argument) {
    auto const& protocols = static_cast<ServerSide const*>(argument)->protocols;
    unsigned char* found = nullptr;
    int const status = SSL_select_next_proto(
        &found, size, reinterpret_cast<unsigned char const*>(protocols.data()),
        static_cast<unsigned>(protocols.size()), offered, offered_size);
    *chosen = found;
    return status == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/// RFC 7301, 3.1.
std::string wire_form(std::vector<std::string> const& protocols) {
    std::string wire;
    for (auto const& name : protocols) {
        ensure(!name.empty() && name.size() <= 255,
               "alpn_protocols: \"" + name +
                   "\" is no protocol name: give 1 to 255 bytes, such as "
                   "\"http/1.1\"");
        wire += static_cast<char>(name.size());
        wire += name;
    }
    ensure(wire.size() <= 65'535, "alpn_protocols takes more than 65535 bytes: name fewer");
    return wire;
}

/// Hands the callbacks' data to the context, which frees it at its own end.
ServerSide* keep(SSL_CTX* context, std::unique_ptr<ServerSide> side) {
    static int const index = SSL_CTX_get_ex_new_index(
        0, nullptr, nullptr, nullptr, [](void*, void* kept, CRYPTO_EX_DATA*, int, long, void*) {
            delete static_cast<ServerSide*>(kept);
        });
    ensure(SSL_CTX_set_ex_data(context, index, side.get()) == 1, "no memory for a TLS context");
    return side.release();
}

void set_identity(SSL_CTX* context, SSLOptions const& options) {
    if (options.certfile.empty()) {
        ensure(options.keyfile.empty(),
               "keyfile " + options.keyfile + " has no certificate: name its certfile too");
        return;
    }
    auto const shown = read_identity({options.certfile, options.keyfile}, options.key_password);
    ensure(SSL_CTX_use_cert_and_key(context, shown.certificate.get(), shown.key.get(),
                                    shown.chain.get(), 1) == 1,
           "certfile " + options.certfile + " is not fit for TLS: make a stronger one");
}

void trust(SSL_CTX* context, std::string const& ca_certs, bool server_side) {
    // Whatever the file holds, and not self-signed authorities alone.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    std::error_code ignored; // what cannot be read is reported below
    if (std::filesystem::is_directory(ca_certs, ignored)) {
        // By OpenSSL's convention, names like 0f5dc4f3.0; it looks them up when it needs them.
        auto const hashed = [](auto const& entry) {
            auto const name = entry.path().filename().string();
            return name.size() > 9 && name[8] == '.' &&
                   name.find_first_not_of("0123456789abcdef") == 8;
        };
        std::filesystem::directory_iterator const all(ca_certs, ignored);
        ensure(std::any_of(begin(all), end(all), hashed) &&
                   SSL_CTX_load_verify_dir(context, ca_certs.c_str()) == 1,
               "ca_certs " + ca_certs +
                   " is a directory without hashed names: run `openssl rehash " + ca_certs + "`");
        return;
    }
    for (auto const& authority : read_certificates("ca_certs", ca_certs)) {
        ensure(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) == 1 &&
                   (!server_side || SSL_CTX_add_client_CA(context, authority.get()) == 1),
               "ca_certs " + ca_certs + " holds a certificate that OpenSSL refuses");
    }
}

void set_verification(SSL_CTX* context, SSLOptions const& options, bool server_side) {
    auto const reqs = options.cert_reqs.value_or(server_side ? CertReqs::none : CertReqs::required);
    if (!options.ca_certs.empty())
        trust(context, options.ca_certs, server_side);
    else if (server_side)
        ensure(reqs == CertReqs::none, "cert_reqs asks clients for certificates, but ca_certs is "
                                       "empty: name the file of the authorities that sign them");
    else if (reqs != CertReqs::none)
        ensure(SSL_CTX_set_default_verify_paths(context) == 1,
               "the system's certificate store cannot be used: name one in ca_certs");
    SSL_CTX_set_verify(context,
                       reqs == CertReqs::none ? SSL_VERIFY_NONE
                       : reqs == CertReqs::optional
                           ? SSL_VERIFY_PEER
                           : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       nullptr);
}

void set_ciphers(SSL_CTX* context, std::string const& ciphers) {
    constexpr char const* safe = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                 "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                 "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
    ensure(SSL_CTX_set_cipher_list(context, ciphers.empty() ? safe : ciphers.c_str()) == 1,
           "ciphers \"" + ciphers +
               "\" names no cipher of TLS 1.2: choose from `openssl ciphers -tls1_2 -s`");
    // OpenSSL's, but for the finite fields, whose cost a client would choose. With TLS 1.2 these
    // are the curves of certificates too.
    ensure(SSL_CTX_set1_groups_list(context, "X25519:P-256:X448:P-384:P-521") == 1,
           "this OpenSSL lacks the curves X25519, P-256, X448, P-384 or P-521");
}

void set_server_side(SSL_CTX* context, SSLOptions const& options) {
    ensure(!options.certfile.empty(), "a TLS server needs a certificate: set certfile");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    unsigned char const id[] = "tornado"; // without one, clients with certificates cannot resume
    SSL_CTX_set_session_id_context(context, id, sizeof id);

    auto side = std::make_unique<ServerSide>();
    side->protocols = wire_form(options.alpn_protocols);
    Session const trial(SSL_new(context));
    for (auto const& [name, identity] : options.server_names) {
        ensure(name.size() > 2 && name.find('*', name.starts_with("*.")) == name.npos,
               "server_names: \"" + name +
                   "\" is no server name: give one like www.example.org or *.example.org");
        ensure(!identity.certfile.empty(), "server_names: " + name + " has no certfile: set it");
        auto shown = read_identity(identity, options.key_password);
        ensure(show(trial.get(), shown),
               "certfile " + identity.certfile + " is not fit for TLS: make a stronger one");
        side->names.insert_or_assign(lower_case(name), std::move(shown));
    }
    bool const has_protocols = !side->protocols.empty();
    auto* const kept = keep(context, std::move(side));
    SSL_CTX_set_tlsext_servername_callback(context, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(context, kept);
    if (has_protocols)
        SSL_CTX_set_alpn_select_cb(context, choose_protocol, kept);
}

void set_client_side(SSL_CTX* context, SSLOptions const& options) {
    auto const wire = wire_form(options.alpn_protocols);
    ensure(SSL_CTX_set_alpn_protos(context, reinterpret_cast<unsigned char const*>(wire.data()),
                                   static_cast<unsigned>(wire.size())) == 0,
           "no memory for a TLS context");
    detail::set_checks_hostname(context, options.check_hostname);
}

} // namespace

std::shared_ptr<asio::ssl::context> ssl_options_to_context(SSLOptions const& options,
                                                           bool server_side) {
    ERR_clear_error();
    auto const made = std::make_shared<asio::ssl::context>(
        server_side ? asio::ssl::context::tls_server : asio::ssl::context::tls_client);
    auto* const context = made->native_handle();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    set_ciphers(context, options.ciphers);
    set_identity(context, options);
    set_verification(context, options, server_side);
    server_side ? set_server_side(context, options) : set_client_side(context, options);
    return made;
}

void check_hostname(asio::ssl::context& context, bool check) {
    detail::set_checks_hostname(context.native_handle(), check);
}

} // namespace tornado
