// SPDX-License-Identifier: BSL-1.0
// Views, with a coroutine for each connection.
#include "tornado_asio_views.hpp"

using namespace bench;

namespace {

asio::awaitable<void> serve(IOStreamPtr stream, Workload workload) {
    for (;;) {
        co_await stream->fill();
        answer(*stream, workload);
        if (workload.mode == Mode::stream)
            co_await stream->write(""); // a peer who does not read is not read from either
    }
}

} // namespace

int main(int argc, char** argv) {
    run(parse(argc, argv), serve);
}
