// SPDX-License-Identifier: BSL-1.0
// RFC 3986 and RFC 9112, as far as a server needs them.
#include "target.hpp"

#include <boost/beast/core/string.hpp>

#include <algorithm>

namespace demo {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

int hex_value(char c) {
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool is_alphanumeric(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool decode(std::string_view text, std::string& path) {
    path.clear();
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            path += text[i];
            continue;
        }
        if (text.size() - i < 3)
            return false;
        int const high = hex_value(text[i + 1]);
        int const low = hex_value(text[i + 2]);
        if (high < 0 || low < 0)
            return false;
        path += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return true;
}

// Cuts `scheme://host` off; false if there is none, or it names no host.
bool take_authority(std::string_view& target) {
    for (std::string_view const scheme : {"http://", "https://"}) {
        if (!boost::beast::iequals(target.substr(0, scheme.size()), scheme))
            continue;
        target.remove_prefix(scheme.size());
        auto const end = std::min(target.find_first_of("/?"), target.size());
        auto const host = target.substr(0, end);
        target.remove_prefix(end);
        return !host.empty() && is_host(host);
    }
    return false;
}

} // namespace

bool read_target(http::verb method, std::string_view target, std::string& path) {
    path.clear();
    if (method == http::verb::connect)
        return !target.empty() && is_host(target) && target.find(':') != target.npos;
    if (target == "*") {
        path = target;
        return method == http::verb::options;
    }
    auto const is_bad = [](char c) { return c <= ' ' || c >= 127 || c == '#'; };
    if (std::any_of(target.begin(), target.end(), is_bad))
        return false;
    if (!target.starts_with('/') && !take_authority(target))
        return false;
    auto const text = target.substr(0, target.find('?'));
    return text.empty() ? decode("/", path) : decode(text, path);
}

std::optional<std::string> file_name(std::string_view path) {
    std::string name;
    while (!path.empty()) {
        path.remove_prefix(1); // the slash
        auto const end = std::min(path.find('/'), path.size());
        auto const segment = path.substr(0, end);
        path.remove_prefix(end);
        if (segment.starts_with('.') || segment.find('\0') != segment.npos)
            return {};
        if (segment.empty() && !path.empty())
            continue;
        if (!name.empty())
            name += '/';
        name += segment.empty() ? "index.html" : segment;
    }
    return name;
}

bool is_host(std::string_view value) {
    std::string_view const allowed = value.starts_with('[') ? ":." : "-._~!$&'()*+;=%";
    auto const is_name = [&](char c) {
        return is_alphanumeric(c) || allowed.find(c) != allowed.npos;
    };
    auto end = value.find(':');
    if (value.starts_with('[')) {
        value.remove_prefix(1);
        auto const bracket = value.find(']');
        if (bracket == value.npos || bracket == 0 ||
            !std::all_of(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(bracket),
                         is_name))
            return false;
        value.remove_prefix(bracket + 1);
        end = 0;
    }
    auto const name = value.substr(0, end);
    auto const port = value.substr(name.size());
    return std::all_of(name.begin(), name.end(), is_name) &&
           (port.empty() ||
            (port.front() == ':' && std::all_of(port.begin() + 1, port.end(), is_digit)));
}

} // namespace demo
