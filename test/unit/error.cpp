// SPDX-License-Identifier: BSL-1.0
// Codes, their messages and what equals the condition.
#include "tornado/error.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/test/unit_test.hpp>

#include <set>
#include <string>

using namespace tornado;

BOOST_AUTO_TEST_SUITE(error_codes)

BOOST_AUTO_TEST_CASE(each_code_has_a_message_of_its_own) {
    std::set<std::string> messages;
    for (auto e : {error::stream_closed, error::unsatisfiable_read, error::buffer_full,
                   error::already_reading, error::already_waiting, error::not_idle,
                   error::server_name_required, error::wrong_direction,
                   error::expression_too_costly, error::file_shrunk, error::timeout}) {
        error_code const ec = e;
        BOOST_TEST(ec.failed());
        BOOST_TEST(ec.category().name() == "tornado");
        BOOST_TEST(ec.message().find("nknown") == std::string::npos);
        messages.insert(ec.message());
    }
    BOOST_TEST(messages.size() == 11U);
    BOOST_TEST(error_code(99, error_category()).message() == "Unknown tornado error 99");
}

BOOST_AUTO_TEST_CASE(what_a_certificate_lacks_has_a_message_beside_openssls) {
    error_code const ec = certificate_error::no_subject_alt_name;
    BOOST_TEST((ec.category() == certificate_category()));
    BOOST_TEST(ec.message() ==
               "Certificate verify failed: it names no server: make it anew, with a "
               "subjectAltName (a common name does not count)");
    BOOST_TEST(certificate_category().message(10) ==
               "Certificate verify failed: certificate has expired");
    BOOST_TEST((ec != errc::stream_closed));
}

BOOST_AUTO_TEST_CASE(codes_that_end_a_stream_equal_the_condition) {
    for (error_code ec :
         {error_code(error::stream_closed), error_code(error::unsatisfiable_read),
          error_code(error::expression_too_costly), error_code(error::buffer_full),
          error_code(error::file_shrunk), error_code(asio::error::eof),
          error_code(asio::error::connection_reset), error_code(asio::error::connection_aborted),
          error_code(asio::error::broken_pipe), error_code(asio::error::timed_out),
          error_code(asio::ssl::error::stream_truncated)})
        BOOST_TEST((ec == errc::stream_closed), ec.message());
}

BOOST_AUTO_TEST_CASE(other_codes_do_not) {
    for (error_code ec :
         {error_code(), error_code(error::already_reading), error_code(error::already_waiting),
          error_code(error::not_idle), error_code(error::wrong_direction),
          error_code(error::timeout), error_code(asio::error::operation_aborted),
          error_code(asio::error::connection_refused)})
        BOOST_TEST((ec != errc::stream_closed), ec.message());
    BOOST_TEST(make_error_condition(errc::stream_closed).message() == "The stream is gone");
    BOOST_TEST(condition_category().message(7) == "Unknown tornado condition 7");
}

BOOST_AUTO_TEST_SUITE_END()
