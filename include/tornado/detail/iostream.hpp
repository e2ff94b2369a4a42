// SPDX-License-Identifier: BSL-1.0
// The token seam of the streams over sockets and TLS, built as that of BaseIOStream.
#pragma once

#include "tornado/detail/initiation.hpp"
#include "tornado/iostream.hpp"

#include <boost/asio/async_result.hpp>

#include <memory>
#include <string>
#include <utility>

namespace tornado {

template <asio::completion_token_for<void(error_code, IOStreamPtr)> Token>
auto IOStream::connect(Address const& peer, Token&& token) {
    return connect(peer, std::string(), std::forward<Token>(token));
}

template <asio::completion_token_for<void(error_code, IOStreamPtr)> Token>
auto IOStream::connect(Address const& peer, std::string server_hostname, Token&& token) {
    check_server(server_hostname);
    return asio::async_initiate<Token, void(error_code, IOStreamPtr)>(
        detail::Initiation{
            this,
            [](auto& self, auto&& handler, endpoint_type const& to, std::string const& name) {
                self.start_connect(to, name,
                                   {std::forward<decltype(handler)>(handler), self.get_executor()});
            }},
        token, peer.endpoint(), std::move(server_hostname));
}

template <asio::completion_token_for<void(error_code, SSLIOStreamPtr)> Token>
auto IOStream::start_tls(bool server_side, std::shared_ptr<asio::ssl::context> context,
                         std::string server_hostname, Token&& token) {
    check_tls(context, server_hostname);
    return asio::async_initiate<Token, void(error_code, SSLIOStreamPtr)>(
        detail::Initiation{
            this,
            [server_side](auto& self, auto&& handler, std::shared_ptr<asio::ssl::context> with,
                          std::string const& name) {
                self.begin_tls(server_side, std::move(with), name,
                               {std::forward<decltype(handler)>(handler), self.get_executor()});
            }},
        token, std::move(context), std::move(server_hostname));
}

template <asio::completion_token_for<void(error_code)> Token>
auto SSLIOStream::wait_for_handshake(Token&& token) {
    return asio::async_initiate<Token, void(error_code)>(
        detail::Initiation{this,
                           [](auto& self, auto&& handler) {
                               self.start_wait_for_handshake(
                                   {std::forward<decltype(handler)>(handler), self.get_executor()});
                           }},
        token);
}

} // namespace tornado
