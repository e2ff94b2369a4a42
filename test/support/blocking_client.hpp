// SPDX-License-Identifier: BSL-1.0
// A client for servers on other threads: it blocks, for half a minute at most.
#pragma once

#include "tornado/netutil.hpp"

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <system_error>

namespace tornado::test {

class BlockingClient {
public:
    explicit BlockingClient(Address const& server)
        : socket_(::socket(server.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        timeval const limit{30, 0};
        ::setsockopt(fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(fd(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        auto const endpoint = server.endpoint();
        if (::connect(fd(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0)
            throw std::system_error(errno, std::generic_category(), "connect");
    }

    void send(std::string_view text) {
        if (::send(fd(), text.data(), text.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(text.size()))
            throw std::system_error(errno, std::generic_category(), "send");
    }

    /// The next line with its end; less at the end of the stream.
    std::string line() {
        std::string text;
        char byte = 0;
        while (byte != '\n') {
            auto const n = ::recv(fd(), &byte, 1, 0);
            if (n < 0)
                throw std::system_error(errno, std::generic_category(), "recv");
            if (n == 0)
                break;
            text += byte;
        }
        return text;
    }

    std::string ask(std::string_view text) {
        send(text);
        return line();
    }

    /// Whether the server has ended the connection, in good order or by a reset.
    bool is_closed() {
        try {
            return line().empty();
        } catch (std::system_error const& e) {
            return e.code() == std::errc::connection_reset;
        }
    }

private:
    int fd() const noexcept { return socket_.native_handle(); }

    detail::Descriptor socket_;
};

} // namespace tornado::test
