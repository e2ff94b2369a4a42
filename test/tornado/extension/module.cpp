// SPDX-License-Identifier: BSL-1.0
// The Python module: this library as Python sees it.
#include "tornado/log.hpp"

#include "python.hpp"

#include <boost/asio/ip/address_v6.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <string_view>
#include <sys/socket.h>

namespace beneath {

py::object convert(error_code ec) {
    if (!ec)
        return py::none();
    return py::make_tuple(ec.category().name(), ec.value(), ec.message());
}

py::object convert(Address const& address) {
    if (address.family() == AF_INET)
        return py::make_tuple(address.ip(), address.port());
    if (address.family() == AF_INET6)
        return py::make_tuple(address.ip(), address.port(), 0,
                              address.tcp_endpoint().address().to_v6().scope_id());
    auto const path = address.path();
    if (path.starts_with('\0'))
        return py::bytes(path);
    return py::str(path);
}

py::object convert(std::vector<Address> const& addresses) {
    py::list result;
    for (auto const& address : addresses)
        result.append(py::make_tuple(address.family(), convert(address)));
    return result;
}

py::object convert(std::string const& data) {
    return py::bytes(data);
}

Address to_address(py::object const& address) {
    if (!py::isinstance<py::tuple>(address))
        return asio::local::stream_protocol::endpoint(address.cast<std::string>());
    auto const parts = address.cast<py::tuple>();
    return {parts[0].cast<std::string>(), parts[1].cast<int>()};
}

error_code to_error_code(py::object const& error) {
    if (error.is_none())
        return {};
    return {error.cast<int>(), boost::system::system_category()};
}

Callable::Callable(py::object callable)
    : callable_(new py::object(std::move(callable)), [](py::object* last) {
          if (!Py_IsInitialized())
              return; // statics that outlive Python leave it alone
          py::gil_scoped_acquire const lock;
          delete last;
      }) {}

namespace {

void set_sink(py::object sink) {
    set_log_level(LogLevel::debug);
    set_log_sink([write = Callable(std::move(sink))](LogRecord const& record) {
        // Python's levels are ten apart, from DEBUG = 10.
        write(py::str(std::string(logger_name(record.logger))),
              10 * (static_cast<int>(record.level) + 1), py::str(std::string(record.message)));
    });
}

} // namespace
} // namespace beneath

PYBIND11_MODULE(_tornado_asio, module) {
    using namespace beneath;
    static py::exception<system_error> const failure(module, "Error");
    py::register_exception_translator([](std::exception_ptr thrown) {
        try {
            if (thrown)
                std::rethrow_exception(thrown);
        } catch (system_error const& error) {
            PyErr_SetObject(failure.ptr(), convert(error.code()).ptr());
        }
    });
    module.def("set_log_sink", &set_sink);
    bind_loop(module);
    bind_iostream(module);
    bind_netutil(module);
    bind_process(module);
    bind_tcpclient(module);
    bind_tcpserver(module);
}
