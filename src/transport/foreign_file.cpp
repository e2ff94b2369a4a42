// SPDX-License-Identifier: BSL-1.0
#include "transport/foreign_file.hpp"

#include "last_error.hpp"
#include "retry.hpp"

#include <charconv>
#include <fcntl.h>
#include <iterator>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace tornado::detail {
namespace {

using FileKind = ForeignFile::Kind;

[[noreturn]] void refuse(int fd, char const* why) {
    throw std::invalid_argument("PipeIOStream: descriptor " + std::to_string(fd) + why);
}

bool is_master(int fd) noexcept {
    int number = 0;
    return ::ioctl(fd, TIOCGPTN, &number) == 0;
}

bool is_stream_socket(int fd) noexcept {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

FileKind judge(int fd, mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFBLK:
        refuse(fd, " is a regular file, of which epoll knows nothing: read and write it in "
                   "IOLoop::run_in_executor");
    case S_IFDIR:
        refuse(fd, " is a directory, and no stream of bytes: list it in IOLoop::run_in_executor");
    case S_IFIFO:
        return FileKind::pipe;
    case S_IFSOCK:
        if (!is_stream_socket(fd))
            refuse(fd,
                   " is a socket of datagrams, and no stream of bytes: use IOLoop::add_handler");
        return FileKind::socket;
    default:
        return is_master(fd)       ? FileKind::master
               : ::isatty(fd) == 1 ? FileKind::terminal
                                   : FileKind::device;
    }
}

bool hangs_up(int fd) noexcept {
    pollfd state{fd, 0, 0};
    return retry([&] { return ::poll(&state, 1, 0); }) == 1;
}

// Only epoll itself can say.
bool is_known_to_epoll(int fd) {
    int const set = ::epoll_create1(EPOLL_CLOEXEC);
    if (set < 0)
        throw system_error(last_error(), "PipeIOStream: epoll_create1");
    epoll_event event{};
    bool const known = ::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0 || errno != EPERM;
    ::close(set);
    return known;
}

} // namespace

ForeignFile::ForeignFile(int fd) : given_(fd) {
    struct stat status {};
    int const flags = ::fcntl(fd, F_GETFL);
    if (flags == -1 || (flags & O_PATH) != 0 || ::fstat(fd, &status) != 0)
        refuse(fd, " is not open: give one that is, and that nobody else closes");
    kind_ = judge(fd, status.st_mode);
    auto const access = flags & O_ACCMODE;
    readable_ = access != O_WRONLY;
    writable_ = access != O_RDONLY;
    if (kind_ == FileKind::device)
        waitable_ = is_known_to_epoll(fd);
    if ((flags & O_NONBLOCK) != 0 || !waitable_)
        return;
    if (kind_ == FileKind::pipe || kind_ == FileKind::terminal)
        open_anew(access);
    if (own_ >= 0)
        return;
    if (::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        throw system_error(last_error(),
                           "PipeIOStream: descriptor " + std::to_string(fd) + ": O_NONBLOCK");
    switched_by_ = ::getpid();
}

// Where it fails, own_ stays empty.
void ForeignFile::open_anew(int access) noexcept {
    char path[32] = "/proc/self/fd/";
    auto* const end = path + std::char_traits<char>::length(path);
    std::to_chars(end, std::end(path), given_);
    int const own = retry([&] { return ::open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); });
    // A FIFO that is opened anew takes a writer that has been and gone for one that is yet to come.
    if (own >= 0 && kind_ == FileKind::pipe && readable_ && detail::hangs_up(given_))
        ::close(own);
    else
        own_ = own;
}

bool ForeignFile::hangs_up() const noexcept {
    return detail::hangs_up(used());
}

void ForeignFile::close() noexcept {
    if (int const fd = release(); fd >= 0)
        ::close(fd);
}

int ForeignFile::release() noexcept {
    if (std::exchange(switched_by_, 0) == ::getpid())
        ::fcntl(given_, F_SETFL, ::fcntl(given_, F_GETFL) & ~O_NONBLOCK);
    if (own_ >= 0)
        ::close(std::exchange(own_, -1));
    return std::exchange(given_, -1);
}

} // namespace tornado::detail
