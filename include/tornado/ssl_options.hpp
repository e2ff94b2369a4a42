// SPDX-License-Identifier: BSL-1.0
// What a TLS context is made of: certificates, authorities, protocols, in today's defaults.
#pragma once

#include "tornado/detail/export.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace boost::asio::ssl {
class context;
}

namespace tornado {

namespace asio = boost::asio;

/// Whether a TLS peer has to show a certificate, which is then verified against `ca_certs`.
enum class CertReqs {
    none,     ///< no verification at all
    optional, ///< a client may come without one; for a server's certificate the same as `required`
    required,
};

/// What ssl_options_to_context makes a context of. All files are PEM.
struct SSLOptions {
    /// A certificate file and its key file; without the latter the key is in the former.
    struct Identity {
        std::string certfile = {}; ///< the certificate and those of its authorities
        std::string keyfile = {};  ///< its private key; empty: in `certfile`
    };

    /// The own certificate, followed by those of its intermediate authorities. A server must have
    /// one.
    std::string certfile = {};
    /// Its private key; empty: in `certfile`.
    std::string keyfile = {};
    /// Opens the keys that are encrypted.
    std::string key_password = {};
    /// What is trusted: the authorities that a peer's certificate may come from, intermediate ones
    /// too, or the very certificate; a file, or a directory prepared by `openssl rehash`. Empty:
    /// the system's, for clients alone.
    std::string ca_certs = {};
    /// Not set: a server asks for none, a client requires one.
    std::optional<CertReqs> cert_reqs = {};
    /// For TLS 1.2, in the form of openssl-ciphers(1). Empty: those with forward secrecy and
    /// authenticated encryption.
    std::string ciphers = {};
    /// Protocols to agree on (ALPN), the preferred first; a server goes by its own order. A client
    /// that offers others only is refused with the alert no_application_protocol (RFC 7301, 3.2);
    /// one that offers none is welcome.
    std::vector<std::string> alpn_protocols = {};
    /// Clients: whether the certificate must be made out to the name that was connected to, in its
    /// subjectAltName: a common name does not count (RFC 9525).
    bool check_hostname = true;
    /// Servers: further certificates, chosen by the name that the client asks for (SNI). Keys are
    /// names, or `*.example.org` for one level below; any other name gets `certfile`.
    std::map<std::string, Identity> server_names = {};
};

/// Makes a context for any number of servers or clients; later changes of the files do not reach
/// it. TLS 1.2 and 1.3, no renegotiation, no compression, no early data. Sessions are resumed by
/// tickets that the clients keep: a server holds nothing for a client that has left, and its keys
/// for tickets live as long as the context. A certificate that has expired is taken as it is.
///
/// Throws system_error when a file cannot be read, std::invalid_argument when it is not what it
/// should be, when a key does not belong to its certificate or does not open, when a server has no
/// certificate or nothing to verify clients with, and for bad ciphers and protocol and server
/// names; each names the file and the remedy.
///
/// tornado.netutil.ssl_options_to_context, T159.
TORNADO_ASIO_EXPORT std::shared_ptr<asio::ssl::context>
ssl_options_to_context(SSLOptions const& options, bool server_side);

/// SSLOptions::check_hostname for a context that was made elsewhere: whether its clients check the
/// certificate's names, as they do until they are told otherwise. For peers that are known by their
/// authority, or by the very certificate; to be called before the context is used. A context with a
/// verify callback of its own needs no server name either, but checks one that is given.
///
///     asio::ssl::context context(asio::ssl::context::tls_client);
///     context.load_verify_file("cluster-ca.pem");
///     context.set_verify_mode(asio::ssl::verify_peer);
///     check_hostname(context, false);
TORNADO_ASIO_EXPORT void check_hostname(asio::ssl::context& context, bool check);

} // namespace tornado
