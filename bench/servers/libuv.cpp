// SPDX-License-Identifier: BSL-1.0
// libuv, written the usual way: a uv_write for each answer.
#include "server.hpp"

#include <cstring>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <uv.h>

namespace {

bench::Workload workload;

struct Connection {
    uv_tcp_t handle;
    std::string input;
};

struct Write {
    uv_write_t request;
    std::string data;
};

void closed(uv_handle_t* handle) {
    delete static_cast<Connection*>(handle->data);
}

void allocate(uv_handle_t*, std::size_t suggested, uv_buf_t* buffer) {
    static auto const shared = std::make_unique<char[]>(suggested);
    *buffer = uv_buf_init(shared.get(), static_cast<unsigned>(suggested));
}

void send(uv_stream_t* stream, std::string data) {
    auto* const write = new Write{{}, std::move(data)};
    write->request.data = write;
    auto const buffer = uv_buf_init(write->data.data(), static_cast<unsigned>(write->data.size()));
    uv_write(&write->request, stream, &buffer, 1,
             [](uv_write_t* request, int) { delete static_cast<Write*>(request->data); });
}

void received(uv_stream_t* stream, ssize_t n, uv_buf_t const* buffer) {
    if (n < 0)
        return uv_close(reinterpret_cast<uv_handle_t*>(stream), closed);
    std::string_view const data(buffer->base, static_cast<std::size_t>(n));
    if (workload.mode == bench::Mode::sink)
        return;
    if (workload.mode == bench::Mode::stream)
        return send(stream, std::string(data));
    auto& input = static_cast<Connection*>(stream->data)->input;
    input += data;
    std::size_t done = 0;
    for (;;) {
        auto const end =
            workload.mode == bench::Mode::line ? input.find('\n', done) + 1 : done + workload.size;
        if (end == 0 || end > input.size())
            break;
        send(stream, input.substr(done, end - done));
        done = end;
    }
    input.erase(0, done);
}

void accepted(uv_stream_t* listener, int status) {
    if (status < 0)
        return;
    auto* const connection = new Connection;
    connection->handle.data = connection;
    auto* const stream = reinterpret_cast<uv_stream_t*>(&connection->handle);
    uv_tcp_init(listener->loop, &connection->handle);
    uv_accept(listener, stream);
    uv_tcp_nodelay(&connection->handle, 1);
    uv_read_start(stream, allocate, received);
}

} // namespace

int main(int argc, char** argv) {
    workload = bench::parse(argc, argv);
    auto* const loop = uv_default_loop();
    uv_tcp_t listener;
    sockaddr_in address{};
    int size = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(loop, &listener);
    uv_tcp_bind(&listener, name, 0);
    if (int const failure =
            uv_listen(reinterpret_cast<uv_stream_t*>(&listener), SOMAXCONN, accepted)) {
        std::fprintf(stderr, "listen: %s\n", uv_strerror(failure));
        return 1;
    }
    uv_tcp_getsockname(&listener, name, &size);
    bench::announce(ntohs(address.sin_port));
    uv_run(loop, UV_RUN_DEFAULT);
}
