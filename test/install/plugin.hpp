// SPDX-License-Identifier: BSL-1.0
// Loads the plugin, which has the library inside or shares it with the program.
#pragma once

#include <tornado/ioloop.hpp>

#include <dlfcn.h>
#include <iostream>

#ifdef TORNADO_ASIO_STATIC
constexpr bool shared = false;
#else
constexpr bool shared = true;
#endif

/// An exit code: whether the plugin runs, and whether its loop is the program's.
inline int check_plugin(char const* path) {
    void* const plugin = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void* const function = plugin ? ::dlsym(plugin, "run_plugin") : nullptr;
    if (!function) {
        std::cerr << ::dlerror() << "\n";
        return 1;
    }
    auto* const loop = reinterpret_cast<tornado::IOLoop* (*)()>(function)();
    if ((loop == &tornado::IOLoop::current()) != shared) {
        std::cerr << "the plugin is on " << (shared ? "a loop of its own\n" : "our loop\n");
        return 1;
    }
    return 0;
}
