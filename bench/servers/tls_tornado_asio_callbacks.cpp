// SPDX-License-Identifier: BSL-1.0
// The library in Tornado 3's form, over TLS.
#include "tornado_asio_callbacks.hpp"

int main(int argc, char** argv) {
    tornado::SSLOptions tls;
    tls.certfile = bench::take_certificate(argc, argv);
    tornado::TCPServerOptions options;
    options.ssl = tornado::ssl_options_to_context(tls, true);
    bench::run(bench::parse(argc, argv), options);
}
