// SPDX-License-Identifier: BSL-1.0
// Taken over first, passed by systemd otherwise: never both.
#include "inherited.hpp"

#include <stdexcept>
#include <utility>

namespace example {

Inherited::Inherited(tornado::IOLoop& loop, std::string path) : path_(std::move(path)) {
    if (!path_.empty())
        takeover_ = tornado::take_over(loop, path_);
}

std::vector<tornado::ListenSocket> Inherited::sockets(std::string_view name) {
    return takeover_ ? takeover_->sockets(name) : tornado::systemd_sockets(name);
}

void Inherited::check_all_taken() const {
    if (auto const left = tornado::systemd_sockets(); !left.empty())
        throw std::invalid_argument(
            "systemd passes a socket on " + left.front().local_address().to_string() +
            " whose name no server here has: set FileDescriptorName= in its unit");
}

} // namespace example
