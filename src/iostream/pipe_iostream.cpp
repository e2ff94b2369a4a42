// SPDX-License-Identifier: BSL-1.0
// PipeIOStream: the stream of a descriptor.
#include "transport/pipe.hpp"

#include "tornado/ioloop.hpp"
#include "tornado/iostream.hpp"

#include "iostream/stream_core.hpp"

namespace tornado {

PipeIOStream::PipeIOStream(int fd, StreamOptions const& options)
    : PipeIOStream(IOLoop::current().get_executor(), fd, options) {}

PipeIOStream::PipeIOStream(asio::any_io_executor executor, int fd, StreamOptions const& options)
    : BaseIOStream(std::make_shared<detail::StreamCore>(
          std::make_unique<detail::PipeTransport>(std::move(executor), fd), options)) {}

PipeIOStream::~PipeIOStream() = default;

int PipeIOStream::native_handle() const noexcept {
    return core().transport().native_handle();
}

int PipeIOStream::release(std::string* unread) {
    return core().release(unread);
}

} // namespace tornado
