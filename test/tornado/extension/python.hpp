// SPDX-License-Identifier: BSL-1.0
// What all bindings need: Python callables as completion handlers, and values in Python's form.
#pragma once

#include "tornado/address.hpp"
#include "tornado/error.hpp"
#include "tornado/iostream.hpp"

#include <cstddef>
#include <memory>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace beneath {

namespace py = pybind11;
using namespace tornado;

/// None for success, or (category, value, message).
py::object convert(error_code ec);
/// What Python's socket module takes for an address: (ip, port), (ip, port, 0, scope) or a path.
py::object convert(Address const& address);
/// A list of (family, address).
py::object convert(std::vector<Address> const& addresses);
/// What was read: bytes.
py::object convert(std::string const& data);

template <class T>
py::object to_python(T&& value) {
    if constexpr (std::is_base_of_v<py::object, std::remove_cvref_t<T>>)
        return std::forward<T>(value);
    else if constexpr (requires { convert(value); })
        return convert(value);
    else
        return py::cast(std::forward<T>(value));
}

/// From what Python's socket module gives.
Address to_address(py::object const& address);
error_code to_error_code(py::object const& error);

/// A Python callable that may be copied, called and destroyed by a thread without Python's lock.
class Callable {
public:
    explicit Callable(py::object callable);

    template <class... Args>
    void operator()(Args&&... args) const {
        py::gil_scoped_acquire const lock;
        try {
            (*callable_)(to_python(std::forward<Args>(args))...);
        } catch (py::error_already_set& error) {
            error.discard_as_unraisable("a completion");
        }
    }

private:
    std::shared_ptr<py::object> callable_;
};

void bind_loop(py::module_& module);
void bind_iostream(py::module_& module);
void bind_netutil(py::module_& module);
void bind_process(py::module_& module);
void bind_tcpclient(py::module_& module);
void bind_tcpserver(py::module_& module);

} // namespace beneath
