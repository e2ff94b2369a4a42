// SPDX-License-Identifier: BSL-1.0
#include "tornado/iostream.hpp"

#include "tornado/netutil.hpp"

#include "iostream/stream_core.hpp"
#include "transport/socket.hpp"
#include "transport/stream_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace tornado {

namespace {

std::shared_ptr<detail::StreamCore> make_core(IOStream::socket_type socket,
                                              StreamOptions const& options) {
    bool const connected = detail::is_connected(socket);
    return std::make_shared<detail::StreamCore>(detail::make_socket_transport(std::move(socket)),
                                                options, connected);
}

} // namespace

std::unique_ptr<detail::Transport> detail::carrier_of(AcceptedSocket connection,
                                                      asio::any_io_executor const& executor) {
    return make_socket_transport(executor, connection.protocol(), connection.release());
}

IOStream::IOStream(socket_type socket, StreamOptions const& options)
    : BaseIOStream(make_core(std::move(socket), options)) {
    set_nodelay(true);
}

// The listener's TCP_NODELAY is inherited.
IOStream::IOStream(asio::any_io_executor executor, AcceptedSocket connection,
                   StreamOptions const& options)
    : BaseIOStream(std::make_shared<detail::StreamCore>(
          detail::carrier_of(std::move(connection), executor), options, true, connection.id())) {}

IOStream::IOStream(std::shared_ptr<detail::StreamCore> core) noexcept
    : BaseIOStream(std::move(core)) {}

IOStream::~IOStream() = default;

void IOStream::check_server(std::string const&) const {}

void IOStream::expect_server(std::string const&) {}

void IOStream::start_connect(endpoint_type const& peer, std::string const& server_hostname,
                             detail::ConnectCompletion&& handler) {
    if (auto const ec = core().cannot_connect())
        return handler.post(get_executor(), ec, nullptr);
    if (!server_hostname.empty())
        expect_server(server_hostname);
    bool const opens = native_handle() < 0;
    core().connect(peer);
    if (opens)
        set_nodelay(true);
    auto const slot = handler.slot();
    core().wait_established(
        [handler = std::move(handler)](error_code ec, std::shared_ptr<BaseIOStream> self) mutable {
            handler(ec, std::static_pointer_cast<IOStream>(std::move(self)));
        },
        slot, true);
}

void IOStream::set_nodelay(bool value) {
    auto const family = detail::family_of(native_handle());
    int const flag = value;
    if (family == AF_INET || family == AF_INET6)
        ::setsockopt(native_handle(), IPPROTO_TCP, TCP_NODELAY, &flag, sizeof flag);
}

Address IOStream::local_address() const {
    return detail::local_endpoint(native_handle());
}

std::shared_ptr<ProxyHeader const> IOStream::proxy_header() const noexcept {
    return core().proxy_header();
}

Address IOStream::remote_address() const {
    return detail::remote_endpoint(native_handle());
}

int IOStream::native_handle() const noexcept {
    return core().transport().native_handle();
}

int IOStream::family() const noexcept {
    return detail::family_of(native_handle());
}

int IOStream::release_descriptor(std::string* unread) {
    return core().release(unread);
}

} // namespace tornado
