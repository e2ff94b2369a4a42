// SPDX-License-Identifier: BSL-1.0
// A regular expression, compiled, and the search for it in bytes that come in pieces.
#pragma once

#include "bytes/automaton.hpp"

#include <boost/regex_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tornado::detail {

/// Does not change once it is compiled, so reads and threads may share it.
struct Expression {
    std::string text;
    std::optional<Automaton> automaton;
    std::shared_ptr<boost::regex const> regex; // of one that has no automaton
};

/// How far one search has come.
struct SearchProgress : Automaton::Progress {
    std::uint32_t work = 0; // what going back has cost, in steps_a_unit
};

/// One of the last few that this thread asked for, or a new one. Perl's syntax, read as Python
/// reads it: `.` matches all but a newline, `^` the first byte and `$` the end, unless (?s) or (?m)
/// say otherwise. Throws std::invalid_argument that quotes the text when it is malformed or has
/// `\G`, which means nothing in a stream.
std::shared_ptr<Expression const> compiled(std::string_view text);

/// Where the first match in `buffered` ends, npos if there is none, nothing if it is too costly to
/// tell. Between two calls on one progress `buffered` only grows at its end, and after a match
/// there is none.
std::optional<std::size_t> search(Expression const& expression, std::string_view buffered,
                                  SearchProgress& progress);

} // namespace tornado::detail
