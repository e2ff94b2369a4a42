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
#include <string>
#include <unordered_map>

namespace tornado::detail {

/// The kernel knows a registration by its descriptor's number and open file. When a descriptor is
/// closed whose file lives on, as a duplicate or in a forked child, the registration stays, and can
/// no more be named: it ends only with the whole set. So a set that tells of such a one is given up
/// for a new one.
class FdHandlers : public std::enable_shared_from_this<FdHandlers> {
public:
    using Handler = std::function<void(int, unsigned)>;

    FdHandlers(asio::io_context& context, std::shared_ptr<CallbackRunner> runner);

    void add(int fd, Handler handler, unsigned events);
    void update(int fd, unsigned events);
    void remove(int fd);
    /// Drops all; what is added later is dropped too.
    void close(bool all_fds);

    std::size_t size() const noexcept { return entries_.size(); }
    /// Appends a line for each descriptor.
    void describe(std::string& lines) const;

    /// Before fork(): from here on nothing may happen to the descriptors.
    void before_fork() { look_for_lost(); }
    /// In the child, where the set is the parent's as well. Throws system_error if there is no
    /// other to be had.
    void after_fork();

private:
    struct Entry {
        // Tells an event of the former user of a number from one of the present.
        std::uint32_t generation;
        unsigned events;
        std::shared_ptr<Handler> handler;
        bool lost = false; // its descriptor was closed: there is nothing to wait for any more
    };

    bool control(int operation, int fd, Entry const& entry);
    /// Asks the set whether the number still stands for the file that was added.
    bool still_there(int fd, Entry& entry);
    void look_for_lost();
    void use(int set);
    void give_up_set() noexcept;
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
