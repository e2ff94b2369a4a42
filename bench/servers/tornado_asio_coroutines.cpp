// SPDX-License-Identifier: BSL-1.0
// The library in Tornado 6's form, over TCP.
#include "tornado_asio_coroutines.hpp"

int main(int argc, char** argv) {
    bench::run(bench::parse(argc, argv), {});
}
