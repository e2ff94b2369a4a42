// SPDX-License-Identifier: BSL-1.0
// When a read is satisfied: by count, by delimiter, by regular expression, by the end.
#include "bytes/read_request.hpp"

#include <boost/regex.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <iterator>
#include <stdexcept>
#include <utility>
#include <vector>

namespace tornado::detail {

struct Expression {
    std::string text;
    boost::regex compiled;
    bool looks_behind = false; // then Boost.Regex can overlook that a match has begun
};

namespace {

using What = ReadRequest::Answer::What;

// What a read may spend on its expression, in steps of one to ten nanoseconds: 0.2 s at
// most, and a slow scan of each byte. Boost's own bound is per call and grows with the square of
// the input.
constexpr std::int64_t free_steps = 1 << 24;
constexpr std::int64_t steps_per_byte = 64;

// A byte as the matcher sees it. For a char, Boost.Regex ends lines at \r and \f too, so that
// `.+\n` would not match "a\r\n"; found by argument-dependent lookup, these make it Python's \n
// alone.
struct Byte {
    char value;
    operator char() const { return value; }
};
bool is_separator(Byte byte) {
    return byte.value == '\n';
}
bool can_start(Byte byte, unsigned char const* map, unsigned char mask) {
    return (map[static_cast<unsigned char>(byte.value)] & mask) != 0;
}

// A position in the buffer that counts the comparisons made with it: the matcher makes at least one
// for each byte or alternative that it tries.
class Cursor {
public:
    using iterator_category = std::bidirectional_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = char const*;
    using reference = Byte;

    Cursor() = default;
    Cursor(char const* at, std::int64_t* steps_left) : at_(at), steps_left_(steps_left) {}

    char const* get() const { return at_; }

    Byte operator*() const { return {*at_}; }
    Cursor& operator++() {
        ++at_;
        return *this;
    }
    Cursor& operator--() {
        --at_;
        return *this;
    }
    Cursor operator++(int) { return {at_++, steps_left_}; }
    Cursor operator--(int) { return {at_--, steps_left_}; }
    bool operator==(Cursor const& other) const {
        if (--*steps_left_ == 0)
            throw std::runtime_error("the regular expression takes too many steps");
        return at_ == other.at_;
    }

private:
    char const* at_ = nullptr;
    std::int64_t* steps_left_ = nullptr;
};

using Match = boost::match_results<Cursor>;

constexpr std::size_t max_expressions = 8;

// Outlives the cache: streams that are destroyed while their thread ends ask it first.
thread_local bool expression_cache_is_gone = false;

struct Cache {
    std::vector<std::shared_ptr<Expression const>> expressions; // the latest used first
    Match match;                                                // for its memory

