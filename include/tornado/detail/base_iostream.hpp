// SPDX-License-Identifier: BSL-1.0
// The token seam of BaseIOStream: a template judges the arguments, where a coroutine can catch what
// is thrown, and takes the token; the body is in the library.
#pragma once

#include "tornado/base_iostream.hpp"
#include "tornado/detail/initiation.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace tornado {

template <asio::completion_token_for<void(error_code)> Token>
auto WriteOperation::operator()(Token&& token) const {
    return asio::async_initiate<Token, void(error_code)>(
        detail::Initiation{
            stream_,
            [](BaseIOStream& stream, auto&& handler, std::uint64_t end, error_code const& failure) {
                stream.start_wait_written(
                    end, failure,
                    {std::forward<decltype(handler)>(handler), stream.get_executor()});
            }},
        token, end_, failure_);
}

template <asio::completion_token_for<void(error_code, std::string)> Token>
auto BaseIOStream::read_until(std::string_view delimiter, Token&& token) {
    return read_until(delimiter, detail::unlimited, std::forward<Token>(token));
}

template <asio::completion_token_for<void(error_code, std::string)> Token>
auto BaseIOStream::read_until(std::string_view delimiter, std::size_t max_bytes, Token&& token) {
    if (delimiter.empty())
        check_delimiter(delimiter);
    return asio::async_initiate<Token, void(error_code, std::string)>(
        detail::Initiation{this,
                           [max_bytes](auto& self, auto&& handler, std::string const& text) {
                               self.start_read_until(
                                   text, max_bytes,
                                   {std::forward<decltype(handler)>(handler), self.get_executor()});
                           }},
        token, std::string(delimiter));
}

template <asio::completion_token_for<void(error_code, std::string)> Token>
auto BaseIOStream::read_until_regex(std::string_view expression, Token&& token) {
    return read_until_regex(expression, detail::unlimited, std::forward<Token>(token));
}

template <asio::completion_token_for<void(error_code, std::string)> Token>
auto BaseIOStream::read_until_regex(std::string_view expression, std::size_t max_bytes,
                                    Token&& token) {
    check_expression(expression);
    return asio::async_initiate<Token, void(error_code, std::string)>(
        detail::Initiation{this,
                           [max_bytes](auto& self, auto&& handler, std::string const& text) {
                               self.start_read_until_regex(
                                   text, max_bytes,
                                   {std::forward<decltype(handler)>(handler), self.get_executor()});
                           }},
        token, std::string(expression));
}

template <asio::completion_token_for<void(error_code, std::string)> Token>
auto BaseIOStream::read_bytes(std::size_t n, Token&& token) {
    return read_bytes(n, false, std::forward<Token>(token));
}

template <asio::completion_token_for<void(error_code, std::string)> Token>
auto BaseIOStream::read_bytes(std::size_t n, bool partial, Token&& token) {
    return asio::async_initiate<Token, void(error_code, std::string)>(
        detail::Initiation{this,
                           [n, partial](auto& self, auto&& handler) {
                               self.start_read_bytes(
                                   n, partial,
                                   {std::forward<decltype(handler)>(handler), self.get_executor()});
                           }},
        token);
}

template <asio::completion_token_for<void(error_code, std::size_t)> Token>
auto BaseIOStream::read_into(asio::mutable_buffer buffer, Token&& token) {
    return read_into(buffer, false, std::forward<Token>(token));
}

template <asio::completion_token_for<void(error_code, std::size_t)> Token>
auto BaseIOStream::read_into(asio::mutable_buffer buffer, bool partial, Token&& token) {
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        detail::Initiation{this,
                           [buffer, partial](auto& self, auto&& handler) {
                               self.start_read_into(
                                   buffer, partial,
                                   {std::forward<decltype(handler)>(handler), self.get_executor()});
                           }},
        token);
}

template <asio::completion_token_for<void(error_code, std::string)> Token>
auto BaseIOStream::read_until_close(Token&& token) {
    return asio::async_initiate<Token, void(error_code, std::string)>(
        detail::Initiation{this,
                           [](auto& self, auto&& handler) {
                               self.start_read_until_close(
                                   {std::forward<decltype(handler)>(handler), self.get_executor()});
                           }},
        token);
}

template <asio::completion_token_for<void(error_code, std::size_t)> Token>
auto BaseIOStream::fill(Token&& token) {
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        detail::Initiation{
            this,
            [](auto& self, auto&& handler) {
                self.start_fill({std::forward<decltype(handler)>(handler), self.get_executor()});
            }},
        token);
}

template <asio::completion_token_for<void(error_code, std::size_t)> Token>
auto BaseIOStream::fill(std::size_t n, Token&& token) {
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        detail::Initiation{
            this,
            [n](auto& self, auto&& handler) {
                self.start_fill(n, {std::forward<decltype(handler)>(handler), self.get_executor()});
            }},
        token);
}

template <class Data, class Token>
auto BaseIOStream::write(Data&& data, Token&& token) {
    WriteOperation operation = [&] {
        if constexpr (std::is_same_v<Data, std::string>)
            return start_write(std::move(data));
        else if constexpr (std::is_convertible_v<Data, std::string_view>)
            return start_write(std::string_view(data));
        else {
            asio::const_buffer const bytes(std::forward<Data>(data));
            return start_write(
                std::string_view(static_cast<char const*>(bytes.data()), bytes.size()));
        }
    }();
    return operation(std::forward<Token>(token));
}

template <asio::completion_token_for<void(error_code, std::uint64_t)> Token>
auto BaseIOStream::send_file(int descriptor, std::uint64_t offset, std::uint64_t count,
                             Token&& token) {
    return asio::async_initiate<Token, void(error_code, std::uint64_t)>(
        detail::Initiation{this,
                           [](auto& self, auto&& handler, Source file) {
                               self.start_send_file(
                                   std::move(file),
                                   {std::forward<decltype(handler)>(handler), self.get_executor()});
                           }},
        token, open_source(descriptor, offset, count));
}

template <class MutableBufferSequence,
          asio::completion_token_for<void(error_code, std::size_t)> Token>
auto BaseIOStream::async_read_some(MutableBufferSequence const& buffers, Token&& token) {
    asio::mutable_buffer first;
    for (auto it = asio::buffer_sequence_begin(buffers);
         it != asio::buffer_sequence_end(buffers) && first.size() == 0; ++it)
        first = *it;
    return read_into(first, true, std::forward<Token>(token));
}

template <class ConstBufferSequence,
          asio::completion_token_for<void(error_code, std::size_t)> Token>
auto BaseIOStream::async_write_some(ConstBufferSequence const& buffers, Token&& token) {
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        detail::Initiation{
            this,
            [](auto& self, auto&& handler, ConstBufferSequence const& sequence) {
                asio::const_buffer list[16]; // more may be left for the next call
                std::size_t count = 0;
                for (auto it = asio::buffer_sequence_begin(sequence);
                     it != asio::buffer_sequence_end(sequence) && count < std::size(list); ++it)
                    if (asio::const_buffer const next = *it; next.size() != 0)
                        list[count++] = next;
                self.start_write_some(
                    list, count, {std::forward<decltype(handler)>(handler), self.get_executor()});
            }},
        token, buffers);
}

} // namespace tornado
