// SPDX-License-Identifier: BSL-1.0
// Messages of the library's codes, and which codes mean that a stream is gone.
#include "tornado/error.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <openssl/x509.h>

#include <string>

namespace tornado {
namespace {

class ErrorCategory final : public boost::system::error_category {
public:
    char const* name() const noexcept override { return "tornado"; }

    std::string message(int value) const override {
        switch (static_cast<error>(value)) {
        case error::stream_closed:
            return "Stream is closed";
        case error::unsatisfiable_read:
            return "Unsatisfiable read: no match within max_bytes";
        case error::expression_too_costly:
            return "Regular expression too costly on what was received: give it a plainer form, or "
                   "read until a delimiter";
        case error::buffer_full:
            return "Reached maximum buffer size";
        case error::already_reading:
            return "Already reading: wait for the pending read, or cancel it, before the next one";
        case error::already_waiting:
            return "Already waiting: the same event is being waited for";
        case error::not_idle:
            return "Stream is not idle: an operation is pending or a buffer holds bytes";
        case error::server_name_required:
            return "TLS has no server name to verify: give server_hostname, or switch "
                   "check_hostname off";
        case error::wrong_direction:
            return "Wrong direction: of a pipe, one end is only read and the other only written";
        case error::file_shrunk:
            return "File has become shorter while it was sent: put a new file in its place instead";
        case error::timeout:
            return "Timeout: it took longer than with_timeout() allows";
        }
        return "Unknown tornado error " + std::to_string(value);
    }

    boost::system::error_condition default_error_condition(int value) const noexcept override {
        if (static_cast<error>(value) == error::timeout)
            return make_error_condition(boost::system::errc::timed_out);
        return error_category::default_error_condition(value);
    }
};

class CertificateCategory final : public boost::system::error_category {
public:
    char const* name() const noexcept override { return "tornado.certificate"; }

    std::string message(int value) const override {
        bool const nameless =
            static_cast<certificate_error>(value) == certificate_error::no_subject_alt_name;
        return std::string("Certificate verify failed: ") +
               (nameless ? "it names no server: make it anew, with a subjectAltName (a common name "
                           "does not count)"
                         : X509_verify_cert_error_string(value));
    }
};

class ConditionCategory final : public boost::system::error_category {
public:
    char const* name() const noexcept override { return "tornado.condition"; }

    std::string message(int value) const override {
        if (static_cast<errc>(value) == errc::stream_closed)
            return "The stream is gone";
        return "Unknown tornado condition " + std::to_string(value);
    }

    bool equivalent(error_code const& code, int condition) const noexcept override {
        return static_cast<errc>(condition) == errc::stream_closed &&
               (code == error::stream_closed || code == error::unsatisfiable_read ||
                code == error::expression_too_costly || code == error::buffer_full ||
                code == error::file_shrunk || code == asio::error::eof ||
                code == asio::error::connection_reset || code == asio::error::connection_aborted ||
                code == asio::error::broken_pipe || code == asio::error::timed_out ||
                code == asio::ssl::error::stream_truncated);
    }
};

} // namespace

boost::system::error_category const& error_category() noexcept {
    static ErrorCategory const category;
    return category;
}

boost::system::error_category const& certificate_category() noexcept {
    static CertificateCategory const category;
    return category;
}

boost::system::error_category const& condition_category() noexcept {
    static ConditionCategory const category;
    return category;
}

error_code make_error_code(error e) noexcept {
    return {static_cast<int>(e), error_category()};
}

error_code make_error_code(certificate_error e) noexcept {
    return {static_cast<int>(e), certificate_category()};
}

boost::system::error_condition make_error_condition(errc e) noexcept {
    return {static_cast<int>(e), condition_category()};
}

} // namespace tornado
