// SPDX-License-Identifier: BSL-1.0
// A TLS server and a TLS client that are joined in memory.
#pragma once

#include "tornado/error.hpp"

#include <boost/asio/ssl/context.hpp>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace tornado::test {

class TlsPair {
public:
    TlsPair(asio::ssl::context& server_context, asio::ssl::context& client_context)
        : server(SSL_new(server_context.native_handle())),
          client(SSL_new(client_context.native_handle())) {
        BIO* near = nullptr;
        BIO* far = nullptr;
        BIO_new_bio_pair(&near, 0, &far, 0);
        SSL_set_bio(server.get(), near, near);
        SSL_set_bio(client.get(), far, far);
        SSL_set_accept_state(server.get());
        SSL_set_connect_state(client.get());
    }

    /// Both go on until each has finished or failed; true if both have finished.
    bool shake_hands() {
        for (int turn = 0; turn < 10; ++turn) {
            SSL_do_handshake(client.get());
            SSL_do_handshake(server.get());
        }
        ERR_clear_error();
        return SSL_is_init_finished(client.get()) && SSL_is_init_finished(server.get());
    }

    /// What `to` receives of the short `text` that `from` sends; empty if it does not get there.
    static std::string pass(std::string const& text, SSL* from, SSL* to) {
        SSL_write(from, text.data(), static_cast<int>(text.size()));
        std::string received(64, '\0');
        int const size = SSL_read(to, received.data(), static_cast<int>(received.size()));
        ERR_clear_error();
        return received.substr(0, size > 0 ? static_cast<std::size_t>(size) : 0);
    }

    struct Free {
        void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
    };
    std::unique_ptr<SSL, Free> server;
    std::unique_ptr<SSL, Free> client;
};

} // namespace tornado::test
