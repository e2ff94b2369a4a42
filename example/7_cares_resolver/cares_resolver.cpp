// SPDX-License-Identifier: BSL-1.0
// c-ares names descriptors and a point in time; the loop tells it when they are there.
#include "cares_resolver.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

using tornado::IOLoop;
namespace asio = boost::asio;

namespace {

void check(int status, std::string const& what) {
    if (status != ARES_SUCCESS)
        throw std::runtime_error(what + ": " + ares_strerror(status));
}

// In the words of Resolver::resolve.
tornado::error_code code_of(int status) {
    switch (status) {
    case ARES_SUCCESS:
        return {};
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
        return asio::error::host_not_found;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
        return asio::error::operation_aborted;
    case ARES_ENOMEM:
        return asio::error::no_memory;
    default: // no server, or one that does not know
        return asio::error::host_not_found_try_again;
    }
}

std::vector<tornado::Address> addresses_of(ares_addrinfo const& found, std::uint16_t port) {
    std::vector<tornado::Address> addresses;
    for (auto const* node = found.nodes; node; node = node->ai_next) {
        asio::ip::tcp::endpoint endpoint;
        endpoint.resize(node->ai_addrlen);
        std::memcpy(endpoint.data(), node->ai_addr, node->ai_addrlen);
        endpoint.port(port);
        if (tornado::Address const address = endpoint;
            std::ranges::find(addresses, address) == addresses.end())
            addresses.push_back(address);
    }
    return addresses;
}

// What c-ares keeps for a look-up.
struct Question {
    Question(tornado::Resolver::Completion&& whose, std::uint16_t with)
        : completion(std::move(whose)), port(with) {}

    tornado::Resolver::Completion completion;
    std::uint16_t port;
};

// Whether anybody still waits, the completion knows; c-ares cannot forget a single question.
void answered(void* data, int status, int, ares_addrinfo* result) noexcept {
    std::unique_ptr<Question> const question(static_cast<Question*>(data));
    std::unique_ptr<ares_addrinfo, decltype(&ares_freeaddrinfo)> const found(result,
                                                                             ares_freeaddrinfo);
    question->completion(code_of(status), found ? addresses_of(*found, question->port)
                                                : std::vector<tornado::Address>());
}

} // namespace

CaresResolver::Library::Library() {
    check(ares_library_init(ARES_LIB_INIT_ALL), "c-ares");
}

CaresResolver::CaresResolver(IOLoop& loop, CaresSettings const& settings)
    : Resolver(loop), loop_(loop) {
    ares_options options{};
    options.timeout = static_cast<int>(settings.try_time.count());
    options.tries = static_cast<int>(settings.tries);
    options.sock_state_cb_data = this;
    options.sock_state_cb = [](void* self, int fd, int readable, int writable) noexcept {
        static_cast<CaresResolver*>(self)->watch(fd, (readable ? IOLoop::READ : IOLoop::NONE) |
                                                         (writable ? IOLoop::WRITE : IOLoop::NONE));
    };
    ares_channel channel = nullptr;
    check(ares_init_options(&channel, &options,
                            ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB),
          "c-ares");
    channel_.reset(channel);
    if (!settings.servers.empty())
        check(ares_set_servers_ports_csv(channel, settings.servers.c_str()),
              "'" + settings.servers + "' are no name servers, give IP:PORT");
}

CaresResolver::~CaresResolver() {
    CaresResolver::close();
}

void CaresResolver::close() {
    loop_.remove_timeout(timer_);
    channel_.reset(); // answers what is asked, and closes its descriptors
}

void CaresResolver::look_up(std::string host, std::uint16_t port, int family,
                            Completion completion) {
    if (!channel_)
        return completion(asio::error::operation_aborted);
    // What needs no server, and what c-ares 1.18 would ask one for nevertheless.
    if (host.empty() || host.find('\0') != host.npos || tornado::is_valid_ip(host))
        return Resolver::look_up(std::move(host), port, family, std::move(completion));
    ares_addrinfo_hints hints{};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    auto question = std::make_unique<Question>(std::move(completion), port);
    ares_getaddrinfo(channel_.get(), host.c_str(), nullptr, &hints, answered, question.release());
    set_timer();
}

void CaresResolver::watch(int fd, unsigned events) {
    loop_.remove_handler(fd);
    if (events != IOLoop::NONE)
        loop_.add_handler(
            fd,
            [this](int ready, unsigned is) {
                process((is & IOLoop::READ) ? ready : ARES_SOCKET_BAD,
                        (is & IOLoop::WRITE) ? ready : ARES_SOCKET_BAD);
            },
            events);
}

void CaresResolver::process(int readable, int writable) {
    ares_process_fd(channel_.get(), readable, writable);
    set_timer();
}

void CaresResolver::set_timer() {
    loop_.remove_timeout(timer_);
    timeval wait{};
    if (ares_timeout(channel_.get(), nullptr, &wait))
        timer_ = loop_.call_later(std::chrono::seconds(wait.tv_sec) +
                                      std::chrono::microseconds(wait.tv_usec),
                                  [this] { process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); });
}
