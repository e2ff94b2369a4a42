// SPDX-License-Identifier: BSL-1.0
// Certificates for tests, by OpenSSL's C API.
#include "support/certificates.hpp"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <unistd.h>

namespace tornado::test {

namespace {

template <auto free>
struct Free {
    template <class T>
    void operator()(T* object) const noexcept {
        free(object);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using File = std::unique_ptr<std::FILE, Free<std::fclose>>;

void check(bool ok) {
    if (!ok)
        throw std::runtime_error("OpenSSL cannot make the certificates of the tests");
}

struct Pair {
    Key key;
    Certificate certificate;
};

void add_extension(X509* certificate, X509* issuer, int name, char const* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    Extension const extension(X509V3_EXT_conf_nid(nullptr, &context, name, value));
    check(extension && X509_add_ext(certificate, extension.get(), -1));
}

struct Wish {
    char const* name;
    char const* alternative_names = nullptr; ///< none: an authority, or a client
    char const* usage = "serverAuth";        ///< nullptr: an authority
    long from_day = -1;
    long until_day = 1;
    char const* key = "P-256";
};

Key make_key(std::string const& kind) {
    return Key(kind.starts_with("P-") ? EVP_EC_gen(kind.c_str())
                                      : EVP_PKEY_Q_keygen(nullptr, nullptr, kind.c_str()));
}

/// Signed by `issuer`, or by itself if there is none.
Pair make(Wish const& wish, Pair const* issuer) {
    static long serial = 0;
    Pair made{make_key(wish.key), Certificate(X509_new())};
    check(made.key && made.certificate);
    X509* const certificate = made.certificate.get();
    X509* const signer = issuer ? issuer->certificate.get() : certificate;
    long const day = 24 * 60 * 60;
    auto* const subject = X509_get_subject_name(certificate);
    check(X509_set_version(certificate, X509_VERSION_3) &&
          ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial) &&
          X509_gmtime_adj(X509_getm_notBefore(certificate), wish.from_day * day) &&
          X509_gmtime_adj(X509_getm_notAfter(certificate), wish.until_day * day) &&
          X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                     reinterpret_cast<unsigned char const*>(wish.name), -1, -1,
                                     0) &&
          X509_set_issuer_name(certificate, X509_get_subject_name(signer)) &&
          X509_set_pubkey(certificate, made.key.get()));
    bool const authority = wish.usage == nullptr;
    add_extension(certificate, signer, NID_basic_constraints,
                  authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(certificate, signer, NID_key_usage,
                  authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
    add_extension(certificate, signer, NID_subject_key_identifier, "hash");
    if (issuer)
        add_extension(certificate, signer, NID_authority_key_identifier, "keyid");
    if (!authority)
        add_extension(certificate, signer, NID_ext_key_usage, wish.usage);
    if (wish.alternative_names)
        add_extension(certificate, signer, NID_subject_alt_name, wish.alternative_names);
    auto* const signing = issuer ? issuer->key.get() : made.key.get();
    bool const digests = !EVP_PKEY_is_a(signing, "ED25519") && !EVP_PKEY_is_a(signing, "ED448");
    check(X509_sign(certificate, signing, digests ? EVP_sha256() : nullptr) != 0);
    return made;
}

class Maker {
public:
    Maker() {
        std::string name = (std::filesystem::temp_directory_path() / "tornado-certs-XXXXXX");
        check(::mkdtemp(name.data()) != nullptr);
        made_.folder = name;
        make_all();
    }
    Maker(Maker const&) = delete;
    Maker& operator=(Maker const&) = delete;
    ~Maker() {
        std::error_code ignored;
        if (::getpid() == owner_)
            std::filesystem::remove_all(made_.folder, ignored);
    }

    Certificates const& made() const { return made_; }

private:
    void make_all() {
        char const* const here = "DNS:localhost,IP:127.0.0.1,IP:::1";
        auto const ca = make({"Test authority", nullptr, nullptr}, nullptr);
        auto const foreign_ca = make({"Foreign authority", nullptr, nullptr}, nullptr);
        made_.ca = save(ca, "ca").certfile;
        made_.foreign_ca = save(foreign_ca, "foreign_ca").certfile;

        auto const localhost = make({"localhost", here}, &ca);
        made_.localhost = save(localhost, "localhost");
        made_.other = save(
            make({"other.test", "DNS:other.test", "serverAuth", -1, 1, "ED25519"}, &ca), "other");
        made_.wildcard = save(make({"example.org", "DNS:*.example.org"}, &ca), "wildcard");
        made_.partial = save(make({"example.org", "DNS:w*.example.org"}, &ca), "partial");
        made_.expired = save(make({"localhost", here, "serverAuth", -3, -1}, &ca), "expired");
        made_.self_signed = save(make({"localhost", here}, nullptr), "self_signed");
        made_.foreign = save(make({"localhost", here}, &foreign_ca), "foreign");
        made_.client = save(make({"client", nullptr, "clientAuth"}, &ca), "client");
        made_.nameless = save(make({"localhost"}, &ca), "nameless");
        for (auto const* kind : {"P-256", "P-384", "P-521", "ED25519", "ED448"})
            made_.kinds[kind] =
                save(make({"localhost", here, "serverAuth,clientAuth", -1, 1, kind}, &ca), kind);

        auto const intermediate = make({"Intermediate authority", nullptr, nullptr}, &ca);
        made_.intermediate = save(intermediate, "intermediate").certfile;
        made_.below = save(make({"localhost", here}, &intermediate), "below");
        std::ofstream(made_.below.certfile, std::ios::app)
            << std::ifstream(made_.intermediate).rdbuf();

        made_.combined = path("combined.pem");
        std::ofstream(made_.combined) << std::ifstream(made_.localhost.certfile).rdbuf()
                                      << std::ifstream(made_.localhost.keyfile).rdbuf();
        made_.password = "correct horse";
        made_.encrypted_key = path("encrypted.key");
        write_key(localhost, made_.encrypted_key, made_.password.c_str());
    }

    std::string path(std::string const& name) const { return made_.folder / name; }

    Identity save(Pair const& pair, std::string const& name) const {
        Identity saved{path(name + ".crt"), path(name + ".key")};
        File const file(std::fopen(saved.certfile.c_str(), "wex"));
        check(file && PEM_write_X509(file.get(), pair.certificate.get()));
        write_key(pair, saved.keyfile, nullptr);
        return saved;
    }

    static void write_key(Pair const& pair, std::string const& path, char const* password) {
        File const file(std::fopen(path.c_str(), "wex"));
        check(file && PEM_write_PKCS8PrivateKey(file.get(), pair.key.get(),
                                                password ? EVP_aes_128_cbc() : nullptr, nullptr, 0,
                                                nullptr, const_cast<char*>(password)));
    }

    Certificates made_;
    pid_t owner_ = ::getpid();
};

} // namespace

Certificates const& certificates() {
    static Maker const maker;
    return maker.made();
}

} // namespace tornado::test
