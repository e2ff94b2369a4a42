// SPDX-License-Identifier: BSL-1.0
// IOStream, SSLIOStream and PipeIOStream for Python; completions are called with (error, result).
#include "tornado/iostream.hpp"

#include "tornado/netutil.hpp"

#include "loop.hpp"
#include "tls.hpp"

#include <openssl/x509.h>

#include <optional>

namespace beneath {
namespace {

using Limit = std::optional<std::size_t>;

std::size_t or_unlimited(Limit limit) {
    return limit.value_or(detail::unlimited);
}

StreamOptions make_options(Limit max_buffer_size, Limit read_chunk_size,
                           Limit max_write_buffer_size) {
    StreamOptions options;
    options.max_buffer_size = max_buffer_size.value_or(options.max_buffer_size);
    options.read_chunk_size = read_chunk_size.value_or(options.read_chunk_size);
    options.max_write_buffer_size = or_unlimited(max_write_buffer_size);
    return options;
}

/// Takes the descriptor of any stream socket, connected or not.
asio::generic::stream_protocol::socket take(Loop& loop, int fd, int family) {
    return AcceptedSocket(fd, family).into_socket(loop.executor());
}

void read_into(BaseIOStream& stream, py::buffer const& buffer, bool partial, py::object done) {
    auto info = std::make_shared<py::buffer_info>(buffer.request(true));
    auto const room = asio::buffer(info->ptr, static_cast<std::size_t>(info->size));
    stream.read_into(room, partial,
                     [info = std::move(info),
                      done = Callable(std::move(done))](error_code ec, std::size_t count) mutable {
                         py::gil_scoped_acquire const lock;
                         info.reset(); // a bytearray cannot be resized while it is borrowed
                         done(ec, count);
                     });
}

void write(BaseIOStream& stream, std::string data, py::object done) {
    auto const operation = stream.write(std::move(data)); // throws when there is no room
    operation(Callable(std::move(done)));
}

void set_close_callback(BaseIOStream& stream, py::object callback) {
    if (callback.is_none())
        stream.set_close_callback({});
    else
        stream.set_close_callback(Callable(std::move(callback)));
}

py::object certificate(SSLIOStream const& stream) {
    auto const peer = stream.peer_certificate();
    if (!peer)
        return py::none();
    unsigned char* der = nullptr;
    auto const size = i2d_X509(peer.get(), &der);
    py::bytes bytes(reinterpret_cast<char const*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return bytes;
}

void bind_base(py::module_& module) {
    py::class_<BaseIOStream, std::shared_ptr<BaseIOStream>>(module, "BaseIOStream")
        .def("read_until",
             [](BaseIOStream& stream, std::string const& delimiter, Limit limit, py::object done) {
                 stream.read_until(delimiter, or_unlimited(limit), Callable(std::move(done)));
             })
        .def("read_until_regex",
             [](BaseIOStream& stream, std::string const& regex, Limit limit, py::object done) {
                 stream.read_until_regex(regex, or_unlimited(limit), Callable(std::move(done)));
             })
        .def("read_bytes",
             [](BaseIOStream& stream, std::size_t n, bool partial, py::object done) {
                 stream.read_bytes(n, partial, Callable(std::move(done)));
             })
        .def("read_until_close",
             [](BaseIOStream& stream, py::object done) {
                 stream.read_until_close(Callable(std::move(done)));
             })
        .def("read_into", &read_into)
        .def("write", &write)
        .def("close", [](BaseIOStream& stream,
                         py::object const& cause) { stream.close(to_error_code(cause)); })
        .def("set_close_callback", &set_close_callback)
        .def("closed", &BaseIOStream::closed)
        .def("reading", &BaseIOStream::reading)
        .def("writing", &BaseIOStream::writing)
        .def("error", [](BaseIOStream const& stream) { return convert(stream.error()); });
}

void bind_plain(py::module_& module) {
    py::class_<IOStream, BaseIOStream, std::shared_ptr<IOStream>>(module, "IOStream")
        .def(py::init([](Loop& loop, int fd, int family, StreamOptions const& options) {
            return std::make_shared<IOStream>(take(loop, fd, family), options);
        }))
        .def("connect",
             [](IOStream& stream, py::object const& peer, std::string name, py::object done) {
                 stream.connect(to_address(peer), std::move(name), Callable(std::move(done)));
             })
        .def("start_tls",
             [](IOStream& stream, bool server_side, py::object const& context, std::string name,
                py::object done) {
                 stream.start_tls(server_side, tls_context(context, server_side), std::move(name),
                                  Callable(std::move(done)));
             })
        .def("set_nodelay", &IOStream::set_nodelay)
        .def("native_handle", [](IOStream const& stream) { return stream.native_handle(); });
}

void bind_tls(py::module_& module) {
    py::class_<SSLIOStream, IOStream, std::shared_ptr<SSLIOStream>>(module, "SSLIOStream")
        .def(py::init([](Loop& loop, int fd, int family, py::object const& context,
                         bool server_side, std::string const& name, StreamOptions const& options) {
            return std::make_shared<SSLIOStream>(take(loop, fd, family),
                                                 tls_context(context, server_side), server_side,
                                                 name, options);
        }))
        .def("wait_for_handshake",
             [](SSLIOStream& stream, py::object done) {
                 stream.wait_for_handshake(Callable(std::move(done)));
             })
        .def("cipher", &SSLIOStream::cipher)
        .def("alpn", &SSLIOStream::alpn)
        .def("certificate", &certificate);
}

} // namespace

void bind_iostream(py::module_& module) {
    py::class_<StreamOptions>(module, "StreamOptions")
        .def(py::init(&make_options), py::arg("max_buffer_size") = py::none(),
             py::arg("read_chunk_size") = py::none(),
             py::arg("max_write_buffer_size") = py::none());
    bind_base(module);
    bind_plain(module);
    bind_tls(module);
    py::class_<PipeIOStream, BaseIOStream, std::shared_ptr<PipeIOStream>>(module, "PipeIOStream")
        .def(py::init([](Loop& loop, int fd, StreamOptions const& options) {
            return std::make_shared<PipeIOStream>(loop.executor(), fd, options);
        }))
        .def("native_handle", &PipeIOStream::native_handle);
}

} // namespace beneath
