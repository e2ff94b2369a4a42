// SPDX-License-Identifier: BSL-1.0
#include "transport/quiet_write.hpp"

#include "retry.hpp"
#include "transport/without_sigpipe.hpp"

#include <atomic>
#include <cerrno>
#include <numeric>

namespace tornado::detail {

ssize_t quiet_write(int fd, iovec const* buffers, std::size_t count) noexcept {
    constexpr int rwf_nosignal = 0x100; // RWF_NOSIGNAL, which Linux has since 6.18
    constexpr off64_t here = -1;        // writev's place in the file: a pipe has no other
    static std::atomic<bool> known = true;
    if (known.load(std::memory_order_relaxed)) {
        auto const n = retry(
            [&] { return ::pwritev2(fd, buffers, static_cast<int>(count), here, rwf_nosignal); });
        if (n != -1 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS))
            return n;
        known = false;
    }
    return quiet_write_by_mask(fd, buffers, count);
}

ssize_t quiet_write_by_mask(int fd, iovec const* buffers, std::size_t count) noexcept {
    auto const whole =
        std::accumulate(buffers, buffers + count, std::size_t(0),
                        [](std::size_t sum, iovec const& buffer) { return sum + buffer.iov_len; });
    return without_sigpipe(whole, [&] { return ::writev(fd, buffers, static_cast<int>(count)); });
}

} // namespace tornado::detail
