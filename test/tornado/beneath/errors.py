# SPDX-License-Identifier: BSL-1.0
"""From the library's error codes to the exceptions of Tornado and Python."""

import socket
import ssl

from tornado.iostream import StreamBufferFullError, StreamClosedError, UnsatisfiableReadError
from tornado.ioloop import TimeoutError

# By category and value; what is not here is an OSError, or an ssl.SSLError.
ENDS = {("asio.misc", 2), ("tornado", 1)}  # end of file, and a plain close: Tornado has no error for either
TIMED_OUT = ("system", 110)


def cause(code):
    """What Tornado's stream.error would be: (category, value, message) -> exception or None."""
    if code is None or code[:2] in ENDS:
        return None
    category, value, message = code
    if category == "tornado":
        if value == 2:
            return UnsatisfiableReadError(message)
        if value == 3:
            return StreamBufferFullError(message)
        return RuntimeError(message)
    if category == "tornado.certificate":
        return ssl.SSLCertVerificationError(value, message)
    if category == "asio.ssl.stream":  # the end of the connection without TLS's own
        return ssl.SSLEOFError(ssl.SSL_ERROR_EOF, message)
    if category == "asio.ssl":
        return ssl.SSLError(value, message)
    if category.startswith("asio.netdb") or category.startswith("asio.addrinfo"):
        return socket.gaierror(value, message)
    return OSError(value, message)


def closed(code):
    """What a failed read or write raises."""
    if code and code[:2] == ("tornado", 4):
        return AssertionError(code[2])  # "Already reading"
    if code and code[:2] == ("tornado", 8):
        return OSError(code[2])  # the wrong end of a pipe
    return StreamClosedError(real_error=cause(code))


def connecting(code):
    """What a failed TCPClient.connect raises."""
    if code[:2] == TIMED_OUT:
        return TimeoutError(code[2])
    error = cause(code)
    return error if isinstance(error, (ssl.SSLError, socket.gaierror)) else StreamClosedError(real_error=error)
