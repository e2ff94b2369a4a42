// SPDX-License-Identifier: BSL-1.0
// The least program that needs the headers, the library and what the library stands on.
#include <tornado/ioloop.hpp>

#include <iostream>

int main() {
    tornado::IOLoop loop;
    loop.add_callback([&] {
        std::cout << "hello from the loop\n";
        loop.stop();
    });
    loop.start();
}
