// SPDX-License-Identifier: BSL-1.0
// Key and certificate are one file, which is put in place at once: they always fit together.
#include "self_signed.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <pwd.h>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <unistd.h>

namespace demo {
namespace {

constexpr auto renewal = std::chrono::hours(24 * 7); // before its end

template <auto free>
struct Free {
    template <class T>
    void operator()(T* object) const noexcept {
        free(object);
    }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

void ensure(bool ok) {
    if (!ok)
        throw std::runtime_error("OpenSSL cannot make a certificate: give --certfile, or --no-tls");
}

/// Whether the file holds a key and its certificate, which is good for a while.
bool usable(std::string const& path) {
    Bio const in(BIO_new_file(path.c_str(), "r"));
    Certificate const certificate(in ? PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)
                                     : nullptr);
    Key const key(certificate && BIO_seek(in.get(), 0) == 0
                      ? PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr)
                      : nullptr);
    std::time_t then = std::time(nullptr) + std::chrono::seconds(renewal).count();
    bool const good = key && X509_check_private_key(certificate.get(), key.get()) == 1 &&
                      X509_cmp_time(X509_get0_notAfter(certificate.get()), &then) > 0;
    ERR_clear_error();
    return good;
}

void add_extension(X509* certificate, int name, char const* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    Extension const extension(X509V3_EXT_conf_nid(nullptr, &context, name, value));
    ensure(extension && X509_add_ext(certificate, extension.get(), -1));
}

// Browsers refuse two certificates with the same serial number.
void set_random_serial(X509* certificate) {
    std::array<unsigned char, 16> bytes;
    ensure(RAND_bytes(bytes.data(), bytes.size()) == 1);
    bytes[0] &= 0x7f; // positive
    auto* const serial = X509_get_serialNumber(certificate);
    ensure(ASN1_STRING_set(serial, bytes.data(), bytes.size()) == 1);
}

/// Both in PEM form.
std::string make(std::chrono::seconds lifetime) {
    Key const key(EVP_EC_gen("P-256"));
    Certificate const owner(X509_new());
    ensure(key && owner);
    auto* const certificate = owner.get();
    auto* const name = X509_get_subject_name(certificate);
    auto const* const host = reinterpret_cast<unsigned char const*>("localhost");
    set_random_serial(certificate);
    ensure(X509_set_version(certificate, X509_VERSION_3) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -60) && // clocks differ
           X509_gmtime_adj(X509_getm_notAfter(certificate), lifetime.count()) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, host, -1, -1, 0) &&
           X509_set_issuer_name(certificate, name) && X509_set_pubkey(certificate, key.get()));
    add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(certificate, NID_key_usage, "critical,digitalSignature");
    add_extension(certificate, NID_ext_key_usage, "serverAuth");
    add_extension(certificate, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
    add_extension(certificate, NID_subject_key_identifier, "hash");
    Bio const out(BIO_new(BIO_s_mem()));
    ensure(X509_sign(certificate, key.get(), EVP_sha256()) != 0 && out &&
           PEM_write_bio_X509(out.get(), certificate) &&
           PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr));
    char* text = nullptr;
    auto const size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

/// Replaces the file at `path`, readable by this user alone; there is never half a file.
void write_atomically(std::string const& path, std::string_view text) {
    std::string temporary = path + ".XXXXXX";
    int const fd = ::mkostemp(temporary.data(), O_CLOEXEC); // mode 0600
    bool const opened = fd >= 0;
    bool const written =
        opened && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::fsync(fd) == 0 && ::rename(temporary.c_str(), path.c_str()) == 0;
    int const error = errno;
    if (opened)
        ::close(fd);
    if (opened && !written)
        ::unlink(temporary.c_str());
    if (!written)
        throw std::system_error(error, std::generic_category(),
                                "cannot write " + path + ": give another --state, or --no-tls");
}

} // namespace

std::string state_folder() {
    char const* const given = std::getenv("XDG_STATE_HOME");
    if (given && *given == '/')
        return std::string(given) + "/tornado_asio";
    char const* home = std::getenv("HOME");
    passwd const* const user = home && *home ? nullptr : ::getpwuid(::getuid());
    return std::string(user ? user->pw_dir : home ? home : "") + "/.local/state/tornado_asio";
}

std::string self_signed(std::string const& folder, std::chrono::seconds lifetime) {
    auto const path = folder + "/localhost.pem";
    if (!usable(path)) {
        std::error_code failure;
        if (std::filesystem::create_directories(folder, failure))
            std::filesystem::permissions(folder, std::filesystem::perms::owner_all, failure);
        if (failure)
            throw std::system_error(failure, "cannot make the folder " + folder +
                                                 ": give another --state, or --no-tls");
        write_atomically(path, make(lifetime));
    }
    return path;
}

} // namespace demo
