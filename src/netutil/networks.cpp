// SPDX-License-Identifier: BSL-1.0
#include "netutil/networks.hpp"

#include "tornado/error.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <string_view>

namespace tornado::detail {
namespace {

/// The number after the slash, or `longest` where there is none; -1 for anything else.
int prefix_of(std::string_view text, int longest) {
    auto const slash = text.find('/');
    if (slash == text.npos)
        return longest;
    int prefix = -1;
    auto const* const end = text.data() + text.size();
    auto const [read, error] = std::from_chars(text.data() + slash + 1, end, prefix);
    return error == std::errc() && read == end && prefix <= longest ? prefix : -1;
}

} // namespace

Networks::Networks(std::vector<std::string> const& networks) {
    for (auto const& text : networks) {
        if (text == "unix") {
            unix_ = true;
            continue;
        }
        error_code no_ip;
        auto const ip = asio::ip::make_address(text.substr(0, text.find('/')), no_ip);
        auto const prefix = no_ip ? -1 : prefix_of(text, ip.is_v4() ? 32 : 128);
        if (prefix < 0)
            throw std::invalid_argument("'" + text +
                                        "' is no network: it is an IP address, one with a prefix "
                                        "as in \"10.0.0.0/8\", or \"unix\"");
        if (ip.is_v4())
            v4_.emplace_back(ip.to_v4(), static_cast<unsigned short>(prefix));
        else
            v6_.emplace_back(ip.to_v6(), static_cast<unsigned short>(prefix));
    }
}

bool Networks::contains(Address const& address) const {
    if (address.is_unix())
        return unix_;
    if (address.family() != AF_INET && address.family() != AF_INET6)
        return false;
    auto const is_in = [](auto const& ip) {
        // of one and the same network
        return [&ip](auto const& network) {
            using Network = std::decay_t<decltype(network)>;
            return Network(ip, network.prefix_length()).network() == network.network();
        };
    };
    auto const ip = address.tcp_endpoint().address();
    if (ip.is_v4())
        return std::ranges::any_of(v4_, is_in(ip.to_v4()));
    if (ip.to_v6().is_v4_mapped())
        return std::ranges::any_of(
            v4_, is_in(asio::ip::make_address_v4(asio::ip::v4_mapped, ip.to_v6())));
    // A scope is where the address was met, and no part of it.
    return std::ranges::any_of(v6_, is_in(asio::ip::address_v6(ip.to_v6().to_bytes())));
}

} // namespace tornado::detail
