// SPDX-License-Identifier: BSL-1.0
// Carries a stream's bytes in TLS records over another transport.
#pragma once

#include "bytes/write_queue.hpp"
#include "transport/transport.hpp"

#include <boost/asio/ssl/context.hpp>
#include <openssl/types.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tornado::detail {

/// OpenSSL reads the lower transport through a BIO of ours and writes to a queue, so that it never
/// touches a descriptor, and whatever one call seals leaves in one send.
class TlsTransport final : public Transport {
public:
    /// Keeps `context`. `server_name`: for a client, as in expect_server, or empty.
    TlsTransport(std::shared_ptr<asio::ssl::context> context, bool server_side,
                 std::string const& server_name);
    ~TlsTransport() override;

    /// Before all else. `unsent` leaves before TLS, in clear text.
    void lay_over(std::unique_ptr<Transport> lower, std::string_view unsent = {}) {
        lower_ = std::move(lower);
        sealed_.append(unsent);
    }
    /// For clients, before the handshake: what SNI says and the certificate must name. Without it,
    /// a handshake that should verify a name fails with error::server_name_required.
    void expect_server(std::string const& name);

    ssl_st* native_tls() const noexcept { return tls_.get(); }

    asio::any_io_executor const& executor() noexcept override { return lower_->executor(); }
    int native_handle() noexcept override { return lower_->native_handle(); }
    /// At most a record at a time. What comes of a record is so at the stream before the next one
    /// is opened: if that one is broken, OpenSSL does not write any more, and the answers are
    /// sealed.
    std::size_t read_some(std::span<asio::mutable_buffer const> buffers, error_code& ec) override;
    bool has_more() const noexcept override { return more_; }
    std::size_t write_some(std::span<asio::const_buffer const> buffers, error_code& ec) override;
    std::size_t send_file(int file, std::uint64_t offset, std::size_t count,
                          error_code& ec) override;
    void async_wait(Direction direction, std::shared_ptr<Waiter> waiter) override;
    Direction establish(error_code& ec) override;
    char const* stage() const noexcept override {
        return connecting_ ? lower_->stage() : "in the TLS handshake";
    }
    Direction connect(Endpoint const& peer, error_code& ec) override;
    error_code lost() noexcept override { return lower_->lost(); }
    void shutdown_write(error_code& ec) override;
    bool must_linger() noexcept override;
    void close() noexcept override;
    int release(error_code& ec) override;
    void leave_context() noexcept override { lower_->leave_context(); }

private:
    class Bio;
    struct Free {
        void operator()(ssl_st* tls) const noexcept;
    };

    void begin_receiving() noexcept {
        drained_ = false;
        barren_ = 0;
    }
    error_code failure(int result);
    error_code tls_error() const;
    bool lacks_server_name() const;
    void flush(error_code& ec);
    void say_goodbye() noexcept;

    std::shared_ptr<asio::ssl::context> context_;
    std::unique_ptr<ssl_st, Free> tls_;
    std::unique_ptr<Transport> lower_;
    WriteQueue sealed_;        // for the lower transport
    error_code lower_error_;   // of its last read
    error_code end_;           // of the bytes received; every read has it from here on
    error_code failure_;       // why the records make no more sense
    std::size_t barren_ = 0;   // received in this call, beyond the data in it
    bool connecting_ = false;  // the lower transport
    bool established_ = false; // the handshake is over
    bool drained_ = false; // the lower transport has no more bytes now, or this call has had enough
    bool held_below_ = false; // the lower transport, TLS too, holds back some of what it took
    bool more_ = false;       // bytes of further records were received
    bool named_ = false;      // expect_server was called
};

} // namespace tornado::detail
