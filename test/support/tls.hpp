// SPDX-License-Identifier: BSL-1.0
// TLS contexts of the test's certificates.
#pragma once

#include "tornado/netutil.hpp"

#include "support/certificates.hpp"

#include <boost/asio/ssl/context.hpp>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace tornado::test {

using Context = std::shared_ptr<asio::ssl::context>;

// Overloads: g++ 12 destroys a defaulted aggregate twice inside co_await.
inline Context server_context(Identity const& identity, SSLOptions options) {
    options.certfile = identity.certfile;
    options.keyfile = identity.keyfile;
    return ssl_options_to_context(options, true);
}
inline Context server_context(Identity const& identity) {
    return server_context(identity, SSLOptions());
}
inline Context server_context() {
    return server_context(certificates().localhost);
}

/// Trusts the test's authority.
inline Context client_context(SSLOptions options) {
    options.ca_certs = certificates().ca;
    return ssl_options_to_context(options, false);
}
inline Context client_context() {
    return client_context(SSLOptions());
}

inline std::string common_name(std::shared_ptr<X509> const& certificate) {
    char name[256] = "";
    if (certificate)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name,
                                  sizeof name);
    return name;
}

} // namespace tornado::test
