// SPDX-License-Identifier: BSL-1.0
// What has an automaton is searched by that; for the rest Boost.Regex goes back, within a bound.
#include "bytes/expression.hpp"

#include <boost/regex.hpp>

#include <algorithm>
#include <exception>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace tornado::detail {
namespace {

// What a read may spend on going back, in steps of 8 to 20 ns: 0.3 s, and a slow scan of each byte.
// Boost's own bound is per call and grows with the square of the input.
constexpr std::int64_t free_steps = 1 << 24;
constexpr std::int64_t steps_per_byte = 16;
// Less than that a call costs nothing: receiving the bytes has cost more.
constexpr std::int64_t steps_a_unit = 64;

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
    auto regex = std::make_shared<boost::regex>();
    try {
        using namespace boost::regex_constants;
        // From the copy: the parser looks at the byte behind some malformed sets, here a NUL.
        regex->assign(expression->text, perl | no_mod_s | no_mod_m);
    } catch (std::runtime_error const& e) {
        fail(e.what());
    }
    if (regex->get_data().m_has_recursions) // each of its steps costs more than the one before
        fail("recursion has no bound in a stream; leave it out");
    if (auto const program = regex_program(text))
        expression->automaton = Automaton::of(*program);
    if (!expression->automaton)
        expression->regex = std::move(regex);
    return expression;
}

// Scans again from where a match could still begin.
std::optional<std::size_t> search_by_going_back(Expression const& expression,
                                                std::string_view buffered,
                                                SearchProgress& progress) {
    auto const size = static_cast<std::int64_t>(buffered.size());
    auto const allowed = free_steps + steps_per_byte * size - steps_a_unit * progress.work;
    auto steps_left = allowed;
    Cursor const begin(buffered.data(), &steps_left);
    Cursor const end(buffered.data() + buffered.size(), &steps_left);
    Cursor from(buffered.data() + progress.scanned, &steps_left);

    Match local;
    auto* const c = cache();
    auto& match = c ? c->match : local;
    auto const search = [&](Cursor const& first, boost::match_flag_type flags) {
        return regex_search(first, end, match, *expression.regex, flags, begin);
    };
    // Boost.Regex can overlook that a match has begun which looks behind, or for what must not
    // come.
    constexpr std::string_view looks[] = {"(?<=", "(?<!", "(?!", "(?("};
    bool const anew = std::any_of(std::begin(looks), std::end(looks), [&](auto look) {
        return expression.text.find(look) != std::string::npos;
    });
    bool found = false;
    try {
        found = search(from, anew ? boost::match_default : boost::match_partial);
        if (found && !match[0].matched) {
            // More bytes could complete a match that begins here; one behind it may be complete.
            from = match[0].first;
            progress.scanned = static_cast<std::size_t>(from.get() - buffered.data());
            found = from != end && search(++from, boost::match_default);
        } else if (!found && !anew) {
            progress.scanned = buffered.size();
        }
    } catch (std::exception const&) {
        return std::nullopt;
    }
    progress.work += static_cast<std::uint32_t>((allowed - steps_left) / steps_a_unit);
    return found ? static_cast<std::size_t>(match[0].second.get() - buffered.data())
                 : buffered.npos;
}

} // namespace

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

std::optional<std::size_t> search(Expression const& expression, std::string_view buffered,
                                  SearchProgress& progress) {
    if (buffered.empty())
        return buffered.npos;
    if (!expression.automaton)
        return search_by_going_back(expression, buffered, progress);
    return expression.automaton->search(buffered, progress);
}

} // namespace tornado::detail
