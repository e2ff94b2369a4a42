// SPDX-License-Identifier: BSL-1.0
// Room for what Asio keeps of a wait, in the object that waits.
#pragma once

#include "tornado/error.hpp"

#include <boost/asio/recycling_allocator.hpp>

#include <cstddef>

namespace tornado::detail {

/// Holds one wait at a time, so that an idle stream has no other memory for it, and none has to be
/// found when it waits. A second one, or one that is larger, has its memory from Asio.
class WaitMemory {
public:
    /// What a wait takes of a socket that is an io_context's, with Boost 1.81.
    static constexpr std::size_t room = 13 * sizeof(void*);

    WaitMemory() = default;
    WaitMemory(WaitMemory const&) = delete;
    WaitMemory& operator=(WaitMemory const&) = delete;

    void* take(std::size_t size) noexcept {
        if (size > room || taken_)
            return nullptr;
        taken_ = true;
        return storage_;
    }
    /// False if it is another's.
    bool give_back(void* memory) noexcept {
        if (memory != storage_)
            return false;
        taken_ = false;
        return true;
    }

private:
    alignas(std::max_align_t) std::byte storage_[room];
    bool taken_ = false;
};

/// For Asio.
template <class T>
class WaitAllocator {
public:
    using value_type = T;

    explicit WaitAllocator(WaitMemory& memory) noexcept : memory_(&memory) {}
    template <class U>
    WaitAllocator(WaitAllocator<U> const& other) noexcept : memory_(other.memory_) {}

    T* allocate(std::size_t n) {
        auto* const memory = memory_->take(n * sizeof(T));
        return memory ? static_cast<T*>(memory) : asio::recycling_allocator<T>().allocate(n);
    }
    void deallocate(T* memory, std::size_t n) noexcept {
        if (!memory_->give_back(memory))
            asio::recycling_allocator<T>().deallocate(memory, n);
    }

    template <class U>
    bool operator==(WaitAllocator<U> const& other) const noexcept {
        return memory_ == other.memory_;
    }

private:
    template <class>
    friend class WaitAllocator;

    WaitMemory* memory_;
};

} // namespace tornado::detail
