// SPDX-License-Identifier: BSL-1.0
// A certificate for HTTPS on this machine, for those who have none.
#pragma once

#include <chrono>
#include <string>

namespace demo {

/// Where a program of this user keeps what is to survive it: below $XDG_STATE_HOME, or
/// ~/.local/state.
std::string state_folder();

/// The PEM file in `folder` with a key and a self-signed certificate for localhost, 127.0.0.1 and
/// ::1. It is made when it is not there, and made anew when it is damaged or ends within a week;
/// otherwise it stays the same, so that a browser has to be told once. Only this user can read it.
/// Throws std::system_error or std::runtime_error that names the folder.
std::string self_signed(std::string const& folder,
                        std::chrono::seconds lifetime = std::chrono::hours(24 * 365));

} // namespace demo
