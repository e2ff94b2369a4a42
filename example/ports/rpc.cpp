// SPDX-License-Identifier: BSL-1.0
// Remote calls in frames, any number at a time on a connection. A port of rpc.py, which says what a
// frame is.
#include <tornado.hpp>

#include <boost/endian/conversion.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

using namespace tornado;

namespace {

constexpr std::size_t max_frame = 64 * 1024;
enum Status : char { ok, no_method, failed };

std::string pack(std::size_t number) {
    unsigned char bytes[4];
    boost::endian::store_big_u32(bytes, static_cast<std::uint32_t>(number));
    return {bytes, bytes + 4};
}

std::size_t unpack(std::string const& bytes) {
    return boost::endian::load_big_u32(reinterpret_cast<unsigned char const*>(bytes.data()));
}

int to_int(std::string const& word) { // std::stoi, of a whole word
    std::size_t end = 0;
    int const value = std::stoi(word, &end);
    if (end != word.size())
        throw std::invalid_argument(word);
    return value;
}

asio::awaitable<std::string> upper(std::string argument) {
    for (auto& c : argument)
        if (c >= 'a' && c <= 'z')
            c = static_cast<char>(c - 'a' + 'A');
    co_return argument;
}

asio::awaitable<std::string> add(std::string argument) {
    std::istringstream words(argument);
    long long sum = 0;
    for (std::string word; words >> word;)
        sum += to_int(word);
    co_return std::to_string(sum);
}

asio::awaitable<std::string> wait(std::string argument) {
    co_await sleep(std::chrono::milliseconds(to_int(argument)));
    co_return "waited";
}

std::map<std::string, std::function<asio::awaitable<std::string>(std::string)>> const methods = {
    {"upper", upper}, {"add", add}, {"wait", wait}};

asio::awaitable<std::pair<Status, std::string>> call(std::string method, std::string argument) {
    auto const found = methods.find(method);
    if (found == methods.end())
        co_return std::pair(no_method, method);
    try {
        co_return std::pair(ok, co_await found->second(argument));
    } catch (std::logic_error const&) { // std::stoi's two
    }
    co_return std::pair(failed, argument);
}

asio::awaitable<void> reply(IOStreamPtr stream, std::string frame) {
    auto const number = frame.substr(0, 4);
    auto const end = std::min(frame.find('\0', 4), frame.size());
    auto const argument = frame.substr(std::min(end + 1, frame.size()));
    auto const [status, result] = co_await call(frame.substr(4, end - 4), argument);
    stream->write(pack(5 + result.size()) + number + static_cast<char>(status) + result);
}

class Rpc : public TCPServer {
    asio::awaitable<void> handle_stream(IOStreamPtr stream, Address) override {
        for (;;) {
            auto const size = unpack(co_await stream->read_bytes(4));
            if (size < 4 || size > max_frame) {
                stream->close(); // calls that are under way hold it, too
                co_return;
            }
            auto frame = co_await stream->read_bytes(size);
            IOLoop::current().spawn_callback(reply, stream, std::move(frame));
        }
    }
};

} // namespace

int main(int argc, char** argv) {
    IOLoop loop;
    Rpc server;
    server.listen(argc > 1 ? std::stoi(argv[1]) : 8888, "127.0.0.1");
    std::cout << server.addresses().front().port() << std::endl;
    loop.start();
}
