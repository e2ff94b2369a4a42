// SPDX-License-Identifier: BSL-1.0
#include "process/spawn.hpp"

#include "tornado/error.hpp"
#include "tornado/netutil.hpp"

#include "last_error.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

namespace tornado::detail {
namespace {

constexpr int first_other = 3; // of the descriptors that are not standard

class FileActions {
public:
    FileActions() { check(::posix_spawn_file_actions_init(&actions_)); }
    FileActions(FileActions const&) = delete;
    FileActions& operator=(FileActions const&) = delete;
    ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }

    void duplicate(int from, int to) {
        check(::posix_spawn_file_actions_adddup2(&actions_, from, to));
    }
    void close_from(int fd) { check(::posix_spawn_file_actions_addclosefrom_np(&actions_, fd)); }
    void enter(std::string const& directory) {
        check(::posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str()));
    }
    posix_spawn_file_actions_t const* get() const noexcept { return &actions_; }

private:
    static void check(int error) {
        if (error != 0)
            throw system_error({error, boost::system::system_category()}, "Subprocess");
    }

    posix_spawn_file_actions_t actions_;
};

/// No signal is blocked, and SIGPIPE is not ignored.
class Attributes {
public:
    Attributes() {
        sigset_t none;
        sigset_t standard;
        ::sigemptyset(&none);
        ::sigemptyset(&standard);
        ::sigaddset(&standard, SIGPIPE);
        ::posix_spawnattr_init(&attributes_);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &standard);
        ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    Attributes(Attributes const&) = delete;
    Attributes& operator=(Attributes const&) = delete;
    ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }

    posix_spawnattr_t const* get() const noexcept { return &attributes_; }

private:
    posix_spawnattr_t attributes_;
};

/// What execve(2) takes; nothing is written to.
std::vector<char*> pointers(std::vector<std::string> const& texts) {
    std::vector<char*> list;
    for (auto const& text : texts)
        list.push_back(const_cast<char*>(text.c_str()));
    list.push_back(nullptr);
    return list;
}

bool can_enter(std::string const& directory) {
    return ::access((directory + "/.").c_str(), X_OK) == 0;
}

[[noreturn]] void throw_cannot_start(int error, std::string const& program,
                                     std::string const& cwd) {
    std::string what = "Subprocess: cannot start \"" + program + "\"";
    bool const is_of_a_path = error == ENOENT || error == EACCES || error == ENOTDIR ||
                              error == ELOOP || error == ENAMETOOLONG;
    if (is_of_a_path && !cwd.empty() && !can_enter(cwd))
        what += ", because its directory \"" + cwd + "\" cannot be entered: choose another";
    else if (error == ENOENT && program.find('/') == program.npos)
        what += ", which is in no directory of PATH: install it, or give its path";
    else if (error == ENOENT)
        what += ": neither that file nor, for a script, its interpreter may be missing";
    else if (error == EACCES)
        what += ", which this user may not execute: chmod +x makes a file a program";
    else if (error == EAGAIN)
        what += ", because there are too many processes: raise ulimit -u or the control group's "
                "pids.max";
    else if (error == E2BIG)
        what += ", because arguments and environment are too long: pass them by stdin or a file";
    throw system_error({error, boost::system::system_category()}, what);
}

} // namespace

pid_t spawn(std::vector<std::string> const& arguments, std::array<int, 3> standard,
            std::map<std::string, std::string> const& env, std::string const& cwd) {
    // One that is among the standard ones itself would be overwritten before its turn.
    std::vector<Descriptor> moved;
    for (int& fd : standard) {
        if (fd < 0 || fd >= first_other)
            continue;
        moved.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, first_other));
        fd = moved.back().native_handle();
        if (fd < 0)
            throw system_error(last_error(), "Subprocess: no descriptor is left: raise ulimit -n");
    }

    FileActions actions;
    for (int to = 0; to < first_other; ++to)
        if (int const from = standard[static_cast<std::size_t>(to)]; from >= 0)
            actions.duplicate(from, to);
    actions.close_from(first_other);
    if (!cwd.empty())
        actions.enter(cwd);

    std::vector<std::string> variables;
    for (auto const& [name, value] : env)
        variables.push_back(name + '=' + value);
    Attributes const attributes;
    pid_t pid = -1;
    int const error = ::posix_spawnp(&pid, arguments[0].c_str(), actions.get(), attributes.get(),
                                     pointers(arguments).data(), pointers(variables).data());
    if (error != 0)
        throw_cannot_start(error, arguments[0], cwd);
    return pid;
}

} // namespace tornado::detail
