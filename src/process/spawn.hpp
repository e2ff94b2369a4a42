// SPDX-License-Identifier: BSL-1.0
// Starts a program: posix_spawn(3), and what its failures mean.
#pragma once

#include <array>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace tornado::detail {

/// Runs `arguments[0]`, found by way of PATH. `standard`: what becomes descriptor 0, 1 and 2 there,
/// -1 for the one of that number here; no other descriptor reaches the program. `env`: name to
/// value. `cwd`: empty for this process's directory. Throws system_error, which names the program
/// or directory and the remedy.
pid_t spawn(std::vector<std::string> const& arguments, std::array<int, 3> standard,
            std::map<std::string, std::string> const& env, std::string const& cwd);

} // namespace tornado::detail
