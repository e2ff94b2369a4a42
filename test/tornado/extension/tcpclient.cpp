// SPDX-License-Identifier: BSL-1.0
// TCPClient for Python.
#include "tornado/tcpclient.hpp"

#include "resolver.hpp"
#include "tls.hpp"

#include <chrono>
#include <optional>

namespace beneath {
namespace {

/// A client with the resolver that it asks.
class Client {
public:
    Client(Loop& loop, std::shared_ptr<Resolver> resolver)
        : resolver_(std::move(resolver)), client_(loop.executor(), resolver_.get()) {}

    void connect(std::string host, int port, int family, py::object const& ssl,
                 StreamOptions const& limits, std::optional<std::string> source_ip,
                 std::optional<int> source_port, std::optional<double> timeout, py::object done) {
        ConnectOptions options;
        static_cast<StreamOptions&>(options) = limits;
        options.family = family;
        if (!ssl.is_none())
            options.ssl = tls_context(ssl, false);
        options.source_ip = source_ip.value_or("");
        options.source_port = source_port.value_or(0);
        if (timeout)
            options.timeout = std::chrono::duration_cast<ConnectOptions::clock::duration>(
                std::chrono::duration<double>(*timeout));
        client_.connect(std::move(host), port, std::move(options), Callable(std::move(done)));
    }

    void close() { client_.close(); }

private:
    std::shared_ptr<Resolver> resolver_;
    TCPClient client_;
};

} // namespace

void bind_tcpclient(py::module_& module) {
    py::class_<Client>(module, "TCPClient")
        .def(py::init<Loop&, std::shared_ptr<Resolver>>())
        .def("connect", &Client::connect)
        .def("close", &Client::close);
}

} // namespace beneath
