// SPDX-License-Identifier: BSL-1.0
// The name of the server that a TLS client expects: asked for, and checked.
#pragma once

#include <openssl/ssl.h>

#include <string>

namespace tornado::detail {

/// Whether the clients of `context` check that a certificate is made out to the server's name; so
/// they do until they are told otherwise, those of plain Asio's contexts too.
bool checks_hostname(SSL_CTX const* context);
void set_checks_hostname(SSL_CTX* context, bool checks);

/// Throws std::invalid_argument when `name` is no name; an empty one names nobody.
void check_server_name(std::string const& name);

/// Before the handshake: asks the server for the certificate of `name` (SNI, but not for an IP
/// literal, RFC 6066), and has the handshake verify that it is made out to `name`, unless the
/// context does not check. An IPv6 zone and a final dot are not part of the name. The names that
/// count are those of the subjectAltName alone (RFC 9525).
///
/// Throws std::invalid_argument when `name` is no name, or is missing where it would be checked.
void expect_server_name(SSL* ssl, std::string const& name);

/// Whether the peer's certificate was found to be made out to other names than the server's only
/// because it has no subjectAltName.
bool lacks_any_name(SSL* ssl);

} // namespace tornado::detail
