// SPDX-License-Identifier: BSL-1.0
// Server names are checked by OpenSSL, as part of the verification of the certificate.
#include "transport/tls_names.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdexcept>

namespace tornado::detail {
namespace {

// Where a context keeps the note that it does not check; there is none in a context of Asio's own.
int unchecked_index() {
    static int const index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

/// The bytes of an IP literal, in the order of the network; empty for anything else.
std::string ip_bytes(std::string const& name) {
    std::string bytes(sizeof(in6_addr), '\0');
    if (::inet_pton(AF_INET, name.c_str(), bytes.data()) == 1)
        return bytes.substr(0, sizeof(in_addr));
    std::string const without_zone = name.substr(0, name.find('%'));
    return ::inet_pton(AF_INET6, without_zone.c_str(), bytes.data()) == 1 ? bytes : std::string();
}

} // namespace

bool checks_hostname(SSL_CTX const* context) {
    return SSL_CTX_get_ex_data(context, unchecked_index()) == nullptr;
}

void set_checks_hostname(SSL_CTX* context, bool checks) {
    SSL_CTX_set_ex_data(context, unchecked_index(), checks ? nullptr : context);
}

void expect_server_name(SSL* ssl, std::string const& name) {
    bool const checks = checks_hostname(SSL_get_SSL_CTX(ssl));
    if (name.empty()) {
        if (checks && (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER))
            throw std::invalid_argument("a TLS client needs the name of its server to check the "
                                        "certificate: give server_hostname, or set check_hostname "
                                        "to false");
        return;
    }

    auto* const verified = SSL_get0_param(ssl);
    auto const ip = ip_bytes(name);
    bool ok = name.find('\0') == name.npos;
    if (!ip.empty()) {
        ok = ok && (!checks || X509_VERIFY_PARAM_set1_ip(
                                   verified, reinterpret_cast<unsigned char const*>(ip.data()),
                                   ip.size()) == 1);
    } else {
        std::string const host = name.back() == '.' ? name.substr(0, name.size() - 1) : name;
        X509_VERIFY_PARAM_set_hostflags(verified, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ok = ok && !host.empty() && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1 &&
             (!checks || X509_VERIFY_PARAM_set1_host(verified, host.c_str(), host.size()) == 1);
    }
    if (!ok) {
        ERR_clear_error();
        throw std::invalid_argument("server_hostname \"" + std::string(name.c_str()) +
                                    "\" is no host name: give one of 1 to 255 bytes, or an IP "
                                    "address");
    }
}

} // namespace tornado::detail
