// SPDX-License-Identifier: BSL-1.0
// TCPServer for Python.
#include "tornado/tcpserver.hpp"

#include "loop.hpp"
#include "tls.hpp"

namespace beneath {
namespace {

std::unique_ptr<TCPServer> make_server(Loop& loop, py::object handler, py::object const& ssl,
                                       StreamOptions const& limits) {
    TCPServerOptions options;
    static_cast<StreamOptions&>(options) = limits;
    if (!ssl.is_none())
        options.ssl = tls_context(ssl, true);
    return std::make_unique<TCPServer>(
        loop.ioloop(),
        [handle = Callable(std::move(handler))](IOStreamPtr stream, Address const& address) {
            handle(std::move(stream), address);
        },
        std::move(options));
}

} // namespace

void bind_tcpserver(py::module_& module) {
    module.def("check_tls", [](py::object const& ssl) { tls_context(ssl, true); });
    py::class_<TCPServer>(module, "TCPServer")
        .def(py::init(&make_server))
        .def("add_socket",
             [](TCPServer& server, int fd) { server.add_socket(ListenSocket::duplicate_of(fd)); })
        .def("stop", &TCPServer::stop);
}

} // namespace beneath
