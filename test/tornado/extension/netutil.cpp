// SPDX-License-Identifier: BSL-1.0
// bind_sockets, add_accept_handler, is_valid_ip and resolvers for Python.
#include "tornado/netutil.hpp"

#include "loop.hpp"
#include "resolver.hpp"

namespace beneath {
namespace {

std::vector<int> bind_to(int port, std::string const& address, int family, int backlog, int flags,
                         bool reuse_port) {
    std::vector<int> result;
    for (auto& socket : bind_sockets(port, address, {family, backlog, flags, reuse_port}))
        result.push_back(socket.release());
    return result;
}

/// Accepts on a duplicate of `fd`; calls `handler(fd, family, address)`.
std::function<void()> accept_on(Loop& loop, int fd, py::object handler) {
    return add_accept_handler(
        loop.ioloop(), ListenSocket::duplicate_of(fd),
        [handle = Callable(std::move(handler))](AcceptedSocket accepted, Address const& peer) {
            py::gil_scoped_acquire const lock;
            auto const family = accepted.family();
            handle(accepted.release(), family, peer);
        });
}

OverrideResolver::Key to_key(py::handle key) {
    if (!py::isinstance<py::tuple>(key))
        return key.cast<std::string>();
    auto const parts = key.cast<py::tuple>();
    if (parts.size() == 2)
        return {parts[0].cast<std::string>(), parts[1].cast<int>()};
    return {parts[0].cast<std::string>(), parts[1].cast<int>(), parts[2].cast<int>()};
}

OverrideResolver::Target to_target(py::handle target) {
    if (!py::isinstance<py::tuple>(target))
        return target.cast<std::string>();
    auto const parts = target.cast<py::tuple>();
    return {parts[0].cast<std::string>(), parts[1].cast<int>()};
}

std::shared_ptr<OverrideResolver> override_names(std::shared_ptr<Resolver> resolver,
                                                 py::dict const& names) {
    OverrideResolver::Mapping mapping;
    for (auto const& [key, target] : names)
        mapping.emplace(to_key(key), to_target(target));
    return std::make_shared<OverrideResolver>(std::move(resolver), std::move(mapping));
}

} // namespace

PythonResolver::PythonResolver(Loop& loop, py::object look_up)
    : Resolver(loop.executor()), look_up_(std::move(look_up)) {}

void PythonResolver::look_up(std::string host, std::uint16_t port, int family,
                             Completion completion) {
    py::gil_scoped_acquire const lock;
    auto shared = std::make_shared<Completion>(std::move(completion));
    auto done = [shared](bool failed, py::list const& found) {
        std::vector<Address> addresses;
        for (auto const& entry : found)
            addresses.push_back(to_address(entry[py::int_(1)]));
        (*shared)(failed ? asio::error::host_not_found : error_code(), std::move(addresses));
    };
    look_up_(py::str(host), port, family, py::cpp_function(std::move(done)));
}

void bind_netutil(py::module_& module) {
    module.def("bind_sockets", &bind_to);
    module.def("bind_unix_socket", [](std::string const& path, unsigned mode, int backlog) {
        return bind_unix_socket(path, mode, backlog).release();
    });
    module.def("is_valid_ip", &is_valid_ip);

    py::class_<std::function<void()>>(module, "Remover")
        .def("__call__", [](std::function<void()> const& remove) { remove(); });
    module.def("add_accept_handler", &accept_on);

    py::class_<Resolver, std::shared_ptr<Resolver>>(module, "Resolver")
        .def(py::init([](Loop& loop) { return std::make_shared<Resolver>(loop.executor()); }))
        .def("resolve",
             [](Resolver& resolver, std::string host, int port, int family, py::object done) {
                 resolver.resolve(std::move(host), port, family, Callable(std::move(done)));
             })
        .def("close", &Resolver::close);
    py::class_<OverrideResolver, Resolver, std::shared_ptr<OverrideResolver>>(module,
                                                                              "OverrideResolver")
        .def(py::init(&override_names));
    py::class_<PythonResolver, Resolver, std::shared_ptr<PythonResolver>>(module, "PythonResolver")
        .def(py::init<Loop&, py::object>());
}

} // namespace beneath
