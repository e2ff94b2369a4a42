// SPDX-License-Identifier: BSL-1.0
// The part of Perl's syntax that has a program, read with care: what is in doubt is not understood.
#include "bytes/regex_program.hpp"

#include <boost/regex.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

namespace tornado::detail {
namespace {

using Instruction = RegexProgram::Instruction;
using Kind = Instruction::Kind;
using Look = RegexProgram::Look;

constexpr std::size_t max_code = 4096;
constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

struct NotUnderstood {};

// If there is a way through a fragment that takes no byte, and whether all others are preferred.
enum class Empty { never, at_last, sooner };

// Code that goes on behind its end.
struct Fragment {
    std::vector<Instruction> code;
    Empty empty = Empty::at_last;

    std::ptrdiff_t length() const { return static_cast<std::ptrdiff_t>(code.size()); }
    bool is_one_byte() const { return code.size() == 1 && code.front().kind == Kind::take; }
};

void append(Fragment& whole, Fragment const& part) {
    if (whole.code.size() + part.code.size() > max_code)
        throw NotUnderstood();
    whole.code.insert(whole.code.end(), part.code.begin(), part.code.end());
    bool const takes = whole.empty == Empty::never || part.empty == Empty::never;
    whole.empty = takes ? Empty::never : std::max(whole.empty, part.empty);
}

Fragment either(Fragment const& first, Fragment const& second) {
    Fragment whole;
    whole.code.push_back({Kind::split, 0, 1, first.length() + 2});
    append(whole, first);
    whole.code.push_back({Kind::split, 0, second.length() + 1, second.length() + 1});
    append(whole, second);
    whole.empty = first.empty == Empty::never ? second.empty : Empty::sooner;
    return whole;
}

struct Repeat {
    std::size_t least;
    std::size_t most;
    bool lazy = false;
};

Fragment repeated(Fragment const& body, Repeat const& repeat) {
    // An empty round ends the loop; that the program does so too is sure if it is the last choice.
    if (body.empty == Empty::sooner)
        throw NotUnderstood();
    auto const n = body.length();
    auto const fork = [&](std::ptrdiff_t again, std::ptrdiff_t on) {
        return repeat.lazy ? Instruction{Kind::split, 0, on, again}
                           : Instruction{Kind::split, 0, again, on};
    };
    Fragment whole;
    for (auto left = repeat.least; left-- > 0;)
        append(whole, body);
    if (repeat.most != unbounded) {
        for (auto left = repeat.most - repeat.least; left-- > 0;) {
            whole.code.push_back(fork(1, n + 1 + static_cast<std::ptrdiff_t>(left) * (n + 1)));
            append(whole, body);
        }
    } else {
        if (repeat.least == 0) {
            whole.code.push_back(fork(1, n + 2));
            append(whole, body);
        }
        whole.code.push_back(fork(-n, 1));
    }
    bool const takes = repeat.least != 0 && body.empty == Empty::never;
    whole.empty = takes ? Empty::never : repeat.lazy ? Empty::sooner : Empty::at_last;
    return whole;
}

class Parser {
public:
    explicit Parser(std::string_view expression) : rest_(expression) {}

    RegexProgram program() {
        modifiers();
        auto whole = alternatives();
        if (!rest_.empty())
            throw NotUnderstood();
        whole.code.push_back({Kind::match});
        return {std::move(whole.code), std::move(sets_), std::move(looks_)};
    }

private:
    bool skip(std::string_view text) {
        if (!rest_.starts_with(text))
            return false;
        rest_.remove_prefix(text.size());
        return true;
    }
    void expect(std::string_view text) {
        if (!skip(text))
            throw NotUnderstood();
    }

    void modifiers() {
        while (rest_.starts_with("(?")) {
            auto const end = rest_.find_first_not_of("ims", 2);
            if (end == 2 || end == rest_.npos || rest_[end] != ')')
                return;
            for (char const modifier : rest_.substr(2, end - 2))
                (modifier == 'i'   ? ignores_case_
                 : modifier == 'm' ? is_in_lines_
                                   : dot_is_all_) = true;
            rest_.remove_prefix(end + 1);
        }
    }

