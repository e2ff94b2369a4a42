// SPDX-License-Identifier: BSL-1.0
// From bytes to requests, without I/O: Beast's parser between the checks that it leaves out.
#pragma once

#include "chunked_body.hpp"
#include "head_scanner.hpp"
#include "header_rules.hpp"
#include "request.hpp"

#include <boost/beast/http/basic_parser.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace demo {

/// Shown what a connection has received; says what has become of the current request. It parses
/// where the bytes are, and keeps none of them.
class RequestReader {
public:
    struct Limits : HeadScanner::Limits {
        std::size_t body = 1024 * 1024;
    };

    /// What advance() came upon.
    enum class Event {
        none,     ///< more is needed
        head,     ///< once for each request: all but its body is known; go on
        complete, ///< the request is all there: answer it, and call next()
        failed,   ///< refuse with failure(), and close: where the next request begins is unknown
    };

    explicit RequestReader(Limits const& limits) noexcept;

    /// `bytes`: all that was received and not taken, to be valid until advance() was last called.
    void show(std::string_view bytes) noexcept {
        input_ = bytes;
        taken_ = 0;
    }
    Event advance();
    /// How many of those bytes are done with. The next ones shown begin behind them.
    std::size_t taken() const noexcept { return taken_; }
    /// Makes way for the next request.
    void next() noexcept;

    Request& request() noexcept { return request_; }
    http::status failure() const noexcept { return failure_; }
    /// Between requests, with nothing of the next one here.
    bool idle() const noexcept { return stage_ == Stage::head && scanned_ == 0; }
    /// The head is known and the body is not all there.
    bool in_body() const noexcept { return stage_ == Stage::body; }

private:
    enum class Stage { head, body, complete, failed };

    // Beast's parser, for a head; it hands over views, and what is wanted of them is kept.
    class Parser final : public http::basic_parser<true> {
    public:
        explicit Parser(RequestReader& reader) noexcept : reader_(reader) {}

    private:
        using error_code = boost::beast::error_code;
        using view = boost::beast::string_view;

        void on_request_impl(http::verb, view, view, int, error_code&) override;
        void on_response_impl(int, view, int, error_code&) override {}
        void on_field_impl(http::field, view, view, error_code&) override;
        void on_header_impl(error_code&) override {}
        void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
        std::size_t on_body_impl(view, error_code&) override { return 0; }
        void on_chunk_header_impl(std::uint64_t, view, error_code&) override {}
        std::size_t on_chunk_body_impl(std::uint64_t, view, error_code&) override { return 0; }
        void on_finish_impl(error_code&) override {}

        RequestReader& reader_;
    };

    Event read_head();
    Event read_body();
    Event fail(http::status status) noexcept;
    static bool settle_version(std::string_view& head, std::string& copy);

    Limits limits_;
    std::string_view input_;
    std::size_t taken_ = 0;   // bytes of input_ that are done with
    std::size_t scanned_ = 0; // bytes behind them that the scanner has seen
    Stage stage_ = Stage::head;
    HeadScanner scanner_;
    HeaderRules rules_;
    std::uint64_t missing_ = 0;          // of a body whose length is known
    std::optional<ChunkedBody> chunked_; // a body whose length is not
    Request request_;
    http::status failure_ = http::status::bad_request;
};

} // namespace demo
