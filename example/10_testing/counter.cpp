// SPDX-License-Identifier: BSL-1.0
// Nothing in a server that is to be tested knows of its tests.
#include "counter.hpp"

#include <charconv>
#include <stdexcept>
#include <string>
#include <system_error>

namespace demo {

boost::asio::awaitable<void> Counter::handle_stream(tornado::IOStreamPtr stream,
                                                    tornado::Address address) {
    long sum = 0;
    for (;;) {
        auto const line = co_await stream->read_until("\n", 32);
        auto const* const end = line.data() + line.size() - 1;
        long number = 0;
        if (line == "+\n") {
            stream->write(std::to_string(std::exchange(sum, 0)) + "\n");
        } else if (auto const [rest, wrong] = std::from_chars(line.data(), end, number);
                   wrong == std::errc() && rest == end) {
            sum += number;
        } else {
            throw std::runtime_error(address.to_string() + " sent what is no number");
        }
    }
}

} // namespace demo
