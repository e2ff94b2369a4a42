// SPDX-License-Identifier: BSL-1.0
// A descriptor that came from outside, made ready to be attempted without blocking, and without
// changing anything for others who use the same file.
#pragma once

#include <sys/types.h>

namespace tornado::detail {

/// O_NONBLOCK belongs to the open file, which other processes may share, as all that a shell starts
/// share its terminal. So a pipe, a FIFO or a terminal that blocks is opened once more, by
/// /proc/self/fd, and left as it is. What cannot be (sockets, the master of a pseudo-terminal, most
/// devices, a terminal of another user) is switched, and switched back in the end. A device that
/// epoll refuses, such as /dev/null, never makes anyone wait, and is left alone.
class ForeignFile {
public:
    enum class Kind : unsigned char { pipe, socket, terminal, master, device };

    /// Throws std::invalid_argument, which names the descriptor and the remedy, when it is not open
    /// or no stream of bytes.
    explicit ForeignFile(int fd);
    ForeignFile(ForeignFile const&) = delete;
    ForeignFile& operator=(ForeignFile const&) = delete;
    /// release().
    ~ForeignFile() { release(); }

    Kind kind() const noexcept { return kind_; }
    bool readable() const noexcept { return readable_; }
    bool writable() const noexcept { return writable_; }
    bool can_be_waited_for() const noexcept { return waitable_; }
    /// The other end of a pipe has gone: the last writer after one was there, or the last reader.
    bool hangs_up() const noexcept;

    /// The caller's descriptor; -1 after close() and release().
    int given() const noexcept { return given_; }
    /// The one to read and write.
    int used() const noexcept { return own_ < 0 ? given_ : own_; }

    void close() noexcept;
    /// Gives the caller's descriptor back as it was.
    int release() noexcept;

private:
    void open_anew(int access) noexcept;

    int given_;
    int own_ = -1;
    Kind kind_;
    bool readable_;
    bool writable_;
    bool waitable_ = true;
    pid_t switched_by_ = 0; // which process has set O_NONBLOCK: its children leave that alone
};

} // namespace tornado::detail
