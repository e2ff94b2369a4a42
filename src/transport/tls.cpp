// SPDX-License-Identifier: BSL-1.0
#include "transport/tls.hpp"

#include "bytes/block_cache.hpp"
#include "transport/send_by_reading.hpp"
#include "transport/tls_names.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <linux/sockios.h>
#include <sys/ioctl.h>

namespace tornado::detail {

namespace {

// Received in one call without data in it: records such as key updates could go on for ever.
constexpr std::size_t most_barren = 48 * 1024;
// What a peer may have asked for, by key updates, and not taken. Writes hold back a block.
constexpr std::size_t most_unsent = 4 * block_size;

// The bytes behind the first `skip`, a block of them at most: copied side by side, because each
// record costs, unless one buffer holds them.
asio::const_buffer join(std::span<asio::const_buffer const> buffers, std::size_t skip,
                        Block& block) {
    while (skip >= buffers.front().size()) {
        skip -= buffers.front().size();
        buffers = buffers.subspan(1);
    }
    auto const first = buffers.front() + skip;
    if (buffers.size() == 1 || first.size() >= block_size)
        return asio::buffer(first, block_size);
    if (!block)
        block = take_block();
    asio::mutable_buffer const room(block.get(), block_size);
    auto n = asio::buffer_copy(room, first);
    n += asio::buffer_copy(room + n, buffers.subspan(1));
    return asio::const_buffer(block.get(), n);
}

// Clearing what is empty costs a twelfth of a short message.
void clear_errors() noexcept {
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

} // namespace

/// OpenSSL's way out: reads the lower transport, writes to the queue.
class TlsTransport::Bio {
public:
    static BIO* make(TlsTransport* transport) {
        static auto* const method = make_method(); // lives as long as OpenSSL does
        auto* const bio = BIO_new(method);
        if (!bio)
            throw std::bad_alloc();
        BIO_set_data(bio, transport);
        BIO_set_init(bio, 1);
        return bio;
    }

private:
    static BIO_METHOD* make_method() {
        auto* const method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tornado");
        BIO_meth_set_read_ex(method, read);
        BIO_meth_set_write_ex(method, write);
        BIO_meth_set_ctrl(method, control);
        return method;
    }

    static int read(BIO* bio, char* to, std::size_t size, std::size_t* n) {
        auto& self = *static_cast<TlsTransport*>(BIO_get_data(bio));
        BIO_clear_retry_flags(bio);
        *n = 0;
        if (self.established_ && self.sealed_.size() > most_unsent) {
            self.lower_error_ = asio::error::no_buffer_space;
            return 0;
        }
        // One that came up short has said that there is no more: not asked again.
        if (!self.drained_) {
            asio::mutable_buffer const room(to, size);
            self.lower_error_ = {};
            *n = self.lower_->read_some({&room, 1}, self.lower_error_);
            self.barren_ += *n;
            self.drained_ = *n < size || self.barren_ > most_barren;
        }
        if (*n != 0)
            return 1;
        if (!self.lower_error_ || self.lower_error_ == asio::error::would_block)
            BIO_set_retry_read(bio);
        return 0;
    }

    static int write(BIO* bio, char const* data, std::size_t size, std::size_t* n) {
        auto& self = *static_cast<TlsTransport*>(BIO_get_data(bio));
        self.sealed_.append(std::string_view(data, size));
        *n = size;
        return 1;
    }

