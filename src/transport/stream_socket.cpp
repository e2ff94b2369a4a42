// SPDX-License-Identifier: BSL-1.0
#include "transport/stream_socket.hpp"

#include "retry.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <utility>

namespace tornado::detail {

namespace {

// Both of getsockname and getpeername.
template <class Get>
Transport::Endpoint endpoint_from(Get get, int descriptor) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    auto* const address = reinterpret_cast<sockaddr*>(&storage);
    if (get(descriptor, address, &size) != 0)
        return {};
    return {address, size};
}

} // namespace

// One without a peer waits for connect(), unless it had a peer that is gone: that is there to be
// read.
bool is_connected(asio::generic::stream_protocol::socket& socket) {
    if (!socket.is_open())
        return false;
    error_code ec;
    socket.remote_endpoint(ec);
    pollfd state{socket.native_handle(), POLLIN | POLLRDHUP, 0};
    return !ec || (retry([&] { return ::poll(&state, 1, 0); }) == 1 &&
                   (state.revents & (POLLIN | POLLRDHUP)) != 0);
}

int family_of(int descriptor) noexcept {
    int family = AF_UNSPEC;
    socklen_t size = sizeof family;
    ::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size);
    return family;
}

Transport::Endpoint local_endpoint(int descriptor) {
    return endpoint_from(::getsockname, descriptor);
}

Transport::Endpoint remote_endpoint(int descriptor) {
    return endpoint_from(::getpeername, descriptor);
}

} // namespace tornado::detail
