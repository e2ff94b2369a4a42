// SPDX-License-Identifier: BSL-1.0
// While it lives, no thread can be made: each is to have a stack larger than all memory.
#pragma once

#include <cstddef>
#include <pthread.h>

namespace tornado::test {

class NoThreads {
public:
    NoThreads() {
        ::pthread_getattr_default_np(&former_);
        pthread_attr_t vast = former_;
        ::pthread_attr_setstacksize(&vast, std::size_t{1} << 60);
        ::pthread_setattr_default_np(&vast);
    }
    NoThreads(NoThreads const&) = delete;
    NoThreads& operator=(NoThreads const&) = delete;
    ~NoThreads() { ::pthread_setattr_default_np(&former_); }

private:
    pthread_attr_t former_;
};

} // namespace tornado::test
