// SPDX-License-Identifier: BSL-1.0
// IOLoop for Python: handlers, callbacks and timeouts, and the turn that asyncio's loop asks for.
#include "loop.hpp"

#include <chrono>
#include <stdexcept>

namespace beneath {
namespace {

std::chrono::duration<double> seconds(double count) {
    return std::chrono::duration<double>(count);
}

void add_callback(Loop& loop, py::object callback) {
    if (!loop.closed())
        loop.ioloop().add_callback(Callable(std::move(callback)));
}

Timeout call_later(Loop& loop, double delay, py::object callback) {
    return loop.ioloop().call_later(seconds(delay), Callable(std::move(callback)));
}

void remove_timeout(Loop& loop, Timeout const& timeout) {
    if (!loop.closed())
        loop.ioloop().remove_timeout(timeout);
}

void add_handler(Loop& loop, int fd, py::object handler, unsigned events) {
    loop.ioloop().add_handler(fd, Callable(std::move(handler)), events);
}

} // namespace

Loop::Loop()
    : context_(std::make_unique<asio::io_context>()),
      work_(context_->get_executor()),
      loop_(std::make_unique<IOLoop>(*context_, false)) {}

IOLoop& Loop::ioloop() {
    if (!loop_)
        throw std::runtime_error("Event loop is closed");
    return *loop_;
}

void Loop::watch(int fd, unsigned events) {
    ioloop().remove_handler(fd);
    if (events == IOLoop::NONE)
        return;
    ioloop().add_handler(
        fd,
        [this](int ready, unsigned which) {
            py::gil_scoped_acquire const lock;
            py::int_ const key(ready);
            again_ = again_ || ready_.contains(key);
            ready_[key] = which;
        },
        events);
}

py::dict Loop::select(std::optional<double> timeout) {
    ready_ = py::dict();
    again_ = false;
    {
        py::gil_scoped_release const unlocked;
        // asyncio gets its turn after so many handlers, as when its own selector had many events.
        int left = 64;
        if (!timeout || *timeout > 0)
            context_->run_one_for(std::chrono::duration_cast<std::chrono::nanoseconds>(
                seconds(timeout.value_or(60))));
        while (left-- > 0 && !again_ && context_->poll_one() != 0) {
        }
    }
    return ready_;
}

void Loop::close() {
    work_.reset();
    loop_.reset();
    context_.reset();
}

void bind_loop(py::module_& module) {
    py::class_<Timeout>(module, "Timeout");
    py::class_<Loop>(module, "Loop")
        .def(py::init())
        .def("select", &Loop::select)
        .def("watch", &Loop::watch)
        .def("close", &Loop::close)
        .def("add_callback", &add_callback)
        .def("call_later", &call_later)
        .def("remove_timeout", &remove_timeout)
        .def("add_handler", &add_handler)
        .def("update_handler",
             [](Loop& loop, int fd, unsigned events) { loop.ioloop().update_handler(fd, events); })
        .def("remove_handler", [](Loop& loop, int fd) {
            if (!loop.closed())
                loop.ioloop().remove_handler(fd);
        });
}

} // namespace beneath
