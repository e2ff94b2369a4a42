// SPDX-License-Identifier: BSL-1.0
// A plugin that runs its thread's loop.
#include <tornado/ioloop.hpp>

#include <iostream>

extern "C" [[gnu::visibility("default")]] tornado::IOLoop* run_plugin() {
    auto& loop = tornado::IOLoop::current();
    loop.add_callback([&] {
        std::cout << "hello from the plugin\n";
        loop.stop();
    });
    loop.start();
    return &loop;
}
