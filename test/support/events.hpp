// SPDX-License-Identifier: BSL-1.0
// The order in which things happened, as one line of text that a test compares.
#pragma once

#include "tornado/error.hpp"

#include <boost/asio/error.hpp>

#include <concepts>
#include <memory>
#include <string>
#include <utility>

namespace tornado::test {

/// One word for a code.
inline std::string word(error_code ec) {
    if (!ec)
        return "ok";
    if (ec == asio::error::eof)
        return "eof";
    if (ec == asio::error::operation_aborted)
        return "aborted";
    if (ec == asio::error::connection_reset)
        return "reset";
    if (ec == asio::error::connection_refused)
        return "refused";
    if (ec == asio::error::broken_pipe)
        return "broken_pipe";
    if (ec == asio::error::timed_out)
        return "timed_out";
    if (ec == error::stream_closed)
        return "closed";
    if (ec == error::unsatisfiable_read)
        return "unsatisfiable";
    if (ec == error::expression_too_costly)
        return "too_costly";
    if (ec == error::buffer_full)
        return "full";
    if (ec == error::already_reading)
        return "already";
    if (ec == error::file_shrunk)
        return "shrunk";
    if (ec == error::not_idle)
        return "not_idle";
    if (ec == error::wrong_direction)
        return "wrong";
    if (ec == error::timeout)
        return "timeout";
    return ec.message();
}

/// Its handlers may be called when the test's scope is gone.
class Events {
public:
    void add(std::string const& event) {
        if (!text_->empty())
            *text_ += ", ";
        *text_ += event;
    }

    /// A handler of any operation: adds the name, and the data or the error; beside an error data
    /// only if they are not what an operation that failed has to tell, nothing.
    auto on(std::string name) const {
        return [events = *this, name = std::move(name)]<class... Result>(
                   error_code ec, Result const&... result) mutable {
            if (ec)
                events.add(name + "!" + (word(ec) + ... + beside(result)));
            else if constexpr (sizeof...(Result) == 0)
                events.add(name);
            else
                (events.add(name + ":" + text(result)), ...);
        };
    }

    /// A callback without arguments, such as the close callback.
    auto at(std::string name) const {
        return [events = *this, name = std::move(name)]() mutable { events.add(name); };
    }

    /// What has happened since the last call.
    std::string take() { return std::exchange(*text_, {}); }

private:
    template <class T>
    static std::string beside(T const& result) {
        return result == T() ? "" : ":" + text(result);
    }
    static std::string const& text(std::string const& data) { return data; }
    static std::string text(std::integral auto n) { return std::to_string(n); }
    template <class T>
    static std::string text(std::shared_ptr<T> const& stream) {
        return stream ? "stream" : "null";
    }

    std::shared_ptr<std::string> text_ = std::make_shared<std::string>();
};

} // namespace tornado::test
