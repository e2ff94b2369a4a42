// SPDX-License-Identifier: BSL-1.0
// A dict of options, or the OpenSSL context inside of an ssl.SSLContext.
#include "tls.hpp"

#include "tornado/ssl_options.hpp"

#include <openssl/ssl.h>

namespace beneath {
namespace {

SSLOptions to_options(py::dict const& given) {
    SSLOptions options;
    for (auto const& [name, value] : given) {
        auto const key = name.cast<std::string>();
        if (value.is_none())
            continue;
        if (key == "certfile")
            options.certfile = value.cast<std::string>();
        else if (key == "keyfile")
            options.keyfile = value.cast<std::string>();
        else if (key == "ca_certs")
            options.ca_certs = value.cast<std::string>();
        else if (key == "ciphers")
            options.ciphers = value.cast<std::string>();
        else if (key == "cert_reqs") // of Python's ssl: CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED
            options.cert_reqs = static_cast<CertReqs>(value.cast<int>());
        else
            throw py::value_error("this library has no ssl option " + key);
    }
    return options;
}

/// CPython keeps the SSL_CTX right behind the head of an ssl.SSLContext.
struct PythonContext {
    PyObject head;
    SSL_CTX* context;
};

} // namespace

std::shared_ptr<asio::ssl::context> tls_context(py::object const& options, bool server_side) {
    if (py::isinstance<py::dict>(options))
        return ssl_options_to_context(to_options(options), server_side);

    auto* const native = reinterpret_cast<PythonContext*>(options.ptr())->context;
    SSL_CTX_up_ref(native);
    // Python's callbacks in the context point to the Python object, which so lives as long.
    std::shared_ptr<asio::ssl::context> context(
        new asio::ssl::context(native),
        [keep = std::make_shared<Callable>(options)](asio::ssl::context* last) { delete last; });
    check_hostname(*context, options.attr("check_hostname").cast<bool>());
    return context;
}

} // namespace beneath
