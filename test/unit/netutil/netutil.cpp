// SPDX-License-Identifier: BSL-1.0
// Listening sockets: bound to ports and paths, adopted, refused.
#include "tornado/netutil.hpp"

#include "support/descriptors.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdexcept>
#include <string>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace tornado;
using test::open_descriptors;
using std::string_literals::operator""s;
namespace fs = std::filesystem;

namespace {

int chmod_error = 0;

int option(int fd, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    ::getsockopt(fd, level, name, &value, &size);
    return value;
}

/// What an exception of type `E` says; empty when there is none.
template <class E>
std::string text_of(std::function<void()> const& action) {
    try {
        action();
    } catch (E const& e) {
        return e.what();
    }
    return {};
}

bool says(std::string const& text, std::initializer_list<std::string> parts) {
    return std::ranges::all_of(parts, [&](auto& part) { return text.find(part) != text.npos; });
}

std::string connect_to(Address const& address) {
    detail::Descriptor const client(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto const endpoint = address.endpoint();
    bool const connected = ::connect(client.native_handle(), endpoint.data(),
                                     static_cast<socklen_t>(endpoint.size())) == 0;
    return connected ? "connected" : std::generic_category().message(errno);
}

struct TemporaryFolder {
    TemporaryFolder() {
        std::string pattern = (fs::temp_directory_path() / "netutil-XXXXXX").string();
        path = ::mkdtemp(pattern.data());
    }
    ~TemporaryFolder() { fs::remove_all(path); }
    std::string file(std::string const& name) const { return (path / name).string(); }
    fs::path path;
};

unsigned mode_of(std::string const& path) {
    struct stat status {};
    ::stat(path.c_str(), &status);
    return status.st_mode & 07777;
}

/// Runs `action` on a thread that has a network and an /etc/hosts of its own: a loopback, IPv6 on
/// it or not, two ports for port 0 to choose from, and "localhost" and "both" in both families.
/// False where the system forbids that. Assertions belong outside.
bool in_private_network(bool ipv6_on_loopback, std::function<void()> const& action) {
    TemporaryFolder folder;
    auto const write = [](std::string const& file, char const* text) {
        return static_cast<bool>(std::ofstream(file) << text << std::flush);
    };
    write(folder.file("hosts"), "127.0.0.1 localhost both\n::1 localhost both\n");
    bool permitted = false;
    std::thread([&] {
        ifreq loopback{.ifr_ifrn = {"lo"}, .ifr_ifru = {}};
        loopback.ifr_flags = IFF_UP;
        permitted =
            ::unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
            ::mount(folder.file("hosts").c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr) == 0 &&
            write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40001") &&
            write("/proc/sys/net/ipv6/conf/lo/disable_ipv6", ipv6_on_loopback ? "0" : "1") &&
            ::ioctl(
                detail::Descriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)).native_handle(),
                SIOCSIFFLAGS, &loopback) == 0;
        if (permitted)
            action();
    }).join();
    if (!permitted)
        BOOST_TEST_MESSAGE("skipped: no permission for a network namespace");
    return permitted;
}

bool has_ipv6() {
    return detail::Descriptor(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)).native_handle() >=
           0;
}

} // namespace

// The test's chmod stands before the C library's, to fail when it is told to.
extern "C" int chmod(char const* path, mode_t mode) noexcept {
    if (chmod_error == 0)
        return ::fchmodat(AT_FDCWD, path, mode, 0);
    errno = chmod_error;
    return -1;
}

BOOST_AUTO_TEST_SUITE(netutil_bind)

BOOST_AUTO_TEST_CASE(T182_T185_port_0_gives_one_port_on_all_interfaces) {
    auto const sockets = bind_sockets(0);
    BOOST_TEST_REQUIRE(sockets.size() == (has_ipv6() ? 2U : 1U));
    auto const port = sockets[0].local_address().port();
    BOOST_TEST(port != 0);
    BOOST_TEST(sockets[0].local_address() == Address("0.0.0.0", port));
    if (sockets.size() == 2)
        BOOST_TEST(sockets[1].local_address() == Address("::", port));
}

