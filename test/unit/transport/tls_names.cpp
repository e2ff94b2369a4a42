// SPDX-License-Identifier: BSL-1.0
// Server names, in handshakes of plain Asio's contexts.
#include "transport/tls_names.hpp"

#include "tornado/error.hpp"

#include "support/certificates.hpp"
#include "support/tls_pair.hpp"

#include <boost/asio/ssl/context.hpp>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <openssl/x509_vfy.h>

#include <stdexcept>
#include <string>
#include <tuple>

BOOST_AUTO_TEST_SUITE(tls_names)

namespace {

using namespace tornado;
using namespace tornado::test;
using context = asio::ssl::context;
namespace data = boost::unit_test::data;

// Contexts as plain Asio makes them.
struct Ends {
    context server{context::tls_server};
    context client{context::tls_client};

    explicit Ends(Identity const& identity = certificates().localhost) {
        server.use_certificate_chain_file(identity.certfile);
        server.use_private_key_file(identity.keyfile, context::pem);
        client.load_verify_file(certificates().ca);
        client.set_verify_mode(asio::ssl::verify_peer);
    }

    /// What the verification of a client that expects `name` gives.
    long verify(std::string const& name) {
        TlsPair pair(server, client);
        detail::expect_server_name(pair.client.get(), name);
        bool const done = pair.shake_hands();
        auto const result = SSL_get_verify_result(pair.client.get());
        BOOST_TEST(done == (result == X509_V_OK));
        return result;
    }
};

// Which name the client asks the server for.
std::string asked(std::string const& name) {
    Ends ends;
    TlsPair pair(ends.server, ends.client);
    detail::expect_server_name(pair.client.get(), name);
    pair.shake_hands();
    char const* const found = SSL_get_servername(pair.server.get(), TLSEXT_NAMETYPE_host_name);
    return found ? found : "";
}

} // namespace

BOOST_DATA_TEST_CASE(T132_a_certificate_is_for_its_names,
                     data::make({"localhost", "LOCALHOST", "localhost.", "127.0.0.1", "::1",
                                 "0:0:0:0:0:0:0:1", "::1%lo"}),
                     name) {
    BOOST_TEST(Ends().verify(name) == X509_V_OK);
}

BOOST_DATA_TEST_CASE(T132_a_certificate_is_for_no_other_name,
                     data::make({"other.test", "x.localhost", "localhost.org"}), name) {
    BOOST_TEST(Ends().verify(name) == X509_V_ERR_HOSTNAME_MISMATCH);
}

BOOST_DATA_TEST_CASE(T132_a_certificate_is_for_no_other_address,
                     data::make({"127.0.0.2", "::2", "::ffff:127.0.0.1"}), name) {
    BOOST_TEST(Ends().verify(name) == X509_V_ERR_IP_ADDRESS_MISMATCH);
}

BOOST_AUTO_TEST_CASE(a_wildcard_is_for_one_level) {
    Ends ends(certificates().wildcard);
    BOOST_TEST(ends.verify("www.example.org") == X509_V_OK);
    BOOST_TEST(ends.verify("example.org") == X509_V_ERR_HOSTNAME_MISMATCH);
    BOOST_TEST(ends.verify("a.www.example.org") == X509_V_ERR_HOSTNAME_MISMATCH);
    Ends partial(certificates().partial);
    BOOST_TEST(partial.verify("www.example.org") == X509_V_ERR_HOSTNAME_MISMATCH);
}

BOOST_AUTO_TEST_CASE(a_common_name_is_no_name) {
    for (auto const& [identity, name, lacks] :
         {std::tuple(certificates().nameless, "localhost", true),
          std::tuple(certificates().nameless, "127.0.0.1", true),
          std::tuple(certificates().other, "localhost", false),
          std::tuple(certificates().wildcard, "127.0.0.1", false)}) {
        Ends ends(identity);
        TlsPair pair(ends.server, ends.client);
        detail::expect_server_name(pair.client.get(), name);
        BOOST_TEST(!pair.shake_hands());
        BOOST_TEST(detail::lacks_any_name(pair.client.get()) == lacks);
    }
    Ends unknown(certificates().nameless);
    unknown.client = context(context::tls_client); // does not know who signed it: that comes first
    unknown.client.set_verify_mode(asio::ssl::verify_peer);
    TlsPair pair(unknown.server, unknown.client);
    detail::expect_server_name(pair.client.get(), "localhost");
    BOOST_TEST(!pair.shake_hands());
    BOOST_TEST(!detail::lacks_any_name(pair.client.get()));
}

BOOST_AUTO_TEST_CASE(a_name_is_asked_for_and_an_address_is_not) {
    BOOST_TEST(asked("localhost") == "localhost");
    BOOST_TEST(asked("localhost.") == "localhost");
    BOOST_TEST(asked("other.test") == "other.test"); // it is checked later
    BOOST_TEST(asked("127.0.0.1") == "");
    BOOST_TEST(asked("::1") == "");
}

BOOST_AUTO_TEST_CASE(a_context_checks_until_it_is_told_otherwise) {
    Ends ends;
    auto* const handle = ends.client.native_handle();
    BOOST_TEST(detail::checks_hostname(handle));
    detail::set_checks_hostname(handle, false);
    BOOST_TEST(!detail::checks_hostname(handle));
    BOOST_TEST(ends.verify("other.test") == X509_V_OK);
    BOOST_TEST(ends.verify("127.0.0.2") == X509_V_OK);
    BOOST_TEST(ends.verify("") == X509_V_OK);
    detail::set_checks_hostname(handle, true);
    BOOST_TEST(detail::checks_hostname(handle));
    BOOST_TEST(ends.verify("other.test") == X509_V_ERR_HOSTNAME_MISMATCH);
}

BOOST_AUTO_TEST_CASE(a_name_is_needed_where_it_is_checked) {
    Ends ends;
    TlsPair pair(ends.server, ends.client);
    BOOST_CHECK_THROW(detail::expect_server_name(pair.client.get(), ""), std::invalid_argument);
    SSL_set_verify(pair.client.get(), SSL_VERIFY_NONE, nullptr);
    BOOST_CHECK_NO_THROW(detail::expect_server_name(pair.client.get(), ""));
}

BOOST_DATA_TEST_CASE(what_is_no_name_is_refused,
                     data::make({std::string("."), std::string(256, 'a'),
                                 std::string("localhost\0.evil", 15),
                                 std::string("127.0.0.1\0.evil", 15)}),
                     name) {
    Ends ends;
    TlsPair pair(ends.server, ends.client);
    BOOST_CHECK_THROW(detail::expect_server_name(pair.client.get(), name), std::invalid_argument);
    BOOST_CHECK_THROW(detail::check_server_name(name), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(what_is_a_name_is_known_beforehand) {
    for (auto const& name :
         {std::string(255, 'a'), std::string(255, 'a') + ".", std::string("localhost"),
          std::string("::1%lo"), std::string("127.0.0.1"), std::string()}) {
        Ends ends;
        TlsPair pair(ends.server, ends.client);
        detail::check_server_name(name);
        if (!name.empty())
            detail::expect_server_name(pair.client.get(), name);
    }
}

BOOST_AUTO_TEST_SUITE_END()
