// SPDX-License-Identifier: BSL-1.0
// Worker processes: one program on every core, and a supervisor that keeps the workers alive.
#pragma once

#include "tornado/detail/export.hpp"

#include <optional>

namespace tornado {

/// Forks `num_processes` workers (0 or less: cpu_count()) and supervises them. Returns in the
/// workers only, with the worker's task id, 0 to `num_processes` - 1; in the parent it ends the
/// process when no worker is left.
///
///     auto sockets = tornado::bind_sockets(8888);
///     tornado::fork_processes(0);
///     tornado::TCPServer server(echo);
///     server.add_sockets(std::move(sockets));
///     tornado::IOLoop::current().start();
///
/// In a worker. The process is a copy of the parent: descriptors, memory, signal handlers. What the
/// parent had in the buffers of stdio, std::cout and std::clog was written before. std::srand has
/// been called with a random seed; a generator of your own (std::mt19937) that was made before is
/// the same in each worker until you seed it (T195). When the supervisor ends in whatever way,
/// SIGKILL included, the kernel kills the worker: none is left as an orphan. A worker ends for good
/// when it returns from main() or exits with 0 (T192).
///
/// In the parent. A worker that ends with another status than 0, or by a signal, is started again
/// with its task id (T191): at once the first time, then with delays that grow from 0.1 to 5
/// seconds until one has lived for 10 seconds. A start that fails for want of memory or processes
/// is logged and tried again likewise. Every end is logged. `max_restarts` is the budget of all
/// workers together (T193).
///
/// SIGTERM and SIGINT are passed on to the workers, and no worker is restarted any more; a second
/// one of either kind kills them. Until then one that does not end is waited for without a limit,
/// also one that a debugger has stopped. An interrupt from the terminal has reached the workers
/// already and is not sent twice. A signal that is ignored when fork_processes is called stays
/// ignored. Until the parent ends, handlers that it has for these two and for SIGCHLD do not run
/// there; all children of the process are waited for, so that there is no zombie, not even where
/// the parent is process 1 of a container.
///
/// The parent's end is std::exit(0) when each worker ended with 0 or, after SIGTERM or SIGINT, by
/// that signal (T192); std::exit(1) when one ended otherwise after such a signal, or was killed by
/// the second. As with any exit, the locals of main() are not destroyed. Only when it gives up it
/// throws, after the workers that lived have been sent SIGTERM and, 10 seconds later, SIGKILL:
///
/// - std::runtime_error "Too many child restarts": the budget was spent; left uncaught it is an end
///   with a status that is not 0;
/// - system_error when a worker could not be started the first time, naming it.
///
/// Throws at once, in the caller: std::logic_error when there is an IOLoop, because two processes
/// would share its kernel objects: fork first, and make loops afterwards (TCPServer::bind and
/// bind_sockets need none); when a thread of this library is left from a Resolver's look-up; and in
/// a worker, which cannot have workers of its own (T194). std::invalid_argument when `max_restarts`
/// is negative. Fork from a process with one thread: others do not exist in the workers, but the
/// locks that they held do.
///
/// tornado.process.fork_processes, T190 to T195; prctl(2) for PR_SET_PDEATHSIG.
TORNADO_ASIO_EXPORT int fork_processes(int num_processes = 0, int max_restarts = 100);

/// The number that fork_processes returned in this process; nothing where it did not (T190).
///
/// tornado.process.task_id.
TORNADO_ASIO_EXPORT std::optional<int> task_id();

} // namespace tornado
