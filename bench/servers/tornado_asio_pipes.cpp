// SPDX-License-Identifier: BSL-1.0
// The library in Tornado 3's form, over pairs of FIFOs: N.in and N.out in a folder, for each N
// below COUNT.
#include "tornado/ioloop.hpp"
#include "tornado/iostream.hpp"

#include "server.hpp"

#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace {

using namespace tornado;

int open_fifo(std::string const& path, int mode) {
    int const fd = ::open(path.c_str(), mode | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        std::perror(path.c_str());
        std::exit(1);
    }
    return fd;
}

/// What this process writes to, before anybody reads.
int open_output(std::string const& path) {
    open_fifo(path, O_RDWR); // never closed: a reader, so that the stream is not at its end
    return open_fifo(path, O_WRONLY);
}

void serve_lines(PipeIOStreamPtr in, PipeIOStreamPtr out) {
    auto& s = *in;
    s.read_until(
        "\n", [in = std::move(in), out = std::move(out)](error_code ec, std::string line) mutable {
            if (ec)
                return;
            out->write(std::move(line));
            serve_lines(std::move(in), std::move(out));
        });
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4 || std::string_view(argv[3]) != "line") {
        std::fprintf(stderr, "usage: %s FOLDER COUNT line\n", argv[0]);
        return 2;
    }
    std::string const folder = argv[1];
    auto const count = std::strtoul(argv[2], nullptr, 10);
    for (unsigned long i = 0; i != count; ++i) {
        auto const path = folder + '/' + std::to_string(i);
        for (auto const* end : {".in", ".out"})
            ::mkfifo((path + end).c_str(), 0600);
        serve_lines(std::make_shared<PipeIOStream>(open_fifo(path + ".in", O_RDONLY)),
                    std::make_shared<PipeIOStream>(open_output(path + ".out")));
    }
    std::puts(folder.c_str());
    std::fflush(stdout);
    IOLoop::current().start();
}
