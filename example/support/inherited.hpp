// SPDX-License-Identifier: BSL-1.0
// Listening sockets that were there before this process.
#pragma once

#include "tornado/handover.hpp"
#include "tornado/ioloop.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace example {

/// The sockets of the process that this one takes over from, or else those that systemd passes.
class Inherited {
public:
    /// `path`: where a process waits to be taken over, and where this one will; empty for neither.
    Inherited(tornado::IOLoop& loop, std::string path);

    /// Those of one name (`FileDescriptorName=` of the socket unit); empty where there are none.
    std::vector<tornado::ListenSocket> sockets(std::string_view name);
    /// Throws std::invalid_argument if systemd passed any that nobody has asked for.
    void check_all_taken() const;

    std::string const& path() const noexcept { return path_; }
    std::optional<tornado::Takeover>& takeover() noexcept { return takeover_; }
    /// Whether the next process has taken over from this one.
    bool handed_over() const noexcept { return handed_over_; }
    void set_handed_over() noexcept { handed_over_ = true; }

private:
    std::string path_;
    std::optional<tornado::Takeover> takeover_;
    bool handed_over_ = false;
};

} // namespace example
