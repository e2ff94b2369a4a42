// SPDX-License-Identifier: BSL-1.0
// TLS contexts from what Tornado takes for ssl_options.
#pragma once

#include "python.hpp"

#include <boost/asio/ssl/context.hpp>

#include <memory>

namespace beneath {

/// Of a dict, by this library's ssl_options_to_context; of an ssl.SSLContext, that very context.
std::shared_ptr<asio::ssl::context> tls_context(py::object const& options, bool server_side);

} // namespace beneath
