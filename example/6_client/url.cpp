// SPDX-License-Identifier: BSL-1.0
// What a request must not contain is refused here, and not escaped: a URL is a URL.
#include "url.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

Url parse_url(std::string_view text) {
    auto const fail = [text](std::string const& why) {
        throw std::invalid_argument("'" + std::string(text) + "' " + why);
    };
    constexpr std::string_view scheme = "https://";
    if (!text.starts_with(scheme))
        fail("does not begin with https://");
    if (std::ranges::any_of(text, [](char c) { return c <= ' ' || c == '\x7f'; }))
        fail("has characters that a URL must write as %XX");

    Url url;
    auto rest = text.substr(scheme.size());
    rest = rest.substr(0, rest.find('#'));
    auto const end = std::min(rest.find_first_of("/?"), rest.size());
    url.authority = rest.substr(0, end);
    if (auto const target = rest.substr(end); target.starts_with('/'))
        url.target = target;
    else
        url.target += target;

    std::string_view host = url.authority;
    if (host.find('@') != host.npos)
        fail("has a user name, which is not supported");
    auto const bracket = host.starts_with('[') ? host.find(']') : 0;
    if (bracket == host.npos)
        fail("has no ] after its IPv6 address");
    if (auto const colon = host.find(':', bracket); colon != host.npos) {
        auto const port = host.substr(colon + 1);
        auto const read = std::from_chars(port.data(), port.data() + port.size(), url.port);
        if (read.ec != std::errc() || read.ptr != port.data() + port.size() || url.port == 0)
            fail("has no port after its colon; give 1 to 65535");
        host = host.substr(0, colon);
    }
    if (bracket != 0) {
        if (bracket + 1 != host.size())
            fail("has something between its IPv6 address and its port");
        host = host.substr(1, bracket - 1);
    }
    if (host.empty())
        fail("names no host");
    url.host = host;
    return url;
}
