// SPDX-License-Identifier: BSL-1.0
// Command lines are read once: plain code, and messages that say what is wanted.
#include "options.hpp"

#include <charconv>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace example {
namespace {

// What an option of each type takes, as --help and messages call it.
std::string_view kind(bool const*) {
    return "";
}
std::string_view kind(std::uint16_t const*) {
    return "PORT";
}
std::string_view kind(std::optional<std::uint16_t> const*) {
    return "PORT";
}
std::string_view kind(std::size_t const*) {
    return "N";
}
std::string_view kind(Options::seconds const*) {
    return "SECONDS";
}
std::string_view kind(std::string const*) {
    return "TEXT";
}

std::string text(bool value) {
    return value ? "on" : "off";
}
std::string text(std::uint16_t value) {
    return std::to_string(value);
}
std::string text(std::optional<std::uint16_t> value) {
    return value ? text(*value) : std::string();
}
std::string text(std::size_t value) {
    return std::to_string(value);
}
std::string text(std::string const& value) {
    return value;
}
std::string text(Options::seconds value) {
    std::ostringstream out;
    out << std::chrono::duration<double>(value).count();
    return out.str();
}

template <class Number>
bool read_number(std::string_view word, Number& value) {
    auto const [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    return error == std::errc() && end == word.data() + word.size();
}

bool read(std::string_view word, std::uint16_t& value) {
    return read_number(word, value);
}
bool read(std::string_view word, std::optional<std::uint16_t>& value) {
    return read_number(word, value.emplace());
}
bool read(std::string_view word, std::size_t& value) {
    return read_number(word, value);
}
bool read(std::string_view word, std::string& value) {
    value = word;
    return true;
}
bool read(std::string_view word, Options::seconds& value) {
    double number = 0;
    if (!read_number(word, number) || !(number > 0 && number <= 1e9))
        return false;
    value = Options::seconds(static_cast<Options::seconds::rep>(std::ceil(number * 1000)));
    return true;
}

} // namespace

Options::Options(std::string program, std::string summary)
    : program_(std::move(program)), summary_(std::move(summary)) {}

void Options::add(std::string name, Value value, std::string help) {
    options_.push_back({std::move(name), value, std::move(help)});
}

bool Options::parse(int argc, char const* const* argv) {
    for (int i = 1; i < argc; ++i) {
        std::string_view const argument = argv[i];
        if (argument == "--help") {
            print_help();
            return false;
        }
        auto const equals = argument.find('=');
        auto const& option = find(argument.substr(0, equals));
        std::visit(
            [&](auto* value) {
                if constexpr (std::is_same_v<decltype(value), bool*>) {
                    if (equals != argument.npos)
                        throw std::invalid_argument("--" + option.name + " takes no value");
                    *value = true;
                } else {
                    bool const apart = equals == argument.npos;
                    if (apart && i + 1 == argc)
                        throw std::invalid_argument("--" + option.name +
                                                    " needs a value: " + std::string(kind(value)));
                    std::string_view const word =
                        apart ? std::string_view(argv[++i]) : argument.substr(equals + 1);
                    if (!read(word, *value))
                        throw std::invalid_argument("--" + option.name + " takes " +
                                                    std::string(kind(value)) + ", not '" +
                                                    std::string(word) + "'");
                }
            },
            option.value);
    }
    return true;
}

Options::Option const& Options::find(std::string_view argument) const {
    for (auto const& option : options_)
        if (argument == "--" + option.name)
            return option;
    throw std::invalid_argument("'" + std::string(argument) +
                                "' is unknown; --help lists the options");
}

void Options::print_help() const {
    std::cout << program_ << ": " << summary_ << "\n\n";
    for (auto const& option : options_)
        std::visit(
            [&](auto const* value) {
                auto const left = option.name + " " + std::string(kind(value));
                auto const given = text(*value);
                std::cout << "  --" << std::left << std::setw(28) << left << option.help;
                if constexpr (!std::is_same_v<decltype(value), bool const*>)
                    if (!given.empty())
                        std::cout << " (" << given << ")";
                std::cout << "\n";
            },
            option.value);
}

} // namespace example
