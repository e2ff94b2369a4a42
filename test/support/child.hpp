// SPDX-License-Identifier: BSL-1.0
// A test that goes on in a child of its process.
#pragma once

#include <boost/asio/execution_context.hpp>
#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <csignal>
#include <exception>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace tornado::test {

/// A process that is waited for at the latest when this is destroyed.
class Child {
public:
    explicit Child(pid_t pid) : pid_(pid) {}
    Child(Child const&) = delete;
    Child& operator=(Child const&) = delete;
    ~Child() { succeeded(); }

    pid_t pid() const { return pid_; }
    /// Waits for it, and whether its body returned true.
    bool succeeded() {
        if (pid_ > 0)
            while (::waitpid(std::exchange(pid_, -1), &status_, 0) == -1 && errno == EINTR) {
            }
        return WIFEXITED(status_) && WEXITSTATUS(status_) == 0;
    }

private:
    pid_t pid_;
    int status_ = -1;
};

/// fork(2), of which `context` is told; the child has half a minute to live.
inline pid_t fork_and_tell(boost::asio::execution_context& context) {
    using boost::asio::execution_context;
    context.notify_fork(execution_context::fork_prepare);
    auto const pid = ::fork();
    BOOST_TEST_REQUIRE(pid >= 0);
    if (pid == 0) {
        ::signal(SIGALRM, SIG_DFL);
        ::alarm(30);
    }
    context.notify_fork(pid == 0 ? execution_context::fork_child : execution_context::fork_parent);
    return pid;
}

/// The same; the child runs `body`, and ends there.
template <class Body>
Child fork_with(boost::asio::execution_context& context, Body body) {
    auto const pid = fork_and_tell(context);
    if (pid != 0)
        return Child(pid);
    bool well = false;
    try {
        well = body();
    } catch (std::exception const&) {
        // told by the exit code
    }
    ::_exit(well ? 0 : 1);
}

} // namespace tornado::test
