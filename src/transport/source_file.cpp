// SPDX-License-Identifier: BSL-1.0
#include "transport/source_file.hpp"

#include "last_error.hpp"

#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace tornado::detail {
namespace {

[[noreturn]] void refuse_file(int fd, std::string const& why) {
    throw std::invalid_argument("send_file: descriptor " + std::to_string(fd) + why);
}

void check(int fd, std::uint64_t offset, std::uint64_t count) {
    int const flags = ::fcntl(fd, F_GETFL);
    struct stat status {};
    if (flags == -1 || ::fstat(fd, &status) != 0)
        refuse_file(fd, " is not open: give one that is");
    if (S_ISDIR(status.st_mode))
        refuse_file(fd, " is a directory: give a regular file");
    if (!S_ISREG(status.st_mode))
        refuse_file(fd,
                    " is no regular file, and has no bytes at an offset: read it with a stream of "
                    "its own, and write what comes");
    if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY)
        refuse_file(fd, " cannot be read: open it with O_RDONLY");
    auto const size = static_cast<std::uint64_t>(status.st_size);
    if (offset > size || count > size - offset)
        refuse_file(fd, " has " + std::to_string(size) + " bytes, and " + std::to_string(count) +
                            " are to be sent from " + std::to_string(offset) +
                            " on: send no more than there are");
}

} // namespace

SourceFile::SourceFile(int descriptor, std::uint64_t offset, std::uint64_t count)
    : offset_(offset), count_(count) {
    check(descriptor, offset, count);
    descriptor_ = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (descriptor_ == -1)
        throw system_error(last_error(),
                           "send_file: descriptor " + std::to_string(descriptor) + ": dup");
}

SourceFile::~SourceFile() {
    ::close(descriptor_);
}

} // namespace tornado::detail
