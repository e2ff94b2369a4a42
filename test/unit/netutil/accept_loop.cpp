// SPDX-License-Identifier: BSL-1.0
// Accepting: in batches, through errors, out of descriptors, ended at any moment.
#include "netutil/accept_loop.hpp"

#include "tornado/ioloop.hpp"
#include "tornado/log.hpp"
#include "tornado/testing.hpp"

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <deque>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <unordered_set>
#include <vector>

using namespace tornado;
using detail::AcceptLoop;
using detail::Descriptor;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::string_literals::operator""s;

namespace {

std::deque<int> scripted_errors; // what the next calls of accept4 fail with

} // namespace

// The test's accept4 stands before the C library's, to fail as scripted.
extern "C" int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
    if (!scripted_errors.empty()) {
        errno = scripted_errors.front();
        scripted_errors.pop_front();
        return -1;
    }
    return static_cast<int>(::syscall(SYS_accept4, fd, address, size, flags));
}

namespace {

constexpr auto bound = 20s;

Descriptor connect_to(Address const& address, std::string const& own_name = {}) {
    Descriptor client(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    int const fd = client.native_handle();
    auto const bind_or_connect = [&](auto call, Address const& to) {
        auto const endpoint = to.endpoint();
        return call(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0;
    };
    if (!own_name.empty() &&
        !bind_or_connect(::bind, asio::local::stream_protocol::endpoint(own_name)))
        throw std::runtime_error("bind");
    if (!bind_or_connect(::connect, address))
        throw system_error(errno, boost::system::system_category());
    return client;
}

Address own_address(Descriptor const& socket) {
    asio::generic::stream_protocol::endpoint endpoint;
    auto size = static_cast<socklen_t>(endpoint.capacity());
    ::getsockname(socket.native_handle(), endpoint.data(), &size);
    endpoint.resize(size);
    return endpoint;
}

/// End of stream or a reset: the other side has closed.
bool is_closed(Descriptor const& socket) {
    timeval const limit{10, 0};
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char byte;
    auto const n = ::recv(socket.native_handle(), &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

struct Logged {
    LogLevel level;
    Logger logger;
    std::string message;
};

/// A listening socket on a context that is turned by hand, with what it accepted and what was
/// logged.
struct Fixture {
    explicit Fixture(ListenSocket socket = bind_unused_port().first)
        : loop(std::make_shared<AcceptLoop>(context.get_executor(), std::move(socket),
                                            [this](AcceptedSocket connection, Address address) {
                                                accepted.push_back(std::move(connection));
                                                peers.push_back(std::move(address));
                                                if (on_accept)
                                                    on_accept();
                                            })) {
        set_log_sink([this](LogRecord const& record) {
            log.push_back({record.level, record.logger, std::string(record.message)});
        });
        loop->start();
    }
    ~Fixture() {
        scripted_errors.clear();
        set_log_sink({});
    }

    void connect(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i)
            clients.push_back(connect_to(loop->local_address()));
    }
    /// One turn of the loop: true when something happened within the bound.
    bool turn() { return context.run_one_for(bound) == 1; }
    /// The stopped loop leaves no work behind, and nothing to wait for.
    bool runs_out_of_work() {
        context.restart();
        context.poll();
        return context.stopped();
    }

    asio::io_context context;
    std::vector<AcceptedSocket> accepted;
    std::vector<Address> peers;
    std::vector<Descriptor> clients;
    std::vector<Logged> log;
    std::function<void()> on_accept;
    std::shared_ptr<AcceptLoop> loop;
};

/// Leaves this process without a free descriptor; restores the limit at the end.
class NoDescriptors {
public:
    NoDescriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        int const lowest_free =
            Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)).native_handle();
        rlimit const none{static_cast<rlim_t>(lowest_free), before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &none);
    }
    ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

} // namespace

BOOST_AUTO_TEST_SUITE(accept_loop)

BOOST_AUTO_TEST_CASE(T188_one_turn_takes_all_that_wait_up_to_128) {
    Fixture f;
    f.connect(300);
    BOOST_TEST(f.accepted.empty());
    for (std::size_t const expected : {128U, 256U, 300U}) {
        BOOST_TEST(f.turn());
        BOOST_TEST(f.accepted.size() == expected);
    }
    BOOST_TEST(f.context.poll() == 0U);
}

BOOST_AUTO_TEST_CASE(other_handlers_get_their_turn_between_batches) {
    Fixture f;
    f.connect(200);
    std::size_t accepted_before_it = 0;
    f.on_accept = [&] {
        if (f.accepted.size() == 1)
            asio::post(f.context, [&] { accepted_before_it = f.accepted.size(); });
    };
    while (f.accepted.size() < 200)
        BOOST_TEST_REQUIRE(f.turn());
    BOOST_TEST(accepted_before_it == 128U);
}

BOOST_AUTO_TEST_CASE(a_burst_loses_no_connection) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    rlimit const before = limit;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    std::size_t const count = std::min<std::size_t>(5000, (limit.rlim_cur - 200) / 2);
    {
        Fixture f;
        std::atomic<std::size_t> failed{0};
        std::thread peer([&, address = f.loop->local_address()] {
            for (std::size_t i = 0; i < count; ++i)
                try {
                    f.clients.push_back(connect_to(address));
                } catch (std::exception const&) {
                    ++failed;
                }
        });
        while (f.accepted.size() < count && f.turn())
            ;
        peer.join();
        BOOST_TEST(failed == 0U);
        BOOST_TEST(f.accepted.size() == count);
        BOOST_TEST(std::unordered_set(f.peers.begin(), f.peers.end()).size() == count);
        BOOST_TEST(f.loop->errors() == 0U);
    }
    ::setrlimit(RLIMIT_NOFILE, &before);
}

