// SPDX-License-Identifier: BSL-1.0
// One request, as the reader hands it to the server.
#pragma once

#include "conditional.hpp"
#include "http.hpp"

#include <string>

namespace demo {

/// Kept by a connection and filled again and again, so that its strings keep their memory.
struct Request {
    http::verb method = http::verb::unknown;
    std::string method_name;
    std::string target; ///< as sent
    std::string path;   ///< decoded, without the query
    unsigned version = 11;
    bool keep_alive = false;
    bool has_length = false; ///< it says how long its body is, be it 0
    bool expects_continue = false;
    Conditions conditions;
    std::string body;

    void clear() noexcept {
        method = http::verb::unknown;
        method_name.clear();
        target.clear();
        path.clear();
        version = 11;
        keep_alive = has_length = expects_continue = false;
        conditions.clear();
        body.clear();
    }
};

} // namespace demo
