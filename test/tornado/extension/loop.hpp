// SPDX-License-Identifier: BSL-1.0
// One io_context with an IOLoop, which asyncio's event loop runs in the place of its selector.
#pragma once

#include "tornado/ioloop.hpp"

#include "python.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>
#include <optional>

namespace beneath {

class Loop {
public:
    Loop();
    ~Loop() { close(); }

    /// Runs what is ready, or waits for it: for `timeout` seconds, or without end. Returns
    /// {descriptor: events} of those that watch() named.
    py::dict select(std::optional<double> timeout);
    void watch(int fd, unsigned events);
    void close();

    /// Throws std::runtime_error after close().
    IOLoop& ioloop();
    asio::any_io_executor executor() { return ioloop().get_executor(); }
    bool closed() const noexcept { return context_ == nullptr; }

private:
    using Work = asio::executor_work_guard<asio::io_context::executor_type>;

    std::unique_ptr<asio::io_context> context_;
    std::optional<Work> work_;
    std::unique_ptr<IOLoop> loop_;
    py::dict ready_;
    bool again_ = false; // a descriptor that is in `ready_` was reported a second time
};

} // namespace beneath
