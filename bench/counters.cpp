// SPDX-License-Identifier: BSL-1.0
// A preloaded library that counts a server's allocations and system calls, in a file that the
// driver reads meanwhile.
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

// Names in the order of bench/compare.py.
enum Counter { allocation, receive, transmit, wait, control, accepting, closing, other, count };

std::atomic<std::uint64_t> before_main[count];
std::atomic<std::uint64_t>* counters = before_main;

[[gnu::constructor]] void open_file() {
    auto const* const path = std::getenv("BENCH_COUNTERS");
    int const fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void* const shared =
        mmap(nullptr, sizeof before_main, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared != MAP_FAILED)
        counters = static_cast<std::atomic<std::uint64_t>*>(shared);
}

void add(Counter counter) noexcept {
    counters[counter].fetch_add(1, std::memory_order_relaxed);
}

} // namespace

extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t number, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
    add(allocation);
    return __libc_malloc(size);
}

void* calloc(std::size_t number, std::size_t size) {
    add(allocation);
    return __libc_calloc(number, size);
}

void* realloc(void* old, std::size_t size) {
    add(allocation);
    return __libc_realloc(old, size);
}

void* memalign(std::size_t alignment, std::size_t size) {
    add(allocation);
    return __libc_memalign(alignment, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void** result, std::size_t alignment, std::size_t size) {
    *result = memalign(alignment, size);
    return *result ? 0 : ENOMEM;
}

// The C library's wrapper of a system call, counted.
#define COUNTED(counter, result, name, parameters, arguments)                                      \
    result name parameters {                                                                       \
        static auto const next = reinterpret_cast<result(*) parameters>(dlsym(RTLD_NEXT, #name));  \
        add(counter);                                                                              \
        return next arguments;                                                                     \
    }

COUNTED(receive, ssize_t, read, (int fd, void* data, std::size_t n), (fd, data, n))
COUNTED(receive, ssize_t, readv, (int fd, iovec const* list, int n), (fd, list, n))
COUNTED(receive, ssize_t, recv, (int fd, void* data, std::size_t n, int flags),
        (fd, data, n, flags))
COUNTED(receive, ssize_t, recvfrom,
        (int fd, void* data, std::size_t n, int flags, sockaddr* from, socklen_t* size),
        (fd, data, n, flags, from, size))
COUNTED(receive, ssize_t, recvmsg, (int fd, msghdr* message, int flags), (fd, message, flags))
COUNTED(transmit, ssize_t, write, (int fd, void const* data, std::size_t n), (fd, data, n))
COUNTED(transmit, ssize_t, writev, (int fd, iovec const* list, int n), (fd, list, n))
COUNTED(transmit, ssize_t, send, (int fd, void const* data, std::size_t n, int flags),
        (fd, data, n, flags))
COUNTED(transmit, ssize_t, sendto,
        (int fd, void const* data, std::size_t n, int flags, sockaddr const* to, socklen_t size),
        (fd, data, n, flags, to, size))
COUNTED(transmit, ssize_t, sendmsg, (int fd, msghdr const* message, int flags),
        (fd, message, flags))
COUNTED(wait, int, epoll_wait, (int fd, epoll_event* events, int n, int timeout),
        (fd, events, n, timeout))
COUNTED(wait, int, epoll_pwait,
        (int fd, epoll_event* events, int n, int timeout, sigset_t const* mask),
        (fd, events, n, timeout, mask))
COUNTED(control, int, epoll_ctl, (int fd, int operation, int target, epoll_event* event),
        (fd, operation, target, event))
COUNTED(accepting, int, accept, (int fd, sockaddr* from, socklen_t* size), (fd, from, size))
COUNTED(accepting, int, accept4, (int fd, sockaddr* from, socklen_t* size, int flags),
        (fd, from, size, flags))
COUNTED(closing, int, close, (int fd), (fd))
COUNTED(closing, int, shutdown, (int fd, int how), (fd, how))
COUNTED(other, int, getsockopt, (int fd, int level, int name, void* value, socklen_t* size),
        (fd, level, name, value, size))
COUNTED(other, int, setsockopt, (int fd, int level, int name, void const* value, socklen_t size),
        (fd, level, name, value, size))
COUNTED(other, int, getsockname, (int fd, sockaddr* name, socklen_t* size), (fd, name, size))
COUNTED(other, int, getpeername, (int fd, sockaddr* name, socklen_t* size), (fd, name, size))
COUNTED(other, pid_t, getpid, (), ())

int ioctl(int fd, unsigned long request, ...) {
    static auto const next =
        reinterpret_cast<int (*)(int, unsigned long, void*)>(dlsym(RTLD_NEXT, "ioctl"));
    va_list list;
    va_start(list, request);
    void* const argument = va_arg(list, void*);
    va_end(list);
    add(other);
    return next(fd, request, argument);
}
}
