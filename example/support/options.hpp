// SPDX-License-Identifier: BSL-1.0
// A program's command line: named options with a default each, and --help.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace example {

/// Filled by name, used once by parse:
///
///     Options options("echo", "sends every line back");
///     options.add("port", port, "port to listen on; 0 picks one");
///     if (!options.parse(argc, argv))
///         return 0;
class Options {
public:
    using seconds = std::chrono::milliseconds; // given in seconds, fractions allowed
    using Value = std::variant<bool*, std::uint16_t*, std::optional<std::uint16_t>*, std::size_t*,
                               seconds*, std::string*>;

    Options(std::string program, std::string summary);

    /// `--name VALUE`, or `--name` alone for a bool. `value` holds the default, and gets what the
    /// command line says; it must outlive parse().
    void add(std::string name, Value value, std::string help);

    /// False if --help was asked for, and printed. Throws std::invalid_argument that names the
    /// option and what it takes.
    [[nodiscard]] bool parse(int argc, char const* const* argv);

    std::string const& program() const noexcept { return program_; }

private:
    struct Option {
        std::string name;
        Value value;
        std::string help;
    };

    Option const& find(std::string_view argument) const;
    void print_help() const;

    std::string program_;
    std::string summary_;
    std::vector<Option> options_;
};

} // namespace example
