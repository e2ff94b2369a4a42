// SPDX-License-Identifier: BSL-1.0
// A part of a file that a stream is to send.
#pragma once

#include <cstdint>

namespace tornado::detail {

/// Holds the file open by a descriptor of its own, so that nobody else's close, and no other file
/// of the same number, comes in between.
class SourceFile {
public:
    /// Throws std::invalid_argument, which names the descriptor and the remedy, when it is no
    /// regular file that can be read, or has fewer bytes; system_error when no descriptor is left.
    SourceFile(int descriptor, std::uint64_t offset, std::uint64_t count);
    SourceFile(SourceFile const&) = delete;
    SourceFile& operator=(SourceFile const&) = delete;
    ~SourceFile();

    int descriptor() const noexcept { return descriptor_; }
    std::uint64_t offset() const noexcept { return offset_; }
    std::uint64_t count() const noexcept { return count_; }

private:
    int descriptor_;
    std::uint64_t offset_;
    std::uint64_t count_;
};

} // namespace tornado::detail
