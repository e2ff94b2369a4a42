// SPDX-License-Identifier: BSL-1.0
// The parts of an https URL (RFC 3986), as a connection and a request need them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

struct Url {
    std::string host; // without brackets
    std::uint16_t port = 443;
    std::string authority;    // for the field Host
    std::string target = "/"; // path and query

    /// Host and port, for messages.
    std::string server() const {
        return (host.find(':') == host.npos ? host : '[' + host + ']') + ':' + std::to_string(port);
    }
};

/// Throws std::invalid_argument that quotes the URL and says what is wrong.
Url parse_url(std::string_view text);
