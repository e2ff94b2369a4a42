// SPDX-License-Identifier: BSL-1.0
// A key-value store: lines that command, and values of any bytes behind them. A port of
// keyvalue.py.
#include <tornado.hpp>

#include <charconv>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

using namespace tornado;

namespace {

constexpr std::size_t max_value = 1024 * 1024;
std::map<std::string, std::string> values;

std::vector<std::string> split(std::string const& line) {
    std::istringstream words(line);
    return {std::istream_iterator<std::string>(words), {}};
}

// More than max_value if it is more than a number holds; nothing if it is none.
std::optional<std::size_t> number(std::string const& text) {
    std::size_t value = 0;
    auto const [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end != text.data() + text.size() || ec == std::errc::invalid_argument)
        return {};
    return ec == std::errc() ? value : max_value + 1;
}

// What is answered to a command; nothing ends the connection.
asio::awaitable<std::optional<std::string>> answer(IOStreamPtr stream,
                                                   std::vector<std::string> words) {
    auto const command = words.empty() ? "" : words[0];
    if (command == "set" && words.size() == 3) {
        if (auto const size = number(words[2])) {
            if (*size > max_value)
                co_return std::nullopt;
            auto value = co_await stream->read_bytes(*size + 2);
            value.resize(*size);
            values[words[1]] = std::move(value);
            co_return "stored\r\n";
        }
    }
    if (command == "get" && words.size() == 2) {
        auto const found = values.find(words[1]);
        if (found == values.end())
            co_return "not found\r\n";
        auto const& value = found->second;
        co_return "value " + std::to_string(value.size()) + "\r\n" + value + "\r\n";
    }
    if (command == "delete" && words.size() == 2)
        co_return values.erase(words[1]) == 0 ? "not found\r\n" : "deleted\r\n";
    if (command == "quit")
        co_return std::nullopt;
    co_return "error\r\n";
}

class KeyValue : public TCPServer {
    asio::awaitable<void> handle_stream(IOStreamPtr stream, Address) override {
        for (;;) {
            auto const line = co_await stream->read_until("\r\n", 512);
            auto said = co_await answer(stream, split(line));
            if (!said)
                co_return; // nobody holds the stream then, and it closes
            co_await stream->write(std::move(*said));
        }
    }
};

} // namespace

int main(int argc, char** argv) {
    IOLoop loop;
    KeyValue server;
    server.listen(argc > 1 ? std::stoi(argv[1]) : 8888, "127.0.0.1");
    std::cout << server.addresses().front().port() << std::endl;
    loop.start();
}