    Fragment alternatives() {
        auto whole = sequence();
        while (skip("|"))
            whole = either(whole, sequence());
        return whole;
    }

    Fragment sequence() {
        Fragment whole;
        while (!rest_.empty() && rest_.front() != '|' && rest_.front() != ')')
            append(whole, item());
        return whole;
    }

    Fragment item() {
        auto const body = atom();
        auto repeat = this->repeat();
        if (!repeat)
            return body;
        repeat->lazy = skip("?");
        if (repeat->lazy || !skip("+"))
            return repeated(body, *repeat);
        // It gives nothing back: a run of bytes of a set goes on as far as there are such bytes.
        if (!body.is_one_byte() || repeat->most != unbounded)
            throw NotUnderstood();
        auto whole = repeated(body, *repeat);
        append(whole, look(Kind::unless, {false, {sets_[body.code.front().index]}}));
        return whole;
    }

    std::optional<Repeat> repeat() {
        if (skip("*"))
            return Repeat{0, unbounded};
        if (skip("+"))
            return Repeat{1, unbounded};
        if (skip("?"))
            return Repeat{0, 1};
        if (!skip("{"))
            return std::nullopt;
        auto const least = number();
        auto const most = !skip(",") ? least : rest_.starts_with('}') ? unbounded : number();
        expect("}");
        if (least > most)
            throw NotUnderstood();
        return Repeat{least, most};
    }

    std::size_t number() {
        std::size_t n = 0;
        auto const [end, failure] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), n);
        if (failure != std::errc())
            throw NotUnderstood();
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        return n;
    }

    Fragment atom() {
        if (skip("("))
            return group();
        if (skip("."))
            return take(dot_is_all_ ? ~ByteSet() : ~newline());
        if (skip("^"))
            return look(Kind::unless, {true, {is_in_lines_ ? ~newline() : ~ByteSet()}});
        if (skip("$"))
            return look(Kind::unless, {false, {is_in_lines_ ? ~newline() : ~ByteSet()}});
        if (rest_.starts_with('['))
            return take(bytes_of(first(length_of_set())));
        if (rest_.starts_with('\\'))
            return escape();
        if (rest_.find_first_of("*+?{") == 0)
            throw NotUnderstood();
        return take(bytes_of(first(1)));
    }

    // Behind the parenthesis.
    Fragment group() {
        Fragment whole;
        if (skip("?="))
            whole = looks(Kind::look, false);
        else if (skip("?!"))
            whole = looks(Kind::unless, false);
        else if (skip("?<="))
            whole = looks(Kind::look, true);
        else if (skip("?<!"))
            whole = looks(Kind::unless, true);
        else if (!skip("?:") && rest_.starts_with('?'))
            throw NotUnderstood();
        else
            whole = alternatives();
        expect(")");
        return whole;
    }

    // At alternatives: at any of them, or at none.
    Fragment looks(Kind kind, bool is_behind) {
        auto whole = look(kind, {is_behind, sets_of(sequence())});
        while (skip("|")) {
            auto const next = look(kind, {is_behind, sets_of(sequence())});
            if (kind == Kind::look)
                whole = either(whole, next);
            else
                append(whole, next);
        }
        return whole;
    }

    std::vector<ByteSet> sets_of(Fragment const& sequence) const {
        std::vector<ByteSet> sets;
        for (auto const& instruction : sequence.code) {
            if (instruction.kind != Kind::take)
                throw NotUnderstood();
            sets.push_back(sets_[instruction.index]);
        }
        return sets;
    }

