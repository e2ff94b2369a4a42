// SPDX-License-Identifier: BSL-1.0
// Error codes of the library, and the one condition that says "the stream is gone".
#pragma once

#include "tornado/detail/export.hpp"

#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <type_traits>

namespace boost::asio {}

namespace tornado {

namespace asio = boost::asio;

/// Boost's, as Asio uses it.
using error_code = boost::system::error_code;
/// The exception that carries one.
using system_error = boost::system::system_error;

/// What the library itself reports; what the system reports keeps the system's own codes.
enum class error {
    /// The stream was closed on this side, or an operation was started on a closed one.
    stream_closed = 1,
    /// max_bytes passed without the delimiter or a match (T080).
    unsatisfiable_read,
    /// max_buffer_size was passed by a read, or max_write_buffer_size by a write (T098, T099).
    buffer_full,
    /// A read was started while another one is pending; the first is unharmed (T093).
    already_reading,
    /// A second wait for the same event was started; the first is unharmed (T136).
    already_waiting,
    /// start_tls or release on a stream with operations in flight or bytes in its buffers (T129).
    not_idle,
    /// A TLS client that is to verify its peer was not told the peer's name (T132).
    server_name_required,
    /// A read of a pipe's end that only writes, or a write to the one that is only read; the stream
    /// is unharmed.
    wrong_direction,
    /// To search for a regular expression in what was received would take too long (T083).
    expression_too_costly,
    /// A file that is being sent has become shorter, so that bytes which were promised do not exist
    /// any more; the stream is closed.
    file_shrunk,
    /// The time that with_timeout() gave is over, and what was under way has been cancelled. Equal
    /// to the condition `std::errc::timed_out`; not to errc::stream_closed, as the stream is open.
    timeout,
};

/// What certificate_category() knows beside OpenSSL's values.
enum class certificate_error {
    /// The certificate is made out to nobody: it has no subjectAltName, and the common name does
    /// not count (RFC 9525).
    no_subject_alt_name = -1,
};

/// Conditions to compare codes with: `if (ec == tornado::errc::stream_closed)`.
enum class errc {
    /// The stream is gone: end of file, reset, broken pipe, truncated TLS, or a code of ours that
    /// closed it.
    stream_closed = 1,
};

/// The category of `error`.
TORNADO_ASIO_EXPORT boost::system::error_category const& error_category() noexcept;
/// Of a TLS peer's certificate that was not accepted; values are OpenSSL's `X509_V_ERR_...`
/// (X509_STORE_CTX_get_error(3)) and `certificate_error`, messages say what is wrong with it
/// (T131).
TORNADO_ASIO_EXPORT boost::system::error_category const& certificate_category() noexcept;
/// The category of `errc`.
TORNADO_ASIO_EXPORT boost::system::error_category const& condition_category() noexcept;

/// Makes a code of it, where one is asked for.
TORNADO_ASIO_EXPORT error_code make_error_code(error e) noexcept;
/// The same, of certificate_category().
TORNADO_ASIO_EXPORT error_code make_error_code(certificate_error e) noexcept;
/// Makes a condition of it, where a code is compared with it.
TORNADO_ASIO_EXPORT boost::system::error_condition make_error_condition(errc e) noexcept;

} // namespace tornado

namespace boost::system {

template <>
struct is_error_code_enum<tornado::error> : std::true_type {};
template <>
struct is_error_code_enum<tornado::certificate_error> : std::true_type {};
template <>
struct is_error_condition_enum<tornado::errc> : std::true_type {};

} // namespace boost::system
