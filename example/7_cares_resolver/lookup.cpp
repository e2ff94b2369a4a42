// SPDX-License-Identifier: BSL-1.0
// Looks up all names of the command line at a time, or connects to them.
#include <tornado.hpp>

#include "cares_resolver.hpp"
#include "describe.hpp"
#include "operands.hpp"
#include "serve.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace asio = boost::asio;

namespace {

asio::awaitable<std::string> look_up(tornado::Resolver& resolver, std::string const& name,
                                     int family) {
    std::string line = name + ':';
    for (auto const& address : co_await resolver.resolve(name, 0, family))
        line += ' ' + address.ip();
    co_return line;
}

asio::awaitable<std::string> connect(tornado::TCPClient& client, std::string const& name,
                                     std::uint16_t port, int family) {
    tornado::ConnectOptions options;
    options.family = family;
    auto const stream = co_await client.connect(name, port, options);
    co_return name + ": connected to " + stream->remote_address().to_string();
}

} // namespace

int main(int argc, char** argv) {
    bool complete = true;
    auto const code = example::run("lookup", [&] {
        auto const names = example::take_operands(argc, argv);
        CaresSettings settings;
        example::Options::seconds timeout = std::chrono::seconds(10);
        std::optional<std::uint16_t> port;
        bool ipv4 = false;
        bool ipv6 = false;
        example::Options options("lookup NAME...", "the addresses of names, by c-ares");
        options.add("server", &settings.servers, "IP:PORT of a name server; none: the system's");
        options.add("try-time", &settings.try_time, "for a server's answer to the first try");
        options.add("tries", &settings.tries, "of each server");
        options.add("timeout", &timeout, "for all names");
        options.add("connect", &port, "connect to this port of each name");
        options.add("ipv4", &ipv4, "only these addresses");
        options.add("ipv6", &ipv6, "only these addresses");
        if (!options.parse(argc, argv))
            return;
        if (names.empty())
            throw std::invalid_argument("give at least one NAME first; --help lists the options");
        int const family = ipv4 == ipv6 ? AF_UNSPEC : ipv4 ? AF_INET : AF_INET6;

        tornado::set_log_level(tornado::LogLevel::error); // what fails is said once, here
        tornado::IOLoop loop;
        example::DescribeOnSignal const describing(loop);
        CaresResolver resolver(loop, settings);
        tornado::TCPClient client(loop, &resolver);
        std::deque<asio::cancellation_signal> cancel; // one for each name
        auto left = names.size();
        for (auto const& name : names) {
            auto const tell = [&](std::exception_ptr failure, std::string const& line) {
                try {
                    if (failure)
                        std::rethrow_exception(failure);
                    std::cout << line << std::endl;
                } catch (tornado::system_error const& e) {
                    std::cerr << "lookup: " << name << ": " << e.code().message() << std::endl;
                    complete = false;
                }
                if (--left == 0)
                    loop.stop();
            };
            asio::co_spawn(loop.get_executor(),
                           port ? connect(client, name, *port, family)
                                : look_up(resolver, name, family),
                           asio::bind_cancellation_slot(cancel.emplace_back().slot(), tell));
        }
        loop.call_later(timeout, [&] {
            for (auto& each : cancel)
                each.emit(asio::cancellation_type::terminal);
        });
        loop.start();
    });
    return complete ? code : 1;
}