    Fragment escape() {
        if (skip("\\A"))
            return look(Kind::unless, {true, {~ByteSet()}});
        if (skip("\\z"))
            return look(Kind::unless, {false, {~ByteSet()}});
        if (skip("\\b"))
            return either(between(Kind::unless, Kind::look), between(Kind::look, Kind::unless));
        if (skip("\\B"))
            return either(between(Kind::look, Kind::look), between(Kind::unless, Kind::unless));
        auto const hex_digits = rest_.substr(0, 4).find_first_not_of("0123456789abcdefABCDEF", 2);
        if (rest_.starts_with("\\x") && rest_.size() >= 4 && hex_digits == rest_.npos)
            return take(bytes_of(first(4)));
        constexpr std::string_view understood = "aefnrtdDsSwW !\"#$%&()*+,-./:;=?@[\\]^{|}~";
        if (rest_.size() < 2 || understood.find(rest_[1]) == understood.npos)
            throw NotUnderstood();
        return take(bytes_of(first(2)));
    }

    Fragment between(Kind before, Kind behind) {
        auto const words = bytes_of("\\w");
        auto whole = look(before, {true, {words}});
        append(whole, look(behind, {false, {words}}));
        return whole;
    }

    // Of the set at the front, with its brackets.
    std::size_t length_of_set() const {
        std::size_t i = rest_.starts_with("[^") ? 2 : 1;
        for (auto const begin = i; i < rest_.size(); ++i) {
            if (rest_[i] == ']' && i != begin)
                return i + 1;
            if (rest_[i] == ']' || (rest_[i] == '[' && i + 1 < rest_.size() &&
                                    (rest_[i + 1] == '.' || rest_[i + 1] == '=')))
                break;
            if (rest_[i] == '[') { // [:name:], or a bracket
                auto const end = rest_.find_first_not_of("^abcdefghijklmnopqrstuvwxyz", i + 2);
                if (rest_.substr(i, 2) == "[:" && rest_.substr(0, end + 2).ends_with(":]"))
                    i = end + 1;
                else
                    break;
            } else if (rest_[i] == '\\') {
                ++i;
            }
        }
        throw NotUnderstood();
    }

    std::string_view first(std::size_t n) {
        auto const text = rest_.substr(0, n);
        rest_.remove_prefix(n);
        return text;
    }

    // Which bytes an atom takes is asked of Boost.Regex, so that names, ranges and cases are its.
    ByteSet bytes_of(std::string_view atom) const {
        ByteSet set;
        if (atom.size() == 1 && !ignores_case_)
            return set.set(static_cast<unsigned char>(atom.front()));
        std::array<char, 256> all;
        std::iota(all.begin(), all.end(), '\0');
        using namespace boost::regex_constants;
        boost::regex const compiled((ignores_case_ ? "(?i)" : "") + std::string(atom),
                                    perl | no_mod_s | no_mod_m);
        boost::cregex_iterator const none;
        for (boost::cregex_iterator i(all.begin(), all.end(), compiled); i != none; ++i) {
            if (i->length() != 1)
                throw NotUnderstood();
            set.set(static_cast<unsigned char>(*(*i)[0].first));
        }
        return set;
    }

    static ByteSet newline() { return ByteSet().set('\n'); }

    Fragment take(ByteSet const& set) { return {{{Kind::take, index(sets_, set)}}, Empty::never}; }
    Fragment look(Kind kind, Look const& look) {
        return {{{kind, index(looks_, look)}}, Empty::sooner};
    }

    template <class T>
    static std::size_t index(std::vector<T>& all, T const& one) {
        auto const i =
            static_cast<std::size_t>(std::find(all.begin(), all.end(), one) - all.begin());
        if (i == all.size())
            all.push_back(one);
        return i;
    }

    std::string_view rest_;
    std::vector<ByteSet> sets_;
    std::vector<Look> looks_;
    bool ignores_case_ = false;
    bool is_in_lines_ = false;
    bool dot_is_all_ = false;
};

} // namespace

std::optional<RegexProgram> regex_program(std::string_view expression) {
    try {
        return Parser(expression).program();
    } catch (NotUnderstood const&) {
        return std::nullopt;
    }
}

} // namespace tornado::detail