    ~Cache() { expression_cache_is_gone = true; }
};

Cache* cache() {
    if (expression_cache_is_gone)
        return nullptr;
    thread_local Cache instance;
    return &instance;
}

bool has_continuation(std::string_view text) {
    for (auto i = text.find('\\'); i < text.size(); i = text.find('\\', i + 2))
        if (text.substr(i + 1, 1) == "G")
            return true;
    return false;
}

std::shared_ptr<Expression const> compile(std::string_view text) {
    auto const fail = [&](std::string const& why) {
        throw std::invalid_argument("read_until_regex: \"" + std::string(text) + "\": " + why);
    };
    if (has_continuation(text))
        fail("\\G has no meaning in a stream; leave it out");
    auto expression = std::make_shared<Expression>();
    expression->text = text;
    expression->looks_behind = text.find("(?<=") != text.npos || text.find("(?<!") != text.npos;
    try {
        using namespace boost::regex_constants;
        // From the copy: the parser looks at the byte behind some malformed sets, here a NUL.
        expression->compiled.assign(expression->text, perl | no_mod_s | no_mod_m);
    } catch (std::runtime_error const& e) {
        fail(e.what());
    }
    return expression;
}

std::shared_ptr<Expression const> compiled(std::string_view text) {
    auto* const c = cache();
    if (!c)
        return compile(text);
    auto& known = c->expressions;
    auto found =
        std::find_if(known.begin(), known.end(), [&](auto const& e) { return e->text == text; });
    if (found == known.end()) {
        auto fresh = compile(text);
        if (known.size() < max_expressions)
            known.emplace_back();
        found = std::prev(known.end());
        *found = std::move(fresh);
    }
    std::rotate(known.begin(), found, std::next(found));
    return known.front();
}

} // namespace

ReadRequest ReadRequest::until_many(std::string_view delimiter, std::size_t max_bytes) {
    if (delimiter.empty())
        throw std::invalid_argument("read_until: the delimiter is empty; name at least one byte");
    ReadRequest request(Kind::delimiter, max_bytes);
    if (delimiter.size() <= request.delimiter_.size()) {
        request.delimiter_size_ = static_cast<std::uint8_t>(delimiter.size());
        delimiter.copy(request.delimiter_.data(), delimiter.size());
    } else {
        auto text = std::make_shared<Expression>();
        text->text = delimiter;
        request.expression_ = std::move(text);
    }
    return request;
}

ReadRequest ReadRequest::until_regex(std::string_view expression, std::size_t max_bytes) {
    ReadRequest request(Kind::regex, max_bytes);
    request.expression_ = compiled(expression);
    return request;
}

ReadRequest ReadRequest::until_close() {
    return ReadRequest(Kind::close);
}

ReadRequest::Answer ReadRequest::examine_at_end(std::string_view buffered) {
    if (kind_ == Kind::close)
        return {What::ready, buffered.size()};
    return examine(buffered);
}

ReadRequest::Answer ReadRequest::examine_delimiter(std::string_view buffered) {
    auto const within = buffered.substr(0, limit_);
    auto const wanted = delimiter();
    auto const at = within.find(wanted, scanned_);
    if (at != within.npos)
        return {What::ready, at + wanted.size()};
    if (buffered.size() > limit_)
        return {What::unsatisfiable};
    if (buffered.size() >= wanted.size())
        scanned_ = buffered.size() - wanted.size() + 1;
    return {What::more};
}

std::string_view ReadRequest::delimiter() const noexcept {
    if (expression_)
        return expression_->text;
    return {delimiter_.data(), delimiter_size_};
}

ReadRequest::Answer ReadRequest::examine_regex(std::string_view buffered) {
    if (buffered.empty())
        return {What::more};

    auto const size = static_cast<std::int64_t>(buffered.size());
    auto const allowed = free_steps + steps_per_byte * size - steps_;
    auto steps_left = allowed;
    Cursor const begin(buffered.data(), &steps_left);
    Cursor const end(buffered.data() + buffered.size(), &steps_left);
    Cursor from(buffered.data() + scanned_, &steps_left);

    Match local;
    auto* const c = cache();
    auto& match = c ? c->match : local;
    auto const& expression = expression_->compiled;
    auto const search = [&](Cursor const& first, boost::match_flag_type flags) {
        return regex_search(first, end, match, expression, flags, begin);
    };
    bool found = false;
    try {
        found =
            search(from, expression_->looks_behind ? boost::match_default : boost::match_partial);
        if (found && !match[0].matched) {
            // More bytes could complete a match that begins here; one behind it may be complete.
            from = match[0].first;
            scanned_ = static_cast<std::size_t>(from.get() - buffered.data());
            found = from != end && search(++from, boost::match_default);
        } else if (!found && !expression_->looks_behind) {
            scanned_ = buffered.size();
        }
    } catch (std::exception const&) {
        return {What::unsatisfiable};
    }
    steps_ += allowed - steps_left;

    auto const length =
        found ? static_cast<std::size_t>(match[0].second.get() - buffered.data()) : buffered.size();
    if (length > limit_)
        return {What::unsatisfiable};
    return found ? Answer{What::ready, length} : Answer{What::more};
}

} // namespace tornado::detail
