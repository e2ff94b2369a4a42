// SPDX-License-Identifier: BSL-1.0
// A child process by its number, from its start until its exit status has been taken.
#pragma once

#include "tornado/error.hpp"

#include <optional>
#include <sys/types.h>

namespace tornado::detail {

/// Asks the kernel for this child alone, never for any child.
class Child {
public:
    /// How it ended: Subprocess::returncode().
    struct End {
        int returncode;
        bool lost; // the status was taken by somebody else
    };

    Child() = default;
    Child(Child const&) = delete;
    Child& operator=(Child const&) = delete;
    /// Lets go of it. If it lives, its status is taken when a later one is adopted.
    ~Child();

    /// Takes a child that has just been started.
    void adopt(pid_t pid) noexcept;

    pid_t pid() const noexcept { return pid_; }
    /// A descriptor that is readable when the child has ended; -1 where there is none to be had.
    int pidfd() const noexcept { return pidfd_; }

    /// Takes the status when it is there.
    std::optional<End> end() noexcept;

    /// Nothing to one that has ended.
    error_code send(int signal) noexcept;

private:
    pid_t pid_ = -1;
    int pidfd_ = -1;
    std::optional<End> end_;
};

} // namespace tornado::detail
