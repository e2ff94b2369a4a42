// SPDX-License-Identifier: BSL-1.0
// How long a program takes to start in a parent with much memory: a Subprocess with three pipes
// beside posix_spawn alone and fork with execve, in turns.
//
//     subprocess [rounds] [MiB]      default: 300 1024
#include "tornado/ioloop.hpp"
#include "tornado/process.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

char program[] = "/bin/true";
char* const arguments[] = {program, nullptr};

/// Microseconds until `start()` has returned the new process.
template <class Start>
double time_of(Start start) {
    auto const begin = std::chrono::steady_clock::now();
    start();
    std::chrono::duration<double, std::micro> const time = std::chrono::steady_clock::now() - begin;
    return time.count();
}

double time_posix_spawn() {
    pid_t pid = -1;
    auto const time =
        time_of([&] { ::posix_spawn(&pid, program, nullptr, nullptr, arguments, ::environ); });
    ::waitpid(pid, nullptr, 0);
    return time;
}

double time_fork() {
    pid_t pid = -1;
    auto const time = time_of([&] {
        pid = ::fork();
        if (pid == 0) {
            ::execve(program, arguments, ::environ);
            ::_exit(127);
        }
    });
    ::waitpid(pid, nullptr, 0);
    return time;
}

double time_subprocess(tornado::IOLoop& loop) {
    using tornado::Subprocess;
    std::optional<Subprocess> child;
    tornado::SubprocessOptions const pipes{
        .stdin_ = Subprocess::STREAM, .stdout_ = Subprocess::STREAM, .stderr_ = Subprocess::STREAM};
    auto const time = time_of([&] { child.emplace(std::vector<std::string>{program}, pipes); });
    loop.run_sync([&] { return child->wait_for_exit(boost::asio::use_awaitable); });
    return time;
}

double median(std::vector<double>& times) {
    auto const middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
}

} // namespace

int main(int argc, char** argv) {
    int const rounds = argc > 1 ? std::atoi(argv[1]) : 300;
    std::size_t const size = (argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1024) << 20;
    std::vector<char> const memory(size, 'x'); // of the parent, each page in use

    tornado::IOLoop loop;
    std::vector<double> spawn;
    std::vector<double> subprocess;
    std::vector<double> fork;
    for (int i = 0; i < rounds; ++i) {
        spawn.push_back(time_posix_spawn());
        subprocess.push_back(time_subprocess(loop));
        if (i % 10 == 0) // it is slow
            fork.push_back(time_fork());
    }
    auto const alone = median(spawn);
    std::printf("a parent of %zu MiB, %d rounds, medians\n", memory.size() >> 20, rounds);
    std::printf("posix_spawn   %8.0f us\n", alone);
    std::printf("Subprocess    %8.0f us   %5.2f of posix_spawn, with three pipes\n",
                median(subprocess), median(subprocess) / alone);
    std::printf("fork          %8.0f us   %5.2f of posix_spawn\n", median(fork),
                median(fork) / alone);
}
