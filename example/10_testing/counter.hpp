// SPDX-License-Identifier: BSL-1.0
// A user's small server, which is to be tested: it adds up numbers.
#pragma once

#include <tornado.hpp>

namespace demo {

/// A number a line, `+` makes a line with the sum of those before it. Anything else is logged, and
/// ends the connection.
class Counter : public tornado::TCPServer {
public:
    using TCPServer::TCPServer;

    boost::asio::awaitable<void> handle_stream(tornado::IOStreamPtr stream,
                                               tornado::Address address) override;
};

} // namespace demo
