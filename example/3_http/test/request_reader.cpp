// SPDX-License-Identifier: BSL-1.0
// Whole requests, fed at once and split at every byte.
#include "request_reader.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using namespace demo;

namespace {

using Event = RequestReader::Event;

RequestReader::Limits small() {
    RequestReader::Limits limits;
    limits.body = 20;
    limits.head = 200;
    return limits;
}

// What comes out of the pieces: "METHOD path [body]" for each request, at last the failing status.
std::string read(std::vector<std::string> const& pieces) {
    RequestReader reader(small());
    std::string found;
    std::string received;
    for (auto const& piece : pieces) {
        received += piece;
        reader.show(received);
        for (auto event = reader.advance(); event != Event::none; event = reader.advance()) {
            if (event == Event::failed)
                return found + std::to_string(static_cast<unsigned>(reader.failure()));
            if (event == Event::complete) {
                auto const& request = reader.request();
                found += request.method_name + " " + request.path + " [" + request.body + "];";
                reader.next();
            }
        }
        received.erase(0, reader.taken());
    }
    return found + (reader.idle() ? "" : "...");
}

void check(std::string const& text, std::string const& expected) {
    BOOST_TEST(read({text}) == expected, text);
    for (std::size_t split = 1; split < text.size(); ++split)
        BOOST_TEST(read({text.substr(0, split), text.substr(split)}) == expected,
                   text << " split at " << split);
    std::vector<std::string> bytes;
    for (char const c : text)
        bytes.emplace_back(1, c);
    BOOST_TEST(read(bytes) == expected, text << " byte by byte");
}

} // namespace

BOOST_AUTO_TEST_SUITE(request_reader)

BOOST_AUTO_TEST_CASE(pipelined_requests_with_every_kind_of_body) {
    check("GET /a%20b?q HTTP/1.1\r\nHost: h\r\n\r\n"
          "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
          "\r\nPOST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
          "2;x=y\r\nde\r\n1\r\nf\r\n0\r\nTrailer: t\r\n\r\n"
          "GET /d HTTP/1.0\r\n\r\n",
          "GET /a b [];POST /b [abc];POST /c [def];GET /d [];");
}

BOOST_AUTO_TEST_CASE(a_part_of_a_request_waits_for_the_rest) {
    check("GET / HTTP/1.1\r\nHost: h\r\n", "...");
    check("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab", "...");
    check("", "");
}

BOOST_AUTO_TEST_CASE(versions) {
    check("GET / HTTP/1.7\r\nHost: h\r\n\r\n", "GET / [];");
    check("GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505");
    check("GET / HTTP/0.9\r\n\r\n", "505");
    check("PRI * HTTP/2.0\r\n\r\n", "505");
    for (auto const* bad : {"GET /\r\n\r\n", "GET / http/1.1\r\n\r\n", "GET / HTTP/11\r\n\r\n",
                            "GET / HTTP/1.1 \r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET\r\n\r\n"})
        check(bad, "400");
}

BOOST_AUTO_TEST_CASE(fields_that_are_no_fields) {
    for (auto const* bad : {"Host : h", ": h", "Host", "Ho st: h", "Host: h\r\nContent-Length: 1x"})
        check("GET / HTTP/1.1\r\n" + std::string(bad) + "\r\n\r\n", "400");
}

BOOST_AUTO_TEST_CASE(bodies_that_end_nowhere_or_too_late) {
    std::string const chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(chunked + "g\r\n", "400");
    check(chunked + "1\nx\n0\n\n", "400");
    check(chunked + "1\r\nxy\r\n0\r\n\r\n", "400");
    check(chunked + "ffffffffffffffffff\r\n", "413");
    check(chunked + "15\r\n", "413");
    check(chunked + "14\r\n01234567890123456789\r\n1\r\n", "413");
    check(chunked + "1;" + std::string(300, 'x'), "431");
    check("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 21\r\n\r\n", "413");
    check("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n", "413");
    check("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", "400");
}

BOOST_AUTO_TEST_CASE(a_trailer_changes_nothing) {
    check("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
          "0\r\nHost: x\r\nExpect: tea\r\n\r\n",
          "POST / [];");
}

BOOST_AUTO_TEST_CASE(the_head_comes_before_the_body) {
    RequestReader reader(small());
    std::string head(
        "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    reader.show(head);
    BOOST_TEST((reader.advance() == Event::head));
    BOOST_TEST(reader.in_body());
    BOOST_TEST(reader.request().expects_continue);
    BOOST_TEST(reader.request().has_length);
    BOOST_TEST((reader.advance() == Event::none));
    BOOST_TEST(reader.taken() == head.size());
    reader.show("ab");
    BOOST_TEST((reader.advance() == Event::complete));
}

BOOST_AUTO_TEST_CASE(a_connection_goes_on_as_version_and_field_say) {
    auto const keeps = [](std::string const& end) {
        RequestReader reader(small());
        auto const head = "GET / HTTP/" + end + "\r\nHost: h\r\n\r\n";
        reader.show(head);
        BOOST_TEST((reader.advance() == Event::head));
        return reader.request().keep_alive;
    };
    BOOST_TEST(keeps("1.1"));
    BOOST_TEST(!keeps("1.1\r\nConnection: x, Close"));
    BOOST_TEST(!keeps("1.0"));
    BOOST_TEST(keeps("1.0\r\nConnection: Keep-Alive"));
}

BOOST_AUTO_TEST_SUITE_END()