    static long control(BIO* bio, int command, long, void*) {
        auto const& self = *static_cast<TlsTransport*>(BIO_get_data(bio));
        if (command == BIO_CTRL_EOF)
            return self.lower_error_ == asio::error::eof;
        return command == BIO_CTRL_FLUSH;
    }
};

void TlsTransport::Free::operator()(ssl_st* tls) const noexcept {
    SSL_free(tls);
}

TlsTransport::TlsTransport(std::shared_ptr<asio::ssl::context> context, bool server_side,
                           std::string const& server_name)
    : context_(std::move(context)), tls_(SSL_new(context_->native_handle())) {
    if (!tls_)
        throw system_error(tls_error(), "cannot begin TLS");
    auto* const bio = Bio::make(this);
    SSL_set_bio(tls_.get(), bio, bio);
    SSL_set_read_ahead(tls_.get(), 1); // one receive takes what there is
    // Whatever the context says: failure() tells an unexpected end apart, and without
    // renegotiation no write waits for the peer.
    SSL_set_options(tls_.get(), SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
    SSL_set_mode(tls_.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (server_side)
        SSL_set_accept_state(tls_.get());
    else
        SSL_set_connect_state(tls_.get());
    if (!server_name.empty())
        expect_server(server_name);
}

TlsTransport::~TlsTransport() = default;

void TlsTransport::expect_server(std::string const& name) {
    expect_server_name(tls_.get(), name);
    named_ = true;
}

std::size_t TlsTransport::read_some(std::span<asio::mutable_buffer const> buffers, error_code& ec) {
    if (end_) {
        ec = end_;
        return 0;
    }
    std::size_t total = 0;
    if (!std::exchange(more_, false))
        begin_receiving();
    for (auto const& buffer : buffers)
        for (std::size_t filled = 0; filled != buffer.size();) {
            std::size_t n = 0;
            ec = {};
            clear_errors();
            auto const result = SSL_read_ex(tls_.get(), static_cast<char*>(buffer.data()) + filled,
                                            buffer.size() - filled, &n);
            if (result != 1) {
                ec = failure(result);
                if (ec != asio::error::would_block)
                    end_ = ec;
                error_code ignored; // what an answer to the peer's records meets, a write will meet
                flush(ignored);
                return total;
            }
            filled += n;
            total += n;
            barren_ -= std::min(barren_, n);
            if (SSL_pending(tls_.get()) == 0) {
                more_ = !drained_ || SSL_has_pending(tls_.get()) != 0;
                return total;
            }
        }
    return total;
}

std::size_t TlsTransport::write_some(std::span<asio::const_buffer const> buffers, error_code& ec) {
    auto const total = asio::buffer_size(buffers);
    std::size_t taken = 0;
    Block block;
    // A block at a time, so that no more than that is ever held back.
    for (flush(ec); !ec && taken != total; flush(ec)) {
        if (failure_) {
            ec = failure_;
            break;
        }
        std::size_t n = 0;
        auto const piece = join(buffers, taken, block);
        clear_errors();
        auto const result = SSL_write_ex(tls_.get(), piece.data(), piece.size(), &n);
        if (result != 1) {
            ec = failure(result);
            break;
        }
        taken += n;
    }
    give_block(std::move(block));
    return taken;
}

std::size_t TlsTransport::send_file(int file, std::uint64_t offset, std::size_t count,
                                    error_code& ec) {
    flush(ec); // before a block is read in vain
    return ec ? 0 : send_by_reading(*this, file, offset, count, ec);
}

void TlsTransport::async_wait(Direction direction, std::shared_ptr<Waiter> waiter) {
    if (direction == Direction::read && (end_ || more_))
        asio::post(executor(), Wakeup(std::move(waiter), direction)); // no need to wait for these
    else
        lower_->async_wait(direction, std::move(waiter));
}

Direction TlsTransport::connect(Endpoint const& peer, error_code& ec) {
    auto const direction = lower_->connect(peer, ec);
    connecting_ = direction != Direction::none;
    return connecting_ || ec ? direction : establish(ec);
}

Direction TlsTransport::establish(error_code& ec) {
    ec = {};
    if (connecting_) {
        auto const direction = lower_->establish(ec);
        if (ec || direction != Direction::none)
            return direction;
        connecting_ = false;
    }
    if (lacks_server_name()) {
        ec = error::server_name_required;
        return Direction::none;
    }
    begin_receiving();
    error_code ended;
    if (!established_) {
        clear_errors();
        auto const result = SSL_do_handshake(tls_.get());
        established_ = result == 1;
        if (!established_)
            ended = failure(result);
    }
    flush(ec);
    if (ended && ended != asio::error::would_block) {
        ec = ended; // the alert is on its way
        return Direction::none;
    }
    if (ec == asio::error::would_block) {
        ec = {};
        return Direction::write;
    }
    return ec || established_ ? Direction::none : Direction::read;
}

void TlsTransport::shutdown_write(error_code& ec) {
    say_goodbye();
    flush(ec);
    if (!ec)
        lower_->shutdown_write(ec);
}

// A server of TLS 1.3 sends its tickets when the handshake is over for the client.
bool TlsTransport::must_linger() noexcept {
    int unacknowledged = 0;
    return established_ && !failure_ && SSL_is_server(tls_.get()) == 0 &&
           SSL_version(tls_.get()) >= TLS1_3_VERSION &&
           ::ioctl(lower_->native_handle(), SIOCOUTQ, &unacknowledged) == 0 && unacknowledged != 0;
}

void TlsTransport::close() noexcept {
    say_goodbye();
    error_code ignored; // nobody waits for a peer that does not take it
    flush(ignored);
    lower_->close();
}

int TlsTransport::release(error_code& ec) {
    ec = asio::error::operation_not_supported; // the peer would not understand clear text
    return -1;
}

error_code TlsTransport::failure(int result) {
    switch (SSL_get_error(tls_.get(), result)) {
    case SSL_ERROR_WANT_READ:
        return asio::error::would_block;
    case SSL_ERROR_ZERO_RETURN: // by a close_notify, or by a lower end that OpenSSL ran into
        return lower_error_ == asio::error::eof && established_
                   ? error_code(asio::ssl::error::stream_truncated)
                   : error_code(asio::error::eof);
    default:
        if (!failure_)
            failure_ = lower_error_ && lower_error_ != asio::error::would_block ? lower_error_
                                                                                : tls_error();
        return failure_;
    }
}

// Why OpenSSL failed: of a certificate, what is wrong with it.
error_code TlsTransport::tls_error() const {
    auto const code = ERR_get_error();
    if (code == 0)
        return asio::ssl::error::unspecified_system_error;
    auto const verdict = tls_ ? SSL_get_verify_result(tls_.get()) : X509_V_OK;
    if (verdict != X509_V_OK && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return lacks_any_name(tls_.get())
                   ? make_error_code(certificate_error::no_subject_alt_name)
                   : error_code(static_cast<int>(verdict), certificate_category());
    return {static_cast<int>(code), asio::error::get_ssl_category()};
}

// A peer that is verified by our own rules must be one of a name: otherwise any certificate would
// do.
bool TlsTransport::lacks_server_name() const {
    auto* const tls = tls_.get();
    return !named_ && SSL_is_server(tls) == 0 &&
           (SSL_get_verify_mode(tls) & SSL_VERIFY_PEER) != 0 && !SSL_get_verify_callback(tls) &&
           checks_hostname(SSL_get_SSL_CTX(tls));
}

void TlsTransport::flush(error_code& ec) {
    ec = {};
    std::array<asio::const_buffer, 4> buffers; // a turn's records are mostly one
    while (!sealed_.empty() || held_below_) {
        auto const gathered =
            std::span(buffers).first(sealed_.gather(std::span<asio::const_buffer>(buffers)));
        auto const n = lower_->write_some(gathered, ec);
        sealed_.consume(n);
        held_below_ = ec == asio::error::would_block && (held_below_ || n != 0);
        if (!ec && n != asio::buffer_size(gathered))
            ec = asio::error::would_block;
        if (ec)
            return;
    }
}

void TlsTransport::say_goodbye() noexcept {
    if (!established_ || failure_ || (SSL_get_shutdown(tls_.get()) & SSL_SENT_SHUTDOWN) != 0)
        return;
    clear_errors();
    SSL_shutdown(tls_.get());
}

} // namespace tornado::detail
