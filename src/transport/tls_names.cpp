// SPDX-License-Identifier: BSL-1.0
// Server names are checked by OpenSSL, as part of the verification of the certificate.
#include "transport/tls_names.hpp"

#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <new>
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

std::string without_final_dot(std::string const& name) {
    return name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
}

} // namespace

bool checks_hostname(SSL_CTX const* context) {
    return SSL_CTX_get_ex_data(context, unchecked_index()) == nullptr;
}

void set_checks_hostname(SSL_CTX* context, bool checks) {
    SSL_CTX_set_ex_data(context, unchecked_index(), checks ? nullptr : context);
}

void check_server_name(std::string const& name) {
    auto const host = without_final_dot(name);
    bool const good =
        name.find('\0') == name.npos && (name.empty() || !ip_bytes(name).empty() ||
                                         (!host.empty() && host.size() <= TLSEXT_MAXLEN_host_name));
    if (!good)
        throw std::invalid_argument("server_hostname \"" + std::string(name.c_str()) +
                                    "\" is no host name: give one of 1 to 255 bytes, or an IP "
                                    "address");
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

    check_server_name(name);
    auto* const verified = SSL_get0_param(ssl);
    bool ok = true;
    if (auto const ip = ip_bytes(name); !ip.empty()) {
        ok = !checks ||
             X509_VERIFY_PARAM_set1_ip(verified, reinterpret_cast<unsigned char const*>(ip.data()),
                                       ip.size()) == 1;
    } else {
        auto const host = without_final_dot(name);
        X509_VERIFY_PARAM_set_hostflags(verified, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                                      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        ok = SSL_set_tlsext_host_name(ssl, host.c_str()) == 1 &&
             (!checks || X509_VERIFY_PARAM_set1_host(verified, host.c_str(), host.size()) == 1);
    }
    if (!ok)
        throw std::bad_alloc(); // nothing else is left to go wrong
}

// What the peer has shown is no part of a session whose handshake failed, but of the verification.
bool lacks_any_name(SSL* ssl) {
    auto const result = SSL_get_verify_result(ssl);
    auto* const chain = SSL_get0_verified_chain(ssl);
    return (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH) &&
           sk_X509_num(chain) > 0 &&
           X509_get_ext_by_NID(sk_X509_value(chain, 0), NID_subject_alt_name, -1) < 0;
}

} // namespace tornado::detail
