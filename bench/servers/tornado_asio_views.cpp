// SPDX-License-Identifier: BSL-1.0
// Views, with a callback for whatever a turn has brought.
#include "tornado_asio_views.hpp"

using namespace bench;

namespace {

void serve(IOStreamPtr stream, Workload workload) {
    auto& s = *stream;
    s.fill([stream = std::move(stream), workload](error_code ec, std::size_t) mutable {
        if (ec)
            return;
        answer(*stream, workload);
        if (workload.mode != Mode::stream)
            return serve(std::move(stream), workload);
        auto& written = *stream; // a peer who does not read is not read from either
        written.write("", [stream = std::move(stream), workload](error_code failure) mutable {
            if (!failure)
                serve(std::move(stream), workload);
        });
    });
}

} // namespace

int main(int argc, char** argv) {
    run(parse(argc, argv), serve);
}
