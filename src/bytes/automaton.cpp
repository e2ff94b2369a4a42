// SPDX-License-Identifier: BSL-1.0
// How a program becomes a table, and the loop over it.
#include "bytes/automaton.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace tornado::detail {
namespace {

using Instruction = RegexProgram::Instruction;
using Kind = Instruction::Kind;

// What a table may cost: visits to instructions, some milliseconds of them, and its size.
constexpr std::size_t max_visits = 1 << 18;
constexpr std::size_t max_steps = 1 << 14;
constexpr std::size_t max_looks = 6;

// What the end has in place of a byte; its class is the last.
constexpr std::size_t no_byte = 256;

// A step is the row that it leads to, and whether a match ended before the byte.
constexpr std::uint16_t matched = 1 << 15;
static_assert(max_steps <= matched);

} // namespace

// A state is what the program may go on with, in the order of preference. How it goes on depends on
// what the looks find, as a set of bits, and on the class of the next byte.
class Automaton::Builder {
public:
    explicit Builder(RegexProgram const& program) : sets_(program.sets) {
        // A match begins here or, less preferred, later.
        sets_.push_back(~ByteSet());
        code_ = {{Kind::split, 0, 3, 1}, {Kind::take, sets_.size() - 1}, {Kind::split, 0, -2, -2}};
        code_.insert(code_.end(), program.code.begin(), program.code.end());
        visited_.resize(code_.size());
        result_.looks_ = program.looks;
        for (auto const& look : program.looks)
            if (!look.is_behind)
                result_.ahead_ = std::max(result_.ahead_, look.sets.size());
    }

    std::optional<Automaton> build() {
        if (result_.looks_.size() > max_looks)
            return std::nullopt;
        classify();
        number({0}); // the start
        number({});  // no match any more
        for (std::size_t i = 0; i != states_.size(); ++i) {
            for (std::size_t found = 0; found != std::size_t{1} << result_.looks_.size(); ++found) {
                for (auto const byte : representatives_)
                    result_.steps_.push_back(step(*states_[i], found, byte));
            }
            if (visits_ > max_visits || result_.steps_.size() > max_steps)
                return std::nullopt;
        }
        return std::move(result_);
    }

private:
    using State = std::vector<std::size_t>;

    void classify() {
        std::map<std::pair<std::uint8_t, bool>, std::uint8_t> classes;
        for (auto const& set : sets_) {
            classes.clear();
            for (std::size_t byte = 0; byte != 256; ++byte) {
                auto& its = result_.class_of_[byte];
                auto const next = static_cast<std::uint8_t>(classes.size());
                its = classes.try_emplace({its, set[byte]}, next).first->second;
            }
        }
        for (std::size_t byte = 0; byte != 256; ++byte)
            if (result_.class_of_[byte] == representatives_.size())
                representatives_.push_back(byte);
        representatives_.push_back(no_byte);
        result_.classes_ = representatives_.size();
    }

    std::size_t number(State state) {
        auto const [known, is_new] = numbers_.try_emplace(std::move(state), numbers_.size());
        if (is_new)
            states_.push_back(&known->first);
        return known->second;
    }

    std::uint16_t step(State const& state, std::size_t found, std::size_t byte) {
        bool const ended = go_on(state, found);
        State next;
        for (auto const at : takers_)
            if (byte != no_byte && sets_[code_[at].index][byte])
                next.push_back(at + 1);
        auto const row = number(std::move(next)) * (result_.classes_ << result_.looks_.size());
        return static_cast<std::uint16_t>(row | (ended ? matched : 0));
    }

    // Collects in takers_ what the state comes to before it takes a byte. True if it comes to a
    // match: whatever it prefers less is given up then.
    bool go_on(State const& state, std::size_t found) {
        ++round_;
        takers_.clear();
        pending_.assign(state.rbegin(), state.rend());
        while (!pending_.empty()) {
            auto const at = pending_.back();
            pending_.pop_back();
            ++visits_;
            if (std::exchange(visited_[at], round_) == round_)
                continue;
            auto const& [kind, index, first, second] = code_[at];
            switch (kind) {
            case Kind::match:
                return true;
            case Kind::take:
                takers_.push_back(at);
                break;
            case Kind::split:
                pending_.push_back(at + static_cast<std::size_t>(second));
                pending_.push_back(at + static_cast<std::size_t>(first));
                break;
            case Kind::look:
            case Kind::unless:
                if ((found >> index & 1) == (kind == Kind::look))
                    pending_.push_back(at + 1);
                break;
            }
        }
        return false;
    }

    Automaton result_;
    std::vector<Instruction> code_;
    std::vector<ByteSet> sets_;
    std::vector<std::size_t> representatives_; // a byte of each class
    std::map<State, std::size_t> numbers_;
    std::vector<State const*> states_; // by number
    std::vector<std::size_t> takers_;
    std::vector<std::size_t> pending_;
    std::vector<std::size_t> visited_; // by instruction: in which round
    std::size_t round_ = 0;
    std::size_t visits_ = 0;
};

std::optional<Automaton> Automaton::of(RegexProgram const& program) {
    return Builder(program).build();
}

std::size_t Automaton::search(std::string_view buffered, Progress& progress) const noexcept {
    auto const look = [&](std::size_t at) {
        return looks_.empty() ? 0 : looks_at(buffered, at) * classes_;
    };
    // From here on a look may find more when more has come.
    auto const unsure = buffered.size() - std::min(buffered.size(), ahead_ - 1);
    auto const over = classes_ << looks_.size(); // the second row
    auto end = buffered.npos;
    std::size_t row = progress.row;
    for (auto at = progress.scanned; at != buffered.size(); ++at) {
        if (at == unsure)
            progress = {at, static_cast<std::uint16_t>(row)};
        auto const byte = static_cast<unsigned char>(buffered[at]);
        auto const step = steps_[row + look(at) + class_of_[byte]];
        row = step & ~matched;
        if (step >= matched)
            end = at;
        else if (row == over)
            return end;
    }
    if (unsure == buffered.size())
        progress = {unsure, static_cast<std::uint16_t>(row)};
    auto const last = steps_[row + look(buffered.size()) + classes_ - 1];
    return last >= matched ? buffered.size() : end;
}

// A bit for each look that finds its bytes.
std::size_t Automaton::looks_at(std::string_view buffered, std::size_t at) const noexcept {
    std::size_t found = 0;
    for (std::size_t i = 0; i != looks_.size(); ++i) {
        auto const& [is_behind, sets] = looks_[i];
        if (sets.size() > (is_behind ? at : buffered.size() - at))
            continue;
        auto const bytes = buffered.substr(is_behind ? at - sets.size() : at, sets.size());
        bool const holds =
            std::equal(bytes.begin(), bytes.end(), sets.begin(), [](char byte, ByteSet const& set) {
                return set[static_cast<unsigned char>(byte)];
            });
        found |= std::size_t{holds} << i;
    }
    return found;
}

} // namespace tornado::detail
