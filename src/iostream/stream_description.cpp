// SPDX-License-Identifier: BSL-1.0
// What a stream is called, and what it says of itself in IOLoop::describe().
#include "tornado/proxy_header.hpp"

#include "iostream/stream_core.hpp"
#include "netutil/connection_name.hpp"
#include "seconds.hpp"
#include "transport/stream_socket.hpp"

#include <initializer_list>

namespace tornado::detail {

namespace {

std::string amount(std::uint64_t n, char const* of_what) {
    return n == 0 ? std::string() : std::to_string(n) + ' ' + of_what;
}

} // namespace

Address StreamCore::peer() const {
    if (auto const header = proxy_header(); header && header->source != Address())
        return header->source;
    return remote_endpoint(transport_->native_handle());
}

std::string StreamCore::name() const {
    return connection_name(id_, peer());
}

void StreamCore::describe_to(std::string& lines) const {
    if (freed_ && !in_flight())
        return;
    lines += name() + ": descriptor " + std::to_string(transport_->native_handle()) + ", " +
             in_seconds(clock::now() - born_) + " old";
    auto const* const state = state_ == State::closed            ? "closed"
                              : state_ == State::flushing        ? "closing after its writes"
                              : connected_ == Connected::no      ? "not connected"
                              : connected_ == Connected::pending ? transport_->stage()
                              : ended_                           ? "the peer has ended"
                              : !has_operations() && !unsent()   ? "idle"
                                                                 : "";
    for (std::string const& part :
         {std::string(state), in_.describe(), amount(out_.size(), "bytes to send"),
          amount(out_.size_of_files(), "bytes of files to send"),
          std::string(held_ ? "some bytes in TLS records to send" : ""),
          amount(in_.unread(), "bytes unread")})
        if (!part.empty())
            lines += ", " + part;
    lines += '\n';
}

} // namespace tornado::detail
