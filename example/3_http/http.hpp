// SPDX-License-Identifier: BSL-1.0
// Beast's words for HTTP: fields, statuses, methods.
#pragma once

#include <boost/beast/http/field.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/verb.hpp>

namespace demo {

namespace http = boost::beast::http;

} // namespace demo
