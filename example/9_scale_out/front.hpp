// SPDX-License-Identifier: BSL-1.0
// What a worker answers over HTTP: the page, its health, its counters, and the way to a WebSocket.
#pragma once

#include "tornado/iostream.hpp"
#include "tornado/tcpserver.hpp"

#include "hub.hpp"
#include "visitor.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace scale {

/// A folder's files, read once.
class Pages {
public:
    /// Throws std::runtime_error, which names the file, if one of them cannot be read.
    explicit Pages(std::string const& folder);

    struct Page {
        std::string type;
        std::string body;
    };
    /// Null if there is none at this path.
    Page const* find(std::string_view path) const;

private:
    std::map<std::string, Page, std::less<>> pages_;
};

struct Front {
    Pages pages;
    std::shared_ptr<Lounge> lounge;
    std::function<std::string()> stats;                             // a JSON object
    std::chrono::milliseconds head_time = std::chrono::seconds(10); // for a request, or between two
};

/// The life of one connection.
asio::awaitable<void> serve(std::shared_ptr<Front const> front, tornado::IOStreamPtr stream);

} // namespace scale
