// SPDX-License-Identifier: BSL-1.0
// Text and descriptors through a Unix socket, and whose its other end is.
#pragma once

#include "tornado/error.hpp"
#include "tornado/netutil.hpp"

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace tornado::detail {

struct Peer {
    pid_t pid = 0;
    uid_t uid = 0;
};

/// Of the process that connected, or that listens (SO_PEERCRED). Throws system_error.
Peer peer_of(int socket);
/// This process's own user, or root.
bool is_trusted(Peer const& peer) noexcept;

/// Sends all of `text`, with the descriptors beside it, without waiting: `would_block` when it does
/// not fit. The text must have a byte for each `descriptors_a_message` descriptors.
error_code send_text(int socket, std::string_view text, std::vector<int> const& descriptors = {});
constexpr std::size_t descriptors_a_message = 250; // SCM_MAX_FD is 253

/// Appends what has come, without waiting. An end of the connection is `eof`.
error_code receive_text(int socket, std::string& text, std::vector<Descriptor>& descriptors);

} // namespace tornado::detail