BOOST_AUTO_TEST_CASE(T182_port_0_passes_over_a_port_that_one_family_lacks) {
    std::vector<Address> bound;
    std::string error;
    bool const ran = in_private_network(true, [&] {
        try {
            auto const taken = bind_sockets(40001, "::"); // the kernel's first choice in IPv4
            for (auto const& socket : bind_sockets(0))
                bound.push_back(socket.local_address());
        } catch (std::exception const& e) {
            error = e.what();
        }
    });
    BOOST_TEST(error == "");
    BOOST_TEST((!ran || bound == std::vector{Address("0.0.0.0", 40000), Address("::", 40000)}));
}

BOOST_AUTO_TEST_CASE(T182_port_0_says_when_no_port_is_left) {
    std::string error;
    bool const ran = in_private_network(true, [&] {
        auto const first = bind_sockets(40000, "::1");
        auto const second = bind_sockets(40001, "::1");
        error = text_of<system_error>([] { bind_sockets(0, "::1"); });
    });
    BOOST_TEST((!ran || says(error, {"no port is free on ::1"})), error);
}

BOOST_AUTO_TEST_CASE(T183_reuse_port_lets_a_second_socket_bind) {
    ListenOptions const reuse{.reuse_port = true};
    auto const first = bind_sockets(0, "127.0.0.1", reuse);
    auto const port = first[0].local_address().port();
    auto const second = bind_sockets(port, "127.0.0.1", reuse);
    BOOST_TEST(second[0].local_address() == first[0].local_address());
    BOOST_CHECK_THROW(bind_sockets(port, "127.0.0.1"), system_error);
}

BOOST_AUTO_TEST_CASE(T184_ipv6_sockets_take_ipv6_only) {
    if (!has_ipv6())
        return;
    auto const sockets = bind_sockets(0, "::", {.family = AF_INET6});
    BOOST_TEST(option(sockets.at(0).native_handle(), IPPROTO_IPV6, IPV6_V6ONLY) == 1);
}

BOOST_AUTO_TEST_CASE(T184_an_unassigned_ipv6_loopback_is_skipped_for_localhost_alone) {
    std::vector<Address> bound;
    std::string error;
    bool const ran = in_private_network(false, [&] {
        for (auto const& socket : bind_sockets(40000, "localhost"))
            bound.push_back(socket.local_address());
        error = text_of<system_error>([] { bind_sockets(40000, "both"); });
    });
    BOOST_TEST((!ran || bound == std::vector{Address("127.0.0.1", 40000)}));
    BOOST_TEST((!ran || says(error, {"[::1]:40000", "not an address of this machine"})), error);
}

BOOST_AUTO_TEST_CASE(a_name_gives_a_socket_for_each_of_its_addresses) {
    std::vector<Address> bound;
    bool const ran = in_private_network(true, [&] {
        for (auto const& socket : bind_sockets(40000, "localhost"))
            bound.push_back(socket.local_address());
    });
    BOOST_TEST((!ran || std::ranges::is_permutation(bound, std::vector{Address("127.0.0.1", 40000),
                                                                       Address("::1", 40000)})));
}

BOOST_AUTO_TEST_CASE(the_family_can_be_chosen) {
    auto const sockets = bind_sockets(0, "", {.family = AF_INET});
    BOOST_TEST_REQUIRE(sockets.size() == 1U);
    BOOST_TEST(sockets[0].local_address().family() == AF_INET);
}