BOOST_AUTO_TEST_CASE(accepted_connections_are_fit_for_a_loop) {
    Fixture f;
    f.connect(1);
    f.turn();
    AcceptedSocket connection = std::move(f.accepted.at(0));
    int const fd = connection.native_handle();
    BOOST_TEST((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    BOOST_TEST((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    int nodelay = 0;
    socklen_t size = sizeof nodelay;
    ::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &size);
    BOOST_TEST(nodelay != 0);
    BOOST_TEST(connection.family() == AF_INET);
    BOOST_TEST(f.peers.at(0) == own_address(f.clients.at(0)));

    BOOST_TEST(connection.protocol().protocol() == IPPROTO_TCP);
    auto const socket = std::move(connection).into_socket(f.context.get_executor());
    BOOST_TEST(connection.native_handle() == -1);
    BOOST_TEST(Address(socket.remote_endpoint()) == f.peers[0]);
}

BOOST_AUTO_TEST_CASE(T187_unix_peers_are_named_when_they_have_a_name) {
    auto const unique = std::to_string(::getpid());
    Fixture f(bind_unix_socket("\0netutil-accept-"s + unique));
    f.connect(1);
    auto const named = connect_to(f.loop->local_address(), "\0netutil-peer-"s + unique);
    f.turn();
    BOOST_TEST_REQUIRE(f.peers.size() == 2U);
    BOOST_TEST(f.peers[0].to_string() == "(unnamed)");
    BOOST_TEST(f.peers[1].to_string() == "@netutil-peer-" + unique);
    BOOST_TEST(f.accepted[0].family() == AF_UNIX);
    BOOST_TEST(f.accepted[0].protocol().protocol() == 0);
}

BOOST_AUTO_TEST_CASE(T188_errors_of_single_connections_are_skipped_and_counted) {
    Fixture f;
    f.connect(2);
    scripted_errors = {ECONNABORTED, EPROTO, EINTR, ENETDOWN, EHOSTUNREACH};
    f.turn();
    BOOST_TEST(f.accepted.size() == 2U);
    BOOST_TEST(f.loop->errors() == 4U); // a signal is none
    BOOST_TEST(f.log.empty());
}

BOOST_AUTO_TEST_CASE(a_peer_that_resets_before_it_is_accepted_harms_nobody) {
    Fixture f;
    f.connect(2);
    linger const reset{1, 0};
    ::setsockopt(f.clients[0].native_handle(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    f.clients.erase(f.clients.begin());
    f.connect(1);
    f.turn();
    BOOST_TEST(std::ranges::count(f.peers, own_address(f.clients[0])) == 1);
    BOOST_TEST(std::ranges::count(f.peers, own_address(f.clients[1])) == 1);
}

BOOST_AUTO_TEST_CASE(T189_running_out_of_descriptors_backs_off_with_one_line) {
    Fixture f;
    f.connect(3);
    auto const begin = std::chrono::steady_clock::now();
    {
        NoDescriptors const shortage;
        for (std::uint64_t attempt = 1; attempt <= 5;
             ++attempt) { // at once, then +10, 20, 40, 80 ms
            BOOST_TEST(f.turn());
            BOOST_TEST(f.loop->errors() == attempt);
        }
    }
    auto const elapsed = std::chrono::steady_clock::now() - begin;
    BOOST_CHECK(elapsed >= 150ms);
    BOOST_TEST(f.accepted.empty());
    BOOST_TEST_REQUIRE(f.log.size() == 1U);
    BOOST_CHECK(f.log[0].level == LogLevel::error);
    BOOST_CHECK(f.log[0].logger == Logger::general);
    for (auto const& part :
         {f.loop->local_address().to_string(), "Too many open files"s, "ulimit -n"s})
        BOOST_TEST(f.log[0].message.find(part) != std::string::npos, f.log[0].message);

    BOOST_TEST(f.turn()); // by itself, when its delay is over
    BOOST_TEST(f.accepted.size() == 3U);
    f.connect(1);
    BOOST_TEST(f.turn());
    BOOST_TEST(f.accepted.size() == 4U);
    BOOST_TEST(f.loop->errors() == 5U);
    BOOST_TEST(f.log.size() == 1U);
}

BOOST_AUTO_TEST_CASE(T189_the_back_off_grows_to_250_ms_and_no_further) {
    Fixture f;
    f.connect(1);
    scripted_errors.assign(9, EMFILE);
    auto const begin = std::chrono::steady_clock::now();
    for (int attempt = 1; attempt <= 9; ++attempt)
        BOOST_TEST(f.turn());
    auto const elapsed = std::chrono::steady_clock::now() - begin;
    BOOST_TEST(f.loop->errors() == 9U);
    BOOST_CHECK(elapsed >= 1060ms); // 10, 20, 40, 80, 160, and three times 250
    BOOST_CHECK(elapsed < 2550ms);  // what doubling alone would take
    BOOST_TEST(f.turn());
    BOOST_TEST(f.accepted.size() == 1U);
}

BOOST_AUTO_TEST_CASE(T189_a_freed_descriptor_ends_the_back_off_at_once) {
    Fixture f;
    f.connect(2);
    scripted_errors = std::deque<int>(20, ENFILE);
    while (!scripted_errors.empty()) { // without retry_now: 4 s
        BOOST_TEST(f.turn());
        f.loop->retry_now();
    }
    BOOST_TEST(f.accepted.empty());
    auto const begin = std::chrono::steady_clock::now();
    BOOST_TEST(f.turn());
    BOOST_CHECK(std::chrono::steady_clock::now() - begin < 200ms);
    BOOST_TEST(f.accepted.size() == 2U);
    BOOST_TEST(f.log.size() == 1U);
    BOOST_TEST(f.log.at(0).message.find("fs.file-max") != std::string::npos);
    f.loop->retry_now();
    BOOST_TEST(f.context.poll() == 0U);
}

BOOST_AUTO_TEST_CASE(T189_each_shortage_is_reported_once) {
    Fixture f;
    f.connect(3);
    // One that succeeds in between does not end a shortage, nothing left to accept does.
    scripted_errors = {EMFILE, EMFILE};
    BOOST_TEST((f.turn() && f.turn()));
    f.on_accept = [&] {
        if (f.accepted.size() == 1)
            scripted_errors = {ENOBUFS, ENOMEM};
    };
    BOOST_TEST((f.turn() && f.turn() && f.turn()));
    BOOST_TEST(f.accepted.size() == 3U);
    BOOST_TEST(f.log.size() == 1U);
    scripted_errors = {EMFILE};
    f.connect(1);
    BOOST_TEST((f.turn() && f.turn()));
    BOOST_TEST(f.accepted.size() == 4U);
    BOOST_TEST(f.log.size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_listener_that_others_shut_down_does_not_spin) {
    Fixture f;
    scripted_errors = {EINVAL, EINVAL, EINVAL};
    f.connect(1);
    auto const begin = std::chrono::steady_clock::now();
    BOOST_TEST((f.turn() && f.turn() && f.turn() && f.turn()));
    BOOST_CHECK(std::chrono::steady_clock::now() - begin >= 70ms);
    BOOST_TEST(f.log.size() == 1U);
    BOOST_TEST(f.accepted.size() == 1U);
}

BOOST_AUTO_TEST_CASE(T150_T152_stop_closes_the_listener_alone) {
    Fixture f;
    f.connect(1);
    f.turn();
    f.loop->stop();
    f.loop->stop();
    BOOST_TEST(f.loop->local_address().port() != 0);
    BOOST_CHECK_THROW(f.connect(1), system_error);
    BOOST_TEST(f.runs_out_of_work());
    BOOST_TEST(f.log.empty());

    char byte = 'x';
    BOOST_TEST(::send(f.clients[0].native_handle(), &byte, 1, MSG_NOSIGNAL) == 1);
    BOOST_TEST(::recv(f.accepted[0].native_handle(), &byte, 1, 0) == 1);
}

BOOST_AUTO_TEST_CASE(T151_T188_stop_inside_the_callback_ends_the_batch) {
    Fixture f;
    f.connect(5);
    f.on_accept = [&] {
        if (f.accepted.size() == 2)
            f.loop->stop();
    };
    f.turn();
    BOOST_TEST(f.accepted.size() == 2U);
    BOOST_TEST(f.loop->errors() == 0U);
    BOOST_TEST(f.log.empty());
    BOOST_TEST(is_closed(f.clients[4]));
    BOOST_TEST(f.runs_out_of_work());
}

BOOST_AUTO_TEST_CASE(the_owner_may_go_inside_the_callback) {
    Fixture f;
    f.connect(3);
    f.on_accept = [&] {
        f.loop->stop();
        f.loop.reset();
    };
    f.turn();
    BOOST_TEST(f.accepted.size() == 1U);
    BOOST_TEST(f.runs_out_of_work());
}

BOOST_AUTO_TEST_CASE(stop_ends_a_back_off) {
    Fixture f;
    f.connect(1);
    scripted_errors = {EMFILE};
    f.turn();
    f.loop->stop();
    BOOST_TEST(f.runs_out_of_work());
    BOOST_TEST(f.accepted.empty());
    BOOST_TEST(f.loop->errors() == 1U);
    BOOST_TEST(f.log.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_context_that_goes_takes_the_loop_with_it) {
    std::weak_ptr<AcceptLoop> loop;
    for (bool const in_back_off : {false, true}) {
        Fixture f;
        loop = f.loop;
        if (in_back_off) {
            f.connect(1);
            scripted_errors = {EMFILE};
            f.turn();
        }
        f.loop.reset();
        BOOST_TEST(!loop.expired());
    }
    BOOST_TEST(loop.expired());
}

BOOST_AUTO_TEST_CASE(one_that_outlives_its_context_is_stopped) {
    for (bool const in_back_off : {false, true}) {
        auto context = std::make_unique<asio::io_context>();
        auto const loop = std::make_shared<AcceptLoop>(
            context->get_executor(), bind_unused_port().first, [](AcceptedSocket, Address) {});
        loop->start();
        Descriptor client(-1);
        if (in_back_off) {
            client = connect_to(loop->local_address());
            scripted_errors = {EMFILE};
            context->run_one_for(bound);
        }
        context.reset();
        BOOST_TEST(loop.use_count() == 1);
        BOOST_CHECK_THROW(connect_to(loop->local_address()), system_error);
        loop->start();
        loop->pause();
        loop->resume();
        loop->retry_now();
        loop->stop();
        BOOST_TEST(loop->errors() == (in_back_off ? 1U : 0U));
    }
}

BOOST_AUTO_TEST_CASE(one_on_a_context_that_has_ended_closes_its_socket) {
    auto socket = bind_unused_port().first;
    auto const loop = std::make_shared<AcceptLoop>(detail::ended_executor(), std::move(socket),
                                                   [](AcceptedSocket, Address) {});
    loop->start();
    BOOST_CHECK_THROW(connect_to(loop->local_address()), system_error);
}

BOOST_AUTO_TEST_CASE(pause_leaves_connections_waiting_until_resume) {
    Fixture f;
    f.connect(5);
    f.on_accept = [&] {
        if (f.accepted.size() == 2)
            f.loop->pause();
    };
    f.turn();
    f.context.poll();
    BOOST_TEST(f.accepted.size() == 2U);

    f.context.restart();
    f.loop->resume();
    f.loop->resume();
    BOOST_TEST(f.turn());
    BOOST_TEST(f.accepted.size() == 5U);

    f.loop->pause(); // with a wait under way
    f.connect(1);
    f.context.poll();
    BOOST_TEST(f.accepted.size() == 5U);
    f.context.restart();
    f.loop->resume();
    BOOST_TEST(f.turn());
    BOOST_TEST(f.accepted.size() == 6U);

    f.loop->pause();
    f.loop->resume(); // before anything happened: the wait is still there, once
    f.connect(1);
    BOOST_TEST(f.turn());
    BOOST_TEST(f.accepted.size() == 7U);
    BOOST_TEST(f.context.poll() == 0U);

    f.on_accept = [&] {
        f.loop->pause();
        f.loop->resume();
    };
    f.connect(2);
    BOOST_TEST(f.turn());
    BOOST_TEST(f.accepted.size() == 9U);
    BOOST_TEST(f.context.poll() == 0U);

    f.loop->pause();
    f.loop->stop();
    f.loop->resume();
    BOOST_TEST(f.runs_out_of_work());
}

BOOST_AUTO_TEST_CASE(pause_holds_through_a_back_off) {
    Fixture f;
    f.connect(1);
    scripted_errors = {EMFILE};
    f.turn();
    f.loop->pause();
    BOOST_TEST(f.turn());
    BOOST_TEST(f.accepted.empty());
    f.context.restart();
    f.loop->resume();
    BOOST_TEST(f.turn());
    BOOST_TEST(f.accepted.size() == 1U);
}

BOOST_AUTO_TEST_CASE(T148_an_exception_in_the_callback_is_logged_and_accepting_goes_on) {
    Fixture f;
    f.connect(3);
    f.on_accept = [&] {
        if (f.peers.size() == 1) {
            f.accepted.clear();
            throw std::runtime_error("the handler's text");
        }
        if (f.peers.size() == 2)
            throw 42;
    };
    f.turn();
    BOOST_TEST(f.peers.size() == 3U);
    BOOST_TEST(is_closed(f.clients[0]));
    BOOST_TEST_REQUIRE(f.log.size() == 2U);
    auto const& message = f.log[0].message;
    BOOST_TEST(message.starts_with("Error in connection callback"), message);
    BOOST_TEST(message.find("the handler's text") != std::string::npos, message);
    BOOST_CHECK(f.log[0].logger == Logger::application);
    BOOST_CHECK(f.log[0].level == LogLevel::error);
}

BOOST_AUTO_TEST_CASE(T188_the_remover_stops_at_any_moment_and_twice) {
    asio::io_context context;
    IOLoop loop(context, false);
    auto socket = bind_unused_port().first;
    auto const address = socket.local_address();
    std::vector<Descriptor> clients;
    for (int i = 0; i < 3; ++i)
        clients.push_back(connect_to(address));
    int accepted = 0;
    std::function<void()> remove;
    remove = add_accept_handler(loop, std::move(socket), [&](AcceptedSocket, Address peer) {
        BOOST_TEST(peer == own_address(clients[0]));
        ++accepted;
        remove();
    });
    BOOST_TEST(accepted == 0);
    context.run_for(bound);
    BOOST_TEST(context.stopped());
    BOOST_TEST(accepted == 1);
    remove();
    BOOST_CHECK_THROW(connect_to(address), system_error);
}

BOOST_AUTO_TEST_CASE(the_handler_stays_when_the_remover_is_dropped) {
    asio::io_context context;
    IOLoop loop(context, false);
    loop.make_current();
    auto socket = bind_unused_port().first;
    auto const address = socket.local_address();
    int accepted = 0;
    add_accept_handler(std::move(socket), [&](AcceptedSocket, Address) { ++accepted; });
    auto const client = connect_to(address);
    BOOST_TEST(context.run_one_for(bound) == 1U);
    BOOST_TEST(accepted == 1);
    IOLoop::clear_current();
}

BOOST_AUTO_TEST_CASE(the_remover_may_outlive_the_loop) {
    std::function<void()> remove;
    Address address;
    auto const held = std::make_shared<int>();
    {
        asio::io_context context;
        IOLoop loop(context, false);
        auto socket = bind_unused_port().first;
        address = socket.local_address();
        remove = add_accept_handler(loop, std::move(socket), [held](AcceptedSocket, Address) {});
    }
    BOOST_CHECK_THROW(connect_to(address), system_error);
    BOOST_TEST(held.use_count() == 1);
    BOOST_CHECK_NO_THROW(remove());
}

BOOST_AUTO_TEST_SUITE_END()
