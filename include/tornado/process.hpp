// SPDX-License-Identifier: BSL-1.0
// Processes: workers on every core, and programs that run beside this one (Tornado's
// tornado.process).
#pragma once

#include "tornado/cpu_count.hpp"
#include "tornado/detail/completion.hpp"
#include "tornado/detail/export.hpp"
#include "tornado/detail/function.hpp"
#include "tornado/detail/initiation.hpp"
#include "tornado/error.hpp"
#include "tornado/fork.hpp"
#include "tornado/iostream.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <array>
#include <concepts>
#include <csignal>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace tornado {

class IOLoop;

/// What a child process has as its stdin, stdout or stderr.
class Stdio {
public:
    /// What there is beside a descriptor of one's own.
    enum Kind {
        inherit,   ///< the same as this process
        STREAM,    ///< a pipe whose other end is a PipeIOStream here
        null,      ///< /dev/null
        to_stdout, ///< for stderr: what stdout is
    };

    /// One of these.
    constexpr Stdio(Kind kind) noexcept : kind_(kind) {}
    /// A descriptor of this process, which keeps it.
    constexpr Stdio(int fd) noexcept : kind_(inherit), fd_(fd), is_given_(true) {}

    /// Whether both say the same.
    constexpr bool operator==(Stdio const&) const = default;
    /// The descriptor that was given, or nothing.
    constexpr std::optional<int> descriptor() const noexcept {
        return is_given_ ? std::optional(fd_) : std::nullopt;
    }

private:
    Kind kind_;
    int fd_ = -1;
    bool is_given_ = false;
};

/// This process's environment, name to value. Not safe while another thread changes it.
TORNADO_ASIO_EXPORT std::map<std::string, std::string> environment();

/// How a program is run.
struct SubprocessOptions {
    /// `inherit`, `STREAM`, `null` and `to_stdout`, without their class's name.
    using enum Stdio::Kind;

    Stdio stdin_ = inherit;  ///< what the program reads
    Stdio stdout_ = inherit; ///< what it writes to
    Stdio stderr_ = inherit; ///< what its complaints go to
    /// Its whole environment, name to value. To add to this process's own: `env["LANG"] = "C"`.
    std::map<std::string, std::string> env = environment();
    /// The directory to run in; empty for this process's own.
    std::string cwd{};
    /// The limits of the pipe streams: how much of the output may wait here, for one.
    StreamOptions streams{};
};

/// A program that runs as a child of this process.
///
///     tornado::Subprocess bc({"bc", "-q"},
///                            {.stdin_ = Subprocess::STREAM, .stdout_ = Subprocess::STREAM});
///     bc.stdin_stream()->write("6 * 7\n");
///     auto const answer = co_await bc.stdout_stream()->read_until("\n");
///     bc.stdin_stream()->close();
///     co_await bc.wait_for_exit();
///
/// The program gets its arguments, the three standard descriptors, an environment and a directory;
/// no other descriptor of this process, an empty signal mask, and SIGPIPE as it is by default.
/// Starting it copies nothing of this process's memory, however large that is.
///
/// Its end is noticed on the Subprocess's own loop, through a descriptor of the process where Linux
/// has those (5.3), and by looking up to twenty times a second where it has not. SIGCHLD is left
/// alone, and so is every other child: any number of loops and libraries may have theirs. A program
/// that is stopped and continued has not ended.
///
/// The exit does not wait for the streams, nor they for it: a program that has ended may have left
/// its pipes to a process of its own, and stdout_stream() is at its end only when that has gone,
/// too. What the program itself has written is in the pipe when its exit is noticed; so give a
/// deadline to what is read afterwards, or close the stream.
///
/// Destroying a Subprocess, or closing its loop, leaves the program alone; kill() it if it is not
/// to go on. A program that ends later leaves no zombie for longer than until the next Subprocess
/// starts. Streams and waits may outlive the Subprocess. It belongs to its loop's thread. After the
/// end of its context the program can still be signalled and asked for its end, but not waited for.
///
/// tornado.process.Subprocess, T196 to T203.
class TORNADO_ASIO_EXPORT Subprocess {
public:
    /// Any of Asio's.
    using executor_type = asio::any_io_executor;
    /// `Subprocess::STREAM`, as Tornado calls it, and the others.
    using enum Stdio::Kind;

