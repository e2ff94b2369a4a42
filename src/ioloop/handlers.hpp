// SPDX-License-Identifier: BSL-1.0
// A loop's descriptor handlers: an epoll set of their own, whose one descriptor Asio watches. So
// descriptors stay the caller's in every way (blocking or not, in Asio's hands as well or not), and
// one call tells all events.
#pragma once

#include "ioloop/runner.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

namespace tornado::detail {

class FdHandlers : public std::enable_shared_from_this<FdHandlers> {
public:
    using Handler = std::function<void(int, unsigned)>;

    FdHandlers(asio::io_context& context, std::shared_ptr<CallbackRunner> runner);

    void add(int fd, Handler handler, unsigned events);
    void update(int fd, unsigned events);
    void remove(int fd);
    /// Drops all; what is added later is dropped too.
    void close(bool all_fds);

private:
    struct Entry {
        std::uint32_t
            generation; // tells an event of the former user of a number from one of the present
        unsigned events;
        std::shared_ptr<Handler> handler;
    };

    bool control(int operation, int fd, Entry const& entry);
    void wait();
    void dispatch();

    asio::io_context& context_;
    std::shared_ptr<CallbackRunner> runner_;
    std::optional<asio::posix::stream_descriptor> epoll_; // made for the first handler
    bool closed_ = false;
    bool waiting_ = false;
    std::uint32_t last_generation_ = 0;
    std::unordered_map<int, Entry> entries_;
};

} // namespace tornado::detail
