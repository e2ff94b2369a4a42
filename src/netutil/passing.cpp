// SPDX-License-Identifier: BSL-1.0
#include "netutil/passing.hpp"

#include "last_error.hpp"
#include "retry.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <cstring>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace tornado::detail {

Peer peer_of(int socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        throw system_error(last_error(), "cannot tell who is at the other end");
    return {credentials.pid, credentials.uid};
}

bool is_trusted(Peer const& peer) noexcept {
    return peer.uid == ::geteuid() || peer.uid == 0;
}

error_code send_text(int socket, std::string_view text, std::vector<int> const& descriptors) {
    std::size_t passed = 0;
    while (!text.empty()) {
        auto const count = std::min(descriptors.size() - passed, descriptors_a_message);
        bool const last = passed + count == descriptors.size();
        iovec piece{const_cast<char*>(text.data()), last ? text.size() : 1};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        alignas(cmsghdr) char control[CMSG_SPACE(descriptors_a_message * sizeof(int))];
        if (count > 0) {
            message.msg_control = control;
            message.msg_controllen = CMSG_SPACE(count * sizeof(int));
            auto* const header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(count * sizeof(int));
            std::memcpy(CMSG_DATA(header), &descriptors[passed], count * sizeof(int));
        }
        auto const sent =
            retry([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
        if (sent < 0)
            return last_error();
        text.remove_prefix(static_cast<std::size_t>(sent));
        passed += count;
    }
    return {};
}

error_code receive_text(int socket, std::string& text, std::vector<Descriptor>& descriptors) {
    char bytes[4096];
    iovec piece{bytes, sizeof bytes};
    alignas(cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))];
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    auto const size =
        retry([&] { return ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC); });
    if (size < 0)
        return last_error();
    for (auto* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        for (std::size_t at = 0; CMSG_LEN(at + sizeof(int)) <= header->cmsg_len;
             at += sizeof(int)) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + at, sizeof fd);
            descriptors.emplace_back(fd);
        }
    }
    // The kernel drops those that this process has no room for.
    if (message.msg_flags & MSG_CTRUNC)
        return asio::error::no_descriptors;
    if (size == 0)
        return asio::error::eof;
    text.append(bytes, static_cast<std::size_t>(size));
    return {};
}

} // namespace tornado::detail
