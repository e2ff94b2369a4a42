// SPDX-License-Identifier: BSL-1.0
// The words of a command line that have no name, which stand before its options.
#pragma once

#include <string>
#include <vector>

namespace example {

/// Takes the words before the first option off the command line; Options reads the rest.
///
///     auto const operands = take_operands(argc, argv);     // line_client HOST PORT --tls
inline std::vector<std::string> take_operands(int& argc, char**& argv) {
    std::vector<std::string> operands;
    while (argc > 1 && *argv[1] != '-') {
        operands.emplace_back(argv[1]);
        --argc, ++argv;
    }
    return operands;
}

} // namespace example
