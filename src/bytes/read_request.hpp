// SPDX-License-Identifier: BSL-1.0
// What a pending read waits for, and whether the bytes received so far satisfy it. No I/O.
#pragma once

#include "bytes/expression.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

namespace tornado::detail {

inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

/// One read's condition. It remembers how far it has looked, so that a message which arrives in
/// many pieces is not scanned again from its start (T070).
///
/// Most regular expressions take each byte once, in whatever pieces it comes (Automaton). One with
/// a back reference, an atomic group or a look of no fixed length is scanned by going back, and
/// with each piece again from where a match could still begin. What that may cost is bounded, to
/// some 0.3 s of processor time and as much again for each MiB; beyond, the read is too costly.
class ReadRequest {
public:
    ReadRequest() = default; ///< waits for nothing; examine() must not be called

    /// Up to and including `delimiter`, any bytes (up to 6 without an allocation). Throws
    /// std::invalid_argument when it is empty.
    static ReadRequest until(std::string_view delimiter, std::size_t max_bytes = no_limit) {
        if (delimiter.size() != 1)
            return until_many(delimiter, max_bytes);
        ReadRequest request(Kind::byte, max_bytes);
        request.delimiter_[0] = delimiter.front();
        return request;
    }
    /// Up to the end of the first match (T084), delivered when it is there, even if more bytes
    /// could extend it. Takes what compiled() takes, and throws what that throws.
    static ReadRequest until_regex(std::string_view expression, std::size_t max_bytes = no_limit);
    /// `n` bytes; with `partial` as many of them as have come, but at least one (T078). Ready at
    /// once when `n` is 0 (T061).
    static ReadRequest bytes(std::size_t n, bool partial) {
        return ReadRequest(partial ? Kind::partial_bytes : Kind::bytes, n);
    }
    static ReadRequest until_close();

    /// `reads until a delimiter`, and so on.
    std::string describe() const;

    struct Answer {
        enum class What {
            more,          ///< receive more, then examine again
            ready,         ///< complete the read with the first `bytes` bytes
            unsatisfiable, ///< close the stream: no match within max_bytes (T080, T082)
            too_costly,    ///< close the stream: the expression would take too long on these bytes
        } what;
        std::size_t bytes = 0;
    };

    /// `buffered` is everything received so far; between two calls on one request it only grows at
    /// its end. A match that ends beyond max_bytes counts as none.
    Answer examine(std::string_view buffered);
    /// The same when nothing more will come: until_close takes all (T069, T102). Nothing that
    /// examine() was given is left unscanned, so the others answer as before (T071).
    Answer examine_at_end(std::string_view buffered);

private:
    enum class Kind : unsigned char { none, byte, delimiter, regex, bytes, partial_bytes, close };

    explicit ReadRequest(Kind kind, std::size_t limit = no_limit) : limit_(limit), kind_(kind) {}

    static ReadRequest until_many(std::string_view delimiter, std::size_t max_bytes);

    std::string_view delimiter() const noexcept;
    Answer examine_byte(std::string_view buffered) noexcept;
    Answer examine_delimiter(std::string_view buffered);
    Answer examine_regex(std::string_view buffered);

    std::size_t limit_ = 0; // max_bytes, or the bytes to read
    SearchProgress progress_;
    std::array<char, 6> delimiter_; // a longer one is expression_'s text
    std::uint8_t delimiter_size_ = 0;
    Kind kind_ = Kind::none;
    std::shared_ptr<Expression const> expression_;
};

inline ReadRequest::Answer ReadRequest::examine(std::string_view buffered) {
    switch (kind_) {
    case Kind::byte:
        return examine_byte(buffered);
    case Kind::delimiter:
        return examine_delimiter(buffered);
    case Kind::regex:
        return examine_regex(buffered);
    case Kind::bytes:
        if (buffered.size() >= limit_)
            return {Answer::What::ready, limit_};
        break;
    case Kind::partial_bytes:
        if (!buffered.empty() || limit_ == 0)
            return {Answer::What::ready, std::min(limit_, buffered.size())};
        break;
    case Kind::close:
    case Kind::none:
        break;
    }
    return {Answer::What::more};
}

// What nearly all line protocols wait for: one memchr.
inline ReadRequest::Answer ReadRequest::examine_byte(std::string_view buffered) noexcept {
    auto const within = std::min(buffered.size(), limit_);
    auto const* const at = std::char_traits<char>::find(buffered.data() + progress_.scanned,
                                                        within - progress_.scanned, delimiter_[0]);
    if (at)
        return {Answer::What::ready, static_cast<std::size_t>(at + 1 - buffered.data())};
    progress_.scanned = within;
    return {buffered.size() > limit_ ? Answer::What::unsatisfiable : Answer::What::more};
}

} // namespace tornado::detail
