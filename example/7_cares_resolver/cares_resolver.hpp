// SPDX-License-Identifier: BSL-1.0
// A Resolver that asks the name servers itself, by c-ares and on the loop's own thread.
#pragma once

#include "tornado/ioloop.hpp"
#include "tornado/netutil.hpp"

#include <ares.h>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

struct CaresSettings {
    std::string servers;                      // IP[:PORT],... in place of the system's
    std::chrono::milliseconds try_time{2000}; // of the first try; the others have more
    std::size_t tries = 3;                    // of each server
};

/// Ends its look-ups with `operation_aborted` when it is closed or destroyed.
class CaresResolver : public tornado::Resolver {
public:
    /// `loop` must outlive the resolver. Throws std::runtime_error that names the servers, when
    /// c-ares does not like them.
    explicit CaresResolver(tornado::IOLoop& loop, CaresSettings const& settings = {});
    ~CaresResolver() override;

    void close() override;

protected:
    void look_up(std::string host, std::uint16_t port, int family, Completion completion) override;

private:
    struct Library {
        Library();
        Library(Library const&) = delete;
        Library& operator=(Library const&) = delete;
        ~Library() { ares_library_cleanup(); }
    };
    struct Destroy {
        void operator()(ares_channel channel) const noexcept { ares_destroy(channel); }
    };

    void watch(int fd, unsigned events);
    void process(int readable, int writable);
    void set_timer();

    tornado::IOLoop& loop_;
    Library library_;
    tornado::Timeout timer_;
    std::unique_ptr<ares_channeldata, Destroy> channel_; // null when closed
};
