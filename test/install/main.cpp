// SPDX-License-Identifier: BSL-1.0
// The least program that needs all the headers, the library and what the library stands on.
#include <tornado.hpp>
#include <tornado/beast.hpp>
#include <tornado/testing.hpp>

#include "plugin.hpp"

#include <iostream>

int main(int argc, char** argv) {
    tornado::IOLoop loop;
    loop.add_callback([&] {
        std::cout << "hello from the loop\n";
        loop.stop();
    });
    loop.start();
    return argc == 2 ? check_plugin(argv[1]) : 0;
}
