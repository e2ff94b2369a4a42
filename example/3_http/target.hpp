// SPDX-License-Identifier: BSL-1.0
// What a request asks for: the request-target as a path, and a path as a file's name.
#pragma once

#include "http.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace demo {

/// Puts the decoded path of a request-target into `path`; `*` stays as it is, and CONNECT's
/// host:port is an empty path. False if the target is malformed, or of a form that the method does
/// not take. RFC 9112, 3.2.
bool read_target(http::verb method, std::string_view target, std::string& path);

/// The file that a decoded path names, relative to the root: `/` is its index.html. Nothing for
/// what can never be served: names that begin with a dot, and so `..` too, and NUL.
std::optional<std::string> file_name(std::string_view path);

/// A Host field's value, RFC 9110, 7.2: a name, or an address, with or without a port; or empty.
bool is_host(std::string_view value);

} // namespace demo
