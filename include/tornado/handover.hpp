// SPDX-License-Identifier: BSL-1.0
// Hot restart: a new process takes the listening sockets over from the one that serves.
#pragma once

#include "tornado/detail/completion.hpp"
#include "tornado/detail/export.hpp"
#include "tornado/detail/initiation.hpp"
#include "tornado/error.hpp"
#include "tornado/netutil.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace tornado {

class IOLoop;

/// Listening sockets, by names that the old and the new process agree on: without colons and
/// control characters, "" is one too.
using SocketsByName = std::map<std::string, std::vector<ListenSocket>>;

/// The old process's part: waits at a Unix socket for one that takes over.
///
///     Handover handover(
///         loop, "/run/app/handover",
///         [&] {
///             SocketsByName all;
///             all["http"] = server.listen_sockets();
///             return all;
///         },
///         [&] { server.shutdown(10s, [&](error_code, std::size_t) { loop.stop(); }); });
///
/// The sockets are the same ones in both processes, so that no connection that waits in their
/// backlog is lost. Until the new process says that it is ready both may accept. A new process that
/// fails, ends or is not ready in time leaves this one as it was, waiting for the next. One at a
/// time may try.
///
/// It belongs to its loop's thread and to one process: a fork's child has no part in it. It may be
/// destroyed at any moment, in its own callbacks too; then nobody can take over, and the file is
/// removed. It keeps an io_context that the application runs itself running.
class TORNADO_ASIO_EXPORT Handover {
public:
    /// Measures time: steps of the system's clock do not touch it.
    using clock = std::chrono::steady_clock;

    /// `path` gets a socket with mode 0600; processes of this user and of root may take over. A
    /// socket that a dead process has left there is replaced. A leading NUL makes an abstract name,
    /// which only the look at the peer's user protects.
    ///
    /// `sockets` is called when somebody takes over, and gives what is handed over: duplicates
    /// (TCPServer::listen_sockets, ListenSocket::duplicate_of), which are closed here once sent.
    /// What it throws is told to the other, and logged.
    ///
    /// `on_taken` is called once, from the loop, when the new process is ready. Nobody can take
    /// over from this one any more, and the path is free for the new one's own Handover. It is to
    /// stop accepting and let the connections end: TCPServer::shutdown.
    ///
    /// `deadline`: how long a process that has taken the sockets may need until it is ready.
    ///
    /// Throws system_error, `address_in_use`, when a living process waits at `path` already; and as
    /// bind_unix_socket does. std::invalid_argument when `deadline` is not positive.
    Handover(IOLoop& loop, std::string const& path, std::function<SocketsByName()> sockets,
             std::function<void()> on_taken, clock::duration deadline = std::chrono::seconds(30));
    Handover(Handover const&) = delete;
    Handover& operator=(Handover const&) = delete;
    /// Nobody can take over any more, and the file is removed.
    ~Handover();

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

class Takeover;
TORNADO_ASIO_EXPORT std::optional<Takeover> take_over(IOLoop& loop, std::string const& path,
                                                      std::chrono::steady_clock::duration patience);

/// The new process's part: the sockets, and the word that it is ready. Destroying it before lets
/// the old process go on, and closes the sockets that were not taken out.
class TORNADO_ASIO_EXPORT Takeover {
public:
    /// Of the loop.
    using executor_type = asio::any_io_executor;
    /// Measures time: steps of the system's clock do not touch it.
    using clock = std::chrono::steady_clock;

    /// The part in the take-over goes along; what was moved from can only be destroyed or assigned
    /// to.
    Takeover(Takeover&&) noexcept;
    /// Ends the part that this one had, as its destruction does.
    Takeover& operator=(Takeover&&) noexcept;
    /// Without ready(), the old process goes on.
    ~Takeover();

    /// Where completions run.
    executor_type const& get_executor() const noexcept;
    /// Of the process that is taken over from.
    pid_t pid() const noexcept;
    /// Gives the sockets of that name away; none when there are none, or not any more.
    std::vector<ListenSocket> sockets(std::string_view name);

    /// Tells the old process that this one serves, and waits for its answer: from then on it does
    /// not accept, and its path is free. To be called when the servers listen; both accept
    /// meanwhile.
    ///
    /// Completion: `void(error_code)`. No error also when the old process has ended by itself.
    /// `timed_out` when this one was too late and the old one goes on, or has not answered
    /// within the patience of take_over; then this one is to end. `already_waiting` for a second
    /// call at a time, `not_connected` after the first. Cancelling it (any type) leaves the old
    /// process serving, unless it has answered.
    template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
    [[nodiscard]] auto ready(Token&& token = asio::deferred_t()) {
        return asio::async_initiate<Token, void(error_code)>(
            detail::Initiation{this,
                               [](Takeover& self, auto&& handler) {
                                   self.start_ready({std::forward<decltype(handler)>(handler),
                                                     self.get_executor()});
                               }},
            token);
    }

private:
    friend std::optional<Takeover> take_over(IOLoop& loop, std::string const& path,
                                             clock::duration patience);
    struct Impl;

    explicit Takeover(std::shared_ptr<Impl> impl);
    void start_ready(detail::Completion<>&& handler);

    std::shared_ptr<Impl> impl_;
};

/// Takes the sockets of the process whose Handover waits at `path`; nothing when there is none: no
/// such file, or one of a dead process. Blocks, for a local answer and `patience` at most, so it is
/// a part of a program's start:
///
///     auto before = tornado::take_over(loop, path);
///     server.add_sockets(before ? before->sockets("http") : tornado::bind_sockets(8888));
///     if (before)
///         loop.run_sync([&] { return before->ready(asio::use_awaitable); });
///     tornado::Handover handover(loop, path, ...);
///
/// Throws system_error that names the path, the process and the remedy: `EBUSY` when another
/// process is taking over, `access_denied` when one of the two is of another user, `timed_out` when
/// nobody answers, `connection_reset` when the old process ended meanwhile, `EPROTO` when it
/// answers something else, `ECANCELED` when it cannot hand over. Nothing stays open then, and the
/// old process goes on.
///
/// unix(7), SCM_RIGHTS and SO_PEERCRED.
TORNADO_ASIO_EXPORT std::optional<Takeover>
take_over(IOLoop& loop, std::string const& path,
          std::chrono::steady_clock::duration patience = std::chrono::seconds(30));

} // namespace tornado
