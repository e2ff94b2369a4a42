// SPDX-License-Identifier: BSL-1.0
// Names become descriptors here, and only here.
#include "static_files.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace demo {
namespace {

[[noreturn]] void throw_errno(std::string const& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

int open_beneath(int root, char const* name, std::uint64_t flags) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    return static_cast<int>(::syscall(SYS_openat2, root, name, &how, sizeof how));
}

// Changes with every change of the file that its time stamp or size shows.
std::string make_etag(struct stat const& status) {
    char text[64];
    int const size = std::snprintf(text, sizeof text, "\"%llx.%lx-%llx\"",
                                   static_cast<unsigned long long>(status.st_mtim.tv_sec),
                                   static_cast<unsigned long>(status.st_mtim.tv_nsec),
                                   static_cast<unsigned long long>(status.st_size));
    return {text, static_cast<std::size_t>(size)};
}

} // namespace

File::File(int descriptor, std::uint64_t size, Validators validators) noexcept
    : descriptor_(descriptor), size_(size), validators_(std::move(validators)) {}

File::File(File&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      validators_(std::move(other.validators_)) {}

File& File::operator=(File&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(size_, other.size_);
    std::swap(validators_, other.validators_);
    return *this;
}

File::~File() {
    if (descriptor_ != -1)
        ::close(descriptor_);
}

bool File::read(std::uint64_t offset, std::size_t length, std::string& out) const {
    auto const begin = out.size();
    out.resize(begin + length);
    std::size_t done = 0;
    while (done != length) {
        auto const n = ::pread(descriptor_, out.data() + begin + done, length - done,
                               static_cast<off_t>(offset + done));
        if (n <= 0)
            break;
        done += static_cast<std::size_t>(n);
    }
    out.resize(begin + done);
    return done == length;
}

StaticFiles::StaticFiles(std::string const& root)
    : root_(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    if (root_ == -1)
        throw_errno("cannot serve files from '" + root + "': give an existing folder");
    int const probe = open_beneath(root_, ".", O_PATH);
    if (probe == -1) {
        ::close(root_);
        throw_errno("cannot serve files safely: this system lacks openat2 (Linux 5.6 has it)");
    }
    ::close(probe);
}

StaticFiles::~StaticFiles() {
    ::close(root_);
}

std::optional<File> StaticFiles::open(std::string const& name) const {
    int const descriptor = open_beneath(root_, name.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (descriptor == -1) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            throw_errno("cannot open '" + name + "'");
        return {};
    }
    struct stat status {};
    if (::fstat(descriptor, &status) == -1 || !S_ISREG(status.st_mode)) {
        ::close(descriptor);
        return {};
    }
    return File(descriptor, static_cast<std::uint64_t>(status.st_size),
                {make_etag(status), status.st_mtim.tv_sec});
}

std::string_view content_type(std::string_view name) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 20> types{{
        {"html", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"json", "application/json"},
        {"xml", "application/xml"},
        {"svg", "image/svg+xml"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"webp", "image/webp"},
        {"ico", "image/vnd.microsoft.icon"},
        {"woff2", "font/woff2"},
        {"wasm", "application/wasm"},
        {"pdf", "application/pdf"},
        {"mp4", "video/mp4"},
    }};
    auto const dot = name.rfind('.');
    if (dot != name.npos)
        for (auto const& [ending, type] : types)
            if (name.substr(dot + 1) == ending)
                return type;
    return "application/octet-stream";
}

} // namespace demo
