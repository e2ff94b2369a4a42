// SPDX-License-Identifier: BSL-1.0
#include "transport/send_by_reading.hpp"

#include "bytes/block_cache.hpp"
#include "last_error.hpp"
#include "retry.hpp"

#include <algorithm>
#include <cerrno>
#include <unistd.h>

namespace tornado::detail {

std::size_t send_by_reading(Transport& transport, int file, std::uint64_t offset, std::size_t count,
                            error_code& ec) {
    auto block = take_block();
    std::size_t sent = 0;
    while (sent != count) {
        auto const room = std::min(count - sent, block_size);
        auto const at = static_cast<off_t>(offset + sent);
        auto const size = retry([&] { return ::pread(file, block.get(), room, at); });
        if (size < 0)
            ec = last_error();
        if (size <= 0)
            break;
        asio::const_buffer const bytes(block.get(), static_cast<std::size_t>(size));
        auto const n = transport.write_some({&bytes, 1}, ec);
        sent += n;
        if (ec || n != bytes.size())
            break;
    }
    give_block(std::move(block));
    return sent;
}

std::size_t sent_or_by_reading(ssize_t result, Transport& transport, int file, std::uint64_t offset,
                               std::size_t count, error_code& ec) {
    if (result >= 0)
        return static_cast<std::size_t>(result);
    if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)
        return send_by_reading(transport, file, offset, count, ec);
    ec = last_error();
    return 0;
}

} // namespace tornado::detail