BOOST_AUTO_TEST_CASE(T185_listening_sockets_have_their_options) {
    auto const sockets = bind_sockets(0, "127.0.0.1");
    int const fd = sockets.at(0).native_handle();
    BOOST_TEST(option(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1);
    BOOST_TEST(option(fd, SOL_SOCKET, SO_REUSEADDR) == 1);
    BOOST_TEST(option(fd, SOL_SOCKET, SO_REUSEPORT) == 0);
    BOOST_TEST(option(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
    BOOST_TEST((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    BOOST_TEST((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

BOOST_AUTO_TEST_CASE(a_port_in_use_is_named_with_the_remedy) {
    auto const holder = bind_sockets(0, "127.0.0.1");
    auto const port = holder[0].local_address().port();
    auto const text = text_of<system_error>([&] { bind_sockets(port, "127.0.0.1"); });
    BOOST_TEST(says(text, {"port " + std::to_string(port) + " is in use on 127.0.0.1",
                           "choose another, or stop the process that holds it"}),
               text);
}

BOOST_AUTO_TEST_CASE(a_privileged_port_is_named_with_the_remedy) {
    std::string text;
    std::thread([&] { // the system call, unlike its wrappers, concerns this thread alone
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        std::array<__user_cap_data_struct, 2> const none{};
        ::syscall(SYS_capset, &header, none.data());
        text = text_of<system_error>([] { bind_sockets(1, "127.0.0.1"); });
    })
        .join();
    int first_free_for_all = 0;
    std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first_free_for_all;
    BOOST_TEST((first_free_for_all <= 1 ||
                says(text, {"port 1 on 127.0.0.1 is privileged", "CAP_NET_BIND_SERVICE"})),
               text);
}

BOOST_AUTO_TEST_CASE(a_number_that_is_no_port_is_named) {
    for (int const number : {65'536, 70'000, -1})
        BOOST_TEST(says(text_of<std::invalid_argument>([&] { bind_sockets(number, "127.0.0.1"); }),
                        {"port " + std::to_string(number), "from 0 to 65535"}),
                   number);
}

BOOST_AUTO_TEST_CASE(an_address_that_does_not_resolve_is_named) {
    ListenOptions const no_lookup{.flags = AI_PASSIVE | AI_NUMERICHOST};
    auto const text = text_of<system_error>([&] { bind_sockets(8888, "no-such-host", no_lookup); });
    BOOST_TEST(says(text, {"8888", "\"no-such-host\"", "does not resolve"}), text);
    BOOST_CHECK_THROW(bind_sockets(0, "127.0.0.1\0.example"s), system_error);
    BOOST_CHECK_THROW(bind_sockets(0, "127.0.0.1", {.family = AF_INET6}), system_error);
    BOOST_CHECK_THROW(bind_sockets(0, "127.0.0.1", {.family = AF_UNIX}), system_error);
}

BOOST_AUTO_TEST_CASE(an_address_of_another_machine_is_named) {
    auto const text = text_of<system_error>([] { bind_sockets(8888, "192.0.2.1"); });
    BOOST_TEST(says(text, {"192.0.2.1:8888", "not an address of this machine"}), text);
}

BOOST_AUTO_TEST_CASE(a_link_local_address_without_its_zone_is_named) {
    if (!has_ipv6())
        return;
    auto const text = text_of<system_error>([] { bind_sockets(8888, "fe80::1"); });
    BOOST_TEST(says(text, {"[fe80::1]:8888", "needs its zone"}), text);
}

BOOST_AUTO_TEST_CASE(a_failure_at_the_second_address_leaves_nothing_open) {
    if (!has_ipv6())
        return;
    auto const holder = bind_sockets(0, "::");
    auto const port = holder[0].local_address().port();
    auto const before = open_descriptors();
    BOOST_CHECK_THROW(bind_sockets(port), system_error);
    BOOST_TEST(open_descriptors() == before);
    BOOST_CHECK_NO_THROW(bind_sockets(port, "0.0.0.0"));
}

BOOST_AUTO_TEST_CASE(a_listen_socket_owns_its_descriptor) {
    auto const before = open_descriptors();
    {
        auto sockets = bind_sockets(0, "127.0.0.1");
        ListenSocket moved = std::move(sockets[0]);
        BOOST_TEST(sockets[0].native_handle() == -1);
        ListenSocket adopted(moved.release());
        BOOST_TEST(moved.native_handle() == -1);
        moved = std::move(adopted);
        BOOST_TEST(moved.local_address().port() != 0);
        BOOST_TEST(open_descriptors() == before + 1);
    }
    BOOST_TEST(open_descriptors() == before);
    BOOST_CHECK_THROW(ListenSocket(-1).local_address(), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(only_a_listening_stream_socket_is_adopted) {
    detail::Descriptor const idle(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    detail::Descriptor const file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    for (auto const* refused : {&idle, &file}) {
        auto const text =
            text_of<std::invalid_argument>([&] { ListenSocket{refused->native_handle()}; });
        BOOST_TEST(says(text, {"descriptor " + std::to_string(refused->native_handle())}), text);
        BOOST_TEST(::fcntl(refused->native_handle(), F_GETFD) != -1);
    }
}

BOOST_AUTO_TEST_CASE(an_adopted_socket_is_made_fit) {
    detail::Descriptor plain(::socket(AF_INET, SOCK_STREAM, 0));
    BOOST_TEST_REQUIRE(::listen(plain.native_handle(), 1) == 0);
    ListenSocket const adopted(plain.release());
    BOOST_TEST((::fcntl(adopted.native_handle(), F_GETFL) & O_NONBLOCK) != 0);
    BOOST_TEST((::fcntl(adopted.native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
    BOOST_TEST(option(adopted.native_handle(), IPPROTO_TCP, TCP_NODELAY) == 1);
}

BOOST_AUTO_TEST_CASE(T186_T187_a_socket_file_is_replaced_and_stays_at_close) {
    TemporaryFolder const folder;
    auto const path = folder.file("x.sock");
    {
        auto const first = bind_unix_socket(path);
        BOOST_TEST(first.local_address().path() == path);
        BOOST_TEST(mode_of(path) == 0600U);
        BOOST_TEST(connect_to(first.local_address()) == "connected");
    }
    BOOST_TEST(fs::is_socket(path));
    auto const second = bind_unix_socket(path);
    BOOST_TEST(connect_to(second.local_address()) == "connected");
    BOOST_TEST((::fcntl(second.native_handle(), F_GETFL) & O_NONBLOCK) != 0);
    BOOST_TEST((::fcntl(second.native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
}

BOOST_AUTO_TEST_CASE(T186_the_mode_is_exact_whatever_the_umask) {
    TemporaryFolder const folder;
    auto const umask_before = ::umask(077);
    auto const open = bind_unix_socket(folder.file("open"), 0666);
    ::umask(0);
    auto const closed = bind_unix_socket(folder.file("closed"));
    ::umask(umask_before);
    BOOST_TEST(mode_of(folder.file("open")) == 0666U);
    BOOST_TEST(mode_of(folder.file("closed")) == 0600U);
}

BOOST_AUTO_TEST_CASE(T186_any_other_file_is_refused_and_unharmed) {
    TemporaryFolder const folder;
    auto const file = folder.file("precious");
    std::ofstream(file) << "precious";
    auto const link = folder.file("link");
    fs::create_symlink(folder.file("socket"), link);
    auto const socket = bind_unix_socket(folder.file("socket"));
    auto const before = open_descriptors();
    for (auto const& path : {file, link, folder.path.string()}) {
        auto const text = text_of<std::invalid_argument>([&] { bind_unix_socket(path); });
        BOOST_TEST(says(text, {path, "not a socket"}), text);
    }
    std::string content;
    std::ifstream(file) >> content;
    BOOST_TEST(content == "precious");
    BOOST_TEST(fs::is_symlink(link));
    BOOST_TEST(open_descriptors() == before);
}

BOOST_AUTO_TEST_CASE(an_impossible_path_is_named) {
    TemporaryFolder const folder;
    auto const before = open_descriptors();
    auto const lost = folder.file("no/such/folder");
    BOOST_TEST(says(text_of<system_error>([&] { bind_unix_socket(lost); }), {lost}));
    auto const too_long = "/tmp/" + std::string(103, 'x');
    auto const text = text_of<std::invalid_argument>([&] { bind_unix_socket(too_long); });
    BOOST_TEST(says(text, {"/tmp/xxx", "108 bytes", "takes 107"}), text);
    BOOST_CHECK_THROW(bind_unix_socket(""), std::invalid_argument);
    BOOST_CHECK_THROW(bind_unix_socket("/tmp/x\0y"s), std::invalid_argument);
    BOOST_TEST(open_descriptors() == before);
    BOOST_CHECK_NO_THROW(bind_unix_socket("\0"s + std::string(106, 'x')));
}

BOOST_AUTO_TEST_CASE(T186_a_socket_that_cannot_be_given_its_mode_leaves_no_file) {
    TemporaryFolder const folder;
    auto const path = folder.file("socket");
    auto const before = open_descriptors();
    chmod_error = EPERM;
    auto const text = text_of<system_error>([&] { bind_unix_socket(path); });
    chmod_error = 0;
    BOOST_TEST(says(text, {"cannot listen on " + path, "Operation not permitted"}), text);
    BOOST_TEST(!fs::exists(path));
    BOOST_TEST(open_descriptors() == before);
}

BOOST_AUTO_TEST_CASE(T187_a_leading_nul_makes_an_abstract_name) {
    auto const name = "\0tornado-netutil-test-"s + std::to_string(::getpid());
    auto const socket = bind_unix_socket(name);
    BOOST_TEST(socket.local_address().path() == name);
    BOOST_TEST(connect_to(socket.local_address()) == "connected");
    auto const text = text_of<system_error>([&] { bind_unix_socket(name); });
    BOOST_TEST(says(text, {"@" + name.substr(1), "in use"}), text);
}

BOOST_AUTO_TEST_SUITE_END()
