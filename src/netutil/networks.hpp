// SPDX-License-Identifier: BSL-1.0
// A list of networks, and whether an address lies in one. No I/O.
#pragma once

#include "tornado/address.hpp"

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <string>
#include <vector>

namespace tornado::detail {

class Networks {
public:
    /// Each an IP address, one with the length of a prefix ("10.0.0.0/8", "fd00::/8"), or "unix"
    /// for every Unix socket. Throws std::invalid_argument that names what is none of these.
    explicit Networks(std::vector<std::string> const& networks);

    /// An IPv4 address that was mapped to IPv6 is looked for as what it is.
    bool contains(Address const& address) const;
    bool empty() const noexcept { return v4_.empty() && v6_.empty() && !unix_; }

private:
    std::vector<asio::ip::network_v4> v4_;
    std::vector<asio::ip::network_v6> v6_;
    bool unix_ = false;
};

} // namespace tornado::detail
