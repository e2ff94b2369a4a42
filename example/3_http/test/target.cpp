// SPDX-License-Identifier: BSL-1.0
// Targets in all their forms, and the names that must never reach the file system.
#include "target.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using namespace demo;

namespace {

// "bad", or the decoded path in brackets.
std::string path_of(std::string_view target, http::verb method = http::verb::get) {
    std::string path;
    return read_target(method, target, path) ? "[" + path + "]" : "bad";
}

std::string file_of(std::string_view path) {
    return file_name(path).value_or("none");
}

} // namespace

BOOST_AUTO_TEST_SUITE(target)

BOOST_AUTO_TEST_CASE(origin_form_is_decoded_once) {
    BOOST_TEST(path_of("/") == "[/]");
    BOOST_TEST(path_of("/a%20b?c=%zz") == "[/a b]");
    BOOST_TEST(path_of("/%2525") == "[/%25]");
    BOOST_TEST(path_of("/%2e%2E%2fetc") == "[/../etc]");
}

BOOST_AUTO_TEST_CASE(absolute_form_is_taken_from_every_client) {
    BOOST_TEST(path_of("http://example.org/a?b") == "[/a]");
    BOOST_TEST(path_of("HTTP://[::1]:80") == "[/]");
    BOOST_TEST(path_of("https://h?q") == "[/]");
    for (auto const* bad : {"http://", "http:///a", "ftp://h/", "http://user@h/", "http:/a"})
        BOOST_TEST(path_of(bad) == "bad", bad);
}

BOOST_AUTO_TEST_CASE(each_method_takes_its_own_form) {
    BOOST_TEST(path_of("*", http::verb::options) == "[*]");
    BOOST_TEST(path_of("*") == "bad");
    BOOST_TEST(path_of("h:443", http::verb::connect) == "[]");
    BOOST_TEST(path_of("h", http::verb::connect) == "bad");
    BOOST_TEST(path_of("/a", http::verb::connect) == "bad");
}

BOOST_AUTO_TEST_CASE(malformed_targets_are_refused) {
    for (std::string_view const bad :
         {"", "a", "/%", "/%4", "/%zz", "/a#b", "/a b", "/\x80", "/\x7f"})
        BOOST_TEST(path_of(bad) == "bad", bad);
}

BOOST_AUTO_TEST_CASE(a_file_is_named_relative_to_the_root) {
    BOOST_TEST(file_of("/") == "index.html");
    BOOST_TEST(file_of("/a/") == "a/index.html");
    BOOST_TEST(file_of("/a/b.css") == "a/b.css");
    BOOST_TEST(file_of("//etc//passwd") == "etc/passwd");
}

BOOST_AUTO_TEST_CASE(names_that_begin_with_a_dot_or_hold_nul_name_nothing) {
    for (auto const* bad : {"/..", "/../etc/passwd", "/a/../b", "/.git/config", "/a/.", "/..a"})
        BOOST_TEST(file_of(bad) == "none", bad);
    BOOST_TEST(file_of(std::string_view("/a\0.html", 8)) == "none");
}

BOOST_AUTO_TEST_CASE(a_host_is_a_name_or_an_address_with_or_without_port) {
    for (auto const* good : {"", "h", "a.b-c_d", "127.0.0.1:80", "[::1]", "[::1]:8080", "h:"})
        BOOST_TEST(is_host(good), good);
    for (auto const* bad :
         {"a b", "a,b", "u@h", "h/", "h:8o", "h:1:2", "[::1", "[]", "[g%z]", "::1"})
        BOOST_TEST(!is_host(bad), bad);
}

BOOST_AUTO_TEST_SUITE_END()
