// SPDX-License-Identifier: BSL-1.0
#include "netutil/handover_words.hpp"

#include <boost/algorithm/string/join.hpp>
#include <boost/algorithm/string/split.hpp>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace tornado::detail {
namespace {

constexpr std::string_view preamble = "tornado-handover/1 ";
// In the order of HandoverWord.
constexpr std::array<std::string_view, 7> word_texts{"sockets", "busy",  "stranger", "failed",
                                                     "ready",   "taken", "late"};

} // namespace

std::string to_text(HandoverLine const& line) {
    std::string text(preamble);
    text += word_texts[static_cast<std::size_t>(line.word)];
    text += ' ';
    text += line.rest;
    std::ranges::replace(text, '\n', ' ');
    return text + '\n';
}

std::optional<HandoverLine> parse_handover_line(std::string_view text) {
    if (!text.starts_with(preamble))
        return std::nullopt;
    text.remove_prefix(preamble.size());
    auto const blank = text.find(' ');
    auto const found = std::ranges::find(word_texts, text.substr(0, blank));
    if (blank == text.npos || found == word_texts.end())
        return std::nullopt;
    return HandoverLine{static_cast<HandoverWord>(found - word_texts.begin()),
                        std::string(text.substr(blank + 1))};
}

std::string join_names(std::vector<std::string> const& names) {
    for (auto const& name : names)
        if (std::ranges::any_of(name, [](unsigned char c) { return c < ' ' || c == ':'; }))
            throw std::invalid_argument("a socket to hand over is called \"" + name +
                                        "\": choose a name without colons and line ends");
    auto text = boost::algorithm::join(names, ":");
    if (text.size() > max_handover_line - 64)
        throw std::invalid_argument("the names of " + std::to_string(names.size()) +
                                    " sockets to hand over are too long: choose shorter ones");
    return text;
}

std::vector<std::string> split_names(std::string_view text) {
    std::vector<std::string> names;
    boost::algorithm::split(names, text, [](char c) { return c == ':'; });
    return names;
}

} // namespace tornado::detail
