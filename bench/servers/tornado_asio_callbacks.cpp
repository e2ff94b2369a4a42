// SPDX-License-Identifier: BSL-1.0
// The library in Tornado 3's form, over TCP.
#include "tornado_asio_callbacks.hpp"

int main(int argc, char** argv) {
    bench::run(bench::parse(argc, argv), {});
}
