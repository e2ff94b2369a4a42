// SPDX-License-Identifier: BSL-1.0
// The files under one folder, and no other.
#pragma once

#include "conditional.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace demo {

/// An open regular file. Reading it does not wait for a network, so a small one is read on the
/// loop, as Tornado does.
class File {
public:
    /// Owns the descriptor.
    File(int descriptor, std::uint64_t size, Validators validators) noexcept;
    File(File&& other) noexcept;
    File& operator=(File&& other) noexcept;
    ~File();

    std::uint64_t size() const noexcept { return size_; }
    Validators const& validators() const noexcept { return validators_; }
    int descriptor() const noexcept { return descriptor_; }

    /// Appends bytes from `offset` on, `length` of them; false if the file has become shorter.
    bool read(std::uint64_t offset, std::size_t length, std::string& out) const;

private:
    int descriptor_;
    std::uint64_t size_;
    Validators validators_;
};

/// Opens files beneath a root. The kernel resolves each name within it: neither `..` nor a link
/// leads out (openat2(2), RESOLVE_BENEATH; links that stay inside work).
class StaticFiles {
public:
    /// Throws std::system_error that names the folder.
    explicit StaticFiles(std::string const& root);
    StaticFiles(StaticFiles const&) = delete;
    StaticFiles& operator=(StaticFiles const&) = delete;
    ~StaticFiles();

    /// Nothing if there is no regular file of this relative name. Throws std::system_error when the
    /// system, and not the name, is at fault.
    std::optional<File> open(std::string const& name) const;

private:
    int root_;
};

/// The Content-Type of a file, by the end of its name.
std::string_view content_type(std::string_view name);

} // namespace demo
