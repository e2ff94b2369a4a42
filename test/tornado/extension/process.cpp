// SPDX-License-Identifier: BSL-1.0
// fork_processes and Subprocess for Python.
#include "tornado/process.hpp"

#include "loop.hpp"

#include <optional>

namespace beneath {
namespace {

/// Returns in the workers alone. Python's own locks and threads are to know of it.
int fork_workers(int count, int max_restarts) {
    PyOS_BeforeFork();
    try {
        int const id = fork_processes(count, max_restarts);
        PyOS_AfterFork_Child();
        return id;
    } catch (...) {
        PyOS_AfterFork_Parent();
        throw;
    }
}

using Place = std::optional<int>; // a descriptor, or one of subprocess's negative constants

Stdio to_stdio(Place place) {
    enum { stream = -100, to_stdout = -2, null = -3 };
    if (!place)
        return Stdio::inherit;
    switch (*place) {
    case stream:
        return Stdio::STREAM;
    case to_stdout:
        return Stdio::to_stdout;
    case null:
        return Stdio::null;
    default:
        return *place;
    }
}

std::unique_ptr<Subprocess> start(Loop& loop, std::vector<std::string> const& arguments, Place in,
                                  Place out, Place err) {
    SubprocessOptions options;
    options.stdin_ = to_stdio(in);
    options.stdout_ = to_stdio(out);
    options.stderr_ = to_stdio(err);
    return std::make_unique<Subprocess>(loop.ioloop(), arguments, options);
}

} // namespace

void bind_process(py::module_& module) {
    module.def("cpu_count", &cpu_count);
    module.def("fork_processes", &fork_workers);
    module.def("task_id", &task_id);
    py::class_<Subprocess>(module, "Subprocess")
        .def(py::init(&start))
        .def("stdin_stream", &Subprocess::stdin_stream)
        .def("stdout_stream", &Subprocess::stdout_stream)
        .def("stderr_stream", &Subprocess::stderr_stream)
        .def("pid", &Subprocess::pid)
        .def("returncode", &Subprocess::returncode)
        .def("terminate", &Subprocess::terminate)
        .def("set_exit_callback",
             [](Subprocess& process, py::object callback) {
                 process.set_exit_callback(Callable(std::move(callback)));
             })
        .def("wait_for_exit", [](Subprocess& process, bool raise_error, py::object done) {
            process.wait_for_exit(raise_error, Callable(std::move(done)));
        });
}

} // namespace beneath
