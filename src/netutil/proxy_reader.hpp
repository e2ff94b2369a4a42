// SPDX-License-Identifier: BSL-1.0
// Reads the PROXY header that an accepted connection begins with, and not a byte more.
#pragma once

#include "tornado/detail/function.hpp"
#include "tornado/netutil.hpp"

#include "netutil/proxy_parser.hpp"
#include "tether.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace tornado::detail {

/// Made by make_shared. Looks at what has come without taking it, and takes what belongs to the
/// header, so that whatever follows, a TLS handshake for one, is as if there had been none.
/// Everything on the executor's thread.
class ProxyReader final : public std::enable_shared_from_this<ProxyReader>, Tether {
public:
    /// The connection after its header; or, with a closed one, why there was none: empty when the
    /// peer left without a byte.
    using Handler = Function<void(AcceptedSocket, std::string const& problem)>;

    /// On a context that has ended the connection is closed, and nobody called.
    ProxyReader(asio::any_io_executor const& executor, AcceptedSocket connection);

    /// Calls `handler` once, within the call when the header is there.
    void start(asio::steady_timer::duration limit, Handler handler);
    /// Closes the connection; the handler is called no more.
    void stop();

    ProxyParser const& parser() const noexcept { return parser_; }
    std::uint64_t id() const noexcept { return id_; }
    /// It was the deadline that ended it.
    bool timed_out() const noexcept { return timed_out_; }

private:
    void read();
    void wait();
    void finish(AcceptedSocket connection, std::string const& problem);
    void fail(std::string const& problem);
    void context_ended() noexcept override {}
    void describe_to(std::string& lines) const override;

    int family_;
    std::uint64_t id_;
    Tethered<asio::steady_timer> deadline_;
    Tethered<asio::posix::stream_descriptor> connection_;
    ProxyParser parser_;
    bool began_ = false; // bytes have come
    bool timed_out_ = false;
    Handler handler_;
};

} // namespace tornado::detail