    /// Starts the program `arguments[0]`, which is looked for in this process's PATH when it has
    /// no slash, on IOLoop::current().
    ///
    /// Throws at once, and leaves nothing open: std::invalid_argument for arguments and options
    /// without sense; system_error, whose what() names the program and the remedy, when there is no
    /// such program or directory, when it may not be executed, and when processes, descriptors or
    /// memory have run out (T203).
    explicit Subprocess(std::vector<std::string> const& arguments,
                        SubprocessOptions const& options = {});
    /// The same on `loop`.
    explicit Subprocess(IOLoop& loop, std::vector<std::string> const& arguments,
                        SubprocessOptions const& options = {});
    /// For plain Asio; completions run on `executor`.
    explicit Subprocess(asio::any_io_executor executor, std::vector<std::string> const& arguments,
                        SubprocessOptions const& options = {});

    /// Streams and waits go along; what was moved from can only be destroyed or assigned to.
    Subprocess(Subprocess&&) noexcept;
    /// Lets go of the program that this one had, as its destruction does.
    Subprocess& operator=(Subprocess&&) noexcept;
    /// Leaves the program alone.
    ~Subprocess();

    /// Where completions run.
    executor_type const& get_executor() const noexcept;

    /// This end of the pipe where that was asked for (Stdio::STREAM), otherwise null. Closing
    /// stdin_stream() is the end of the program's input.
    PipeIOStreamPtr stdin_stream() const { return streams_[0]; }
    /// The end of its output; null likewise.
    PipeIOStreamPtr stdout_stream() const { return streams_[1]; }
    /// The end of its errors; null likewise.
    PipeIOStreamPtr stderr_stream() const { return streams_[2]; }

    /// The process's number, which the system may give to another one when the program has ended.
    pid_t pid() const noexcept;
    /// How the program ended: with its status, or by a signal, as a negative number. Nothing while
    /// it runs. 255 when its status was taken by somebody else: by waitpid(-1) elsewhere in this
    /// process, or by the kernel because SIGCHLD is ignored.
    std::optional<int> returncode() const;

    /// Waits for the program's end, which may have come before (T201).
    ///
    /// Completion: `void(error_code, int)`, the returncode. Errors: unless `raise_error` is false,
    /// one of exit_category() when it is not 0 (T200); `ECHILD` when the status was taken by
    /// somebody else. Any number may wait at a time. Cancelling it (any type) ends the wait, and
    /// not the program.
    template <asio::completion_token_for<void(error_code, int)> Token = asio::deferred_t>
    [[nodiscard]] auto wait_for_exit(Token&& token = asio::deferred_t()) {
        return wait_for_exit(true, std::forward<Token>(token));
    }
    /// The same; with `raise_error` false an end other than 0 is no error.
    template <asio::completion_token_for<void(error_code, int)> Token = asio::deferred_t>
    [[nodiscard]] auto wait_for_exit(bool raise_error, Token&& token = asio::deferred_t()) {
        return asio::async_initiate<Token, void(error_code, int)>(
            detail::Initiation{this,
                               [raise_error](Subprocess& self, auto&& handler) {
                                   self.start_wait(raise_error,
                                                   {std::forward<decltype(handler)>(handler),
                                                    self.get_executor()});
                               }},
            token);
    }

    /// Calls `f(returncode)` once, from the loop, when the program ends or if it has (T198, T201,
    /// T202). Replaces the former callback; nullptr leaves none. It is not called when the
    /// Subprocess has been destroyed, and may destroy it.
    template <std::invocable<int> F>
    void set_exit_callback(F&& f) {
        set_callback(detail::Function<void(int)>(std::forward<F>(f)));
    }
    /// Leaves no callback.
    void set_exit_callback(std::nullptr_t) { set_callback({}); }

    /// Nothing if the program has ended. Throws system_error when it may not be signalled, or there
    /// is no such signal.
    void send_signal(int signal);
    /// send_signal(SIGTERM).
    void terminate() { send_signal(SIGTERM); }
    /// send_signal(SIGKILL).
    void kill() { send_signal(SIGKILL); }

private:
    struct Impl;

    void start_wait(bool raise_error, detail::Completion<int>&& handler);
    void set_callback(detail::Function<void(int)> callback);

    std::shared_ptr<Impl> impl_;
    std::array<PipeIOStreamPtr, 3> streams_; // null where there is none
};

/// Of a program that did not end with 0; values are Subprocess::returncode(), messages say which
/// status or which signal it was (T199, T200). Tornado: CalledProcessError.
TORNADO_ASIO_EXPORT boost::system::error_category const& exit_category() noexcept;

} // namespace tornado
