// SPDX-License-Identifier: BSL-1.0
// systemd's variables, word by word.
#include "netutil/systemd_words.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

using namespace tornado::detail;
using namespace std::chrono_literals;

namespace {

using Names = std::vector<std::string>;

std::string refusal(std::function<void()> const& call) {
    try {
        call();
    } catch (std::invalid_argument const& e) {
        return e.what();
    }
    return "accepted";
}

Names names(std::string const& count, std::optional<std::string> const& text,
            std::uint64_t limit = 1024) {
    return listen_names({"1", count, text}, limit);
}

} // namespace

BOOST_AUTO_TEST_SUITE(netutil_systemd_words)

BOOST_AUTO_TEST_CASE(who_is_addressed) {
    BOOST_TEST((addressee({"4711", "1", {}}) == 4711));
    BOOST_TEST(!addressee({"4711", {}, {}}));
    BOOST_TEST(!addressee({{}, "1", {}}));
    BOOST_TEST(!addressee({}));
    for (char const* wrong : {"", "0", "-1", "x", "1 ", "+1", "0x1", "99999999999"})
        BOOST_TEST(refusal([&] {
                       addressee({wrong, "1", {}});
                   }).starts_with("LISTEN_PID is"),
                   wrong);
}

BOOST_AUTO_TEST_CASE(names_of_descriptors) {
    BOOST_TEST(names("0", {}).empty());
    BOOST_TEST(names("0", "").empty());
    BOOST_TEST(names("2", {}) == (Names{"unknown", "unknown"}));
    BOOST_TEST(names("1", "") == Names{""});
    BOOST_TEST(names("3", "a::b") == (Names{"a", "", "b"}));
    for (auto const& wrong : {"a", "a:b:c", ""})
        BOOST_TEST(refusal([&] { names("2", wrong); }).starts_with("LISTEN_FDNAMES is"), wrong);
}

BOOST_AUTO_TEST_CASE(numbers_of_descriptors) {
    BOOST_TEST(names("7", {}, 10).size() == 7U);
    for (char const* wrong : {"8", "11", "4294967296", "18446744073709551615"})
        BOOST_TEST(refusal([&] { names(wrong, {}, 10); }).find("more sockets") != std::string::npos,
                   wrong);
    for (char const* wrong : {"", "-1", "1x", "0x1", "00", "18446744073709551616"})
        BOOST_TEST(refusal([&] { names(wrong, {}); }).find("not a number") != std::string::npos,
                   wrong);
}

BOOST_AUTO_TEST_CASE(limits_of_the_watchdog) {
    BOOST_TEST((watchdog_limit("3000000", {}, 7) == std::chrono::microseconds(3s)));
    BOOST_TEST((watchdog_limit("1", "7", 7) == 1us));
    BOOST_TEST(!watchdog_limit("3000000", "8", 7));
    BOOST_TEST(!watchdog_limit({}, "7", 7));
    for (char const* wrong : {"", "0", "-5", "3s", "9223372036854775807"})
        BOOST_TEST(refusal([&] { watchdog_limit(wrong, {}, 7); }).starts_with("WATCHDOG_USEC is"),
                   wrong);
    BOOST_TEST(refusal([] { watchdog_limit("1", "x", 7); }).starts_with("WATCHDOG_PID is"));
}

BOOST_AUTO_TEST_CASE(names_of_the_socket_to_notify) {
    BOOST_TEST(notify_name("/run/systemd/notify") == "/run/systemd/notify");
    BOOST_TEST(notify_name("@/org/x") == std::string("\0/org/x", 7));
    for (char const* wrong : {"", "/", "@", "vsock:2:1", "run/x"})
        BOOST_TEST(notify_name(wrong).empty(), wrong);
}

BOOST_AUTO_TEST_SUITE_END()
