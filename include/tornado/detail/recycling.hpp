// SPDX-License-Identifier: BSL-1.0
// Which memory an operation takes: its handler's, or Asio's recycled.
#pragma once

#include <boost/asio/recycling_allocator.hpp>

#include <memory>

namespace tornado::detail {

/// A handler's allocator; std::allocator means that the handler has no wish.
template <class Allocator>
Allocator const& own_or_recycling(Allocator const& allocator) {
    return allocator;
}
template <class T>
boost::asio::recycling_allocator<void> own_or_recycling(std::allocator<T> const&) {
    return {};
}

} // namespace tornado::detail
