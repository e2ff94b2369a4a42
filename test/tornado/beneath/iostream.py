# SPDX-License-Identifier: BSL-1.0
"""tornado.iostream on this library: IOStream, SSLIOStream and PipeIOStream."""

import os
import socket
import ssl
import sys

import tornado.iostream
from tornado.concurrent import Future
from tornado.ioloop import IOLoop
from tornado.iostream import StreamBufferFullError, StreamClosedError

import _tornado_asio
from beneath import errors
from beneath.loop import beneath


class Waiting(Future):
    """What an operation of the library will complete, by calling done(error code, result)."""

    def __init__(self, failure=errors.closed):
        super().__init__()
        self.failure = failure

    def done_with(self, code, result=None):
        if self.done():
            return
        if code:
            self.set_exception(self.failure(code))
            self.exception()  # Tornado logs none that nobody asked for
        else:
            self.set_result(result)


class BaseIOStream:
    """A stream of the library, in Tornado's form."""

    def __init__(self, stream, limits):
        self.io_loop = IOLoop.current()
        self.max_buffer_size = limits.get("max_buffer_size") or 104857600
        self.read_chunk_size = min(limits.get("read_chunk_size") or 65536, self.max_buffer_size // 2)
        self._stream = stream
        self._given_error = None  # of close(exc_info)

    def _read(self, start, *args):
        """Starts a read. On a closed stream Tornado knows the outcome at once, and so do we."""
        future = Waiting()
        getattr(self._stream, start)(*args, future.done_with)
        if self.closed():
            for _ in range(10):
                if future.done():
                    break
                beneath(self.io_loop).select(0)
            if future.done() and future.exception():
                raise future.exception()
        return future

    def read_until(self, delimiter, max_bytes=None):
        return self._read("read_until", delimiter, max_bytes)

    def read_until_regex(self, regex, max_bytes=None):
        return self._read("read_until_regex", regex, max_bytes)

    def read_bytes(self, num_bytes, partial=False):
        return self._read("read_bytes", num_bytes, partial)

    def read_into(self, buf, partial=False):
        return self._read("read_into", buf, partial)

    def read_until_close(self):
        return self._read("read_until_close")

    def write(self, data):
        if self.closed():
            raise StreamClosedError(real_error=self.error)
        future = Waiting()
        try:
            self._stream.write(bytes(data), future.done_with)
        except _tornado_asio.Error as error:
            raise StreamBufferFullError(error.args[2]) from None
        return future

    def set_close_callback(self, callback):
        def run():  # behind the callbacks of the Futures that were completed before
            self.io_loop.asyncio_loop.call_soon(self.io_loop._run_callback, callback)

        self._stream.set_close_callback(None if callback is None else run)

    def close(self, exc_info=False):
        if exc_info and not self.closed():
            error = exc_info if isinstance(exc_info, BaseException) else None
            if isinstance(exc_info, tuple):
                error = exc_info[1]
            self._given_error = error or sys.exc_info()[1]
        self._stream.close(getattr(self._given_error, "errno", None))

    @property
    def error(self):
        return self._given_error or errors.cause(self._stream.error())

    def closed(self):
        return self._stream.closed()

    def reading(self):
        return self._stream.reading()

    def writing(self):
        return self._stream.writing()

    def set_nodelay(self, value):
        pass


class SocketView:
    """The socket of a stream, for whoever asks it something: a duplicate for the time of each call."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        def call(*args):
            with self._duplicate() as duplicate:
                return getattr(duplicate, name)(*args)

        return call

    def _duplicate(self):
        return socket.socket(fileno=os.dup(self.fileno()))

    def fileno(self):
        return self._stream.native_handle()

    @property
    def family(self):
        with self._duplicate() as duplicate:
            return duplicate.family

    def cipher(self):
        name = self._stream.cipher()
        return (name, None, None) if name else None

    def selected_alpn_protocol(self):
        return self._stream.alpn() or None

    def getpeercert(self, binary_form=False):
        certificate = self._stream.certificate()
        return certificate if binary_form or certificate is None else {}


class IOStream(BaseIOStream):
    def __init__(self, socket, max_buffer_size=None, read_chunk_size=None, max_write_buffer_size=None, **tls):
        limits = dict(
            max_buffer_size=max_buffer_size,
            read_chunk_size=read_chunk_size,
            max_write_buffer_size=max_write_buffer_size,
        )
        loop = beneath(IOLoop.current())
        super().__init__(self._make(loop, socket, _tornado_asio.StreamOptions(**limits), **tls), limits)

    def _make(self, loop, socket, options):
        family = socket.family
        return _tornado_asio.IOStream(loop, socket.detach(), family, options)

    @classmethod
    def of(cls, stream, limits):
        """For a stream that the library has made."""
        kind = SSLIOStream if isinstance(stream, _tornado_asio.SSLIOStream) else IOStream
        self = kind.__new__(kind)
        BaseIOStream.__init__(self, stream, limits)
        return self

    @property
    def socket(self):
        return None if self._stream.native_handle() < 0 else SocketView(self._stream)

    def set_nodelay(self, value):
        self._stream.set_nodelay(value)

    def connect(self, address, server_hostname=None):
        future = Waiting(self._connect_failure)
        try:
            address = self._resolve(address)
        except OSError as error:
            self.close(exc_info=error)
            future.set_exception(StreamClosedError(real_error=error))
            return future
        self._stream.connect(address, server_hostname or "", lambda code, _: future.done_with(code, self))
        return future

    def _connect_failure(self, code):
        return StreamClosedError(real_error=errors.cause(code))

    def _resolve(self, address):
        if isinstance(address, tuple):
            return socket.getaddrinfo(address[0], address[1], self.socket.family, socket.SOCK_STREAM)[0][4]
        return address

    def start_tls(self, server_side, ssl_options=None, server_hostname=None):
        future = Waiting(ssl_failure)
        limits = dict(max_buffer_size=self.max_buffer_size, read_chunk_size=self.read_chunk_size)

        def done(code, stream):
            future.done_with(code, None if code else IOStream.of(stream, limits))

        if ssl_options is None:
            ssl_options = defaults(server_side)
        self._stream.start_tls(server_side, ssl_options, server_hostname or "", done)
        return future


def defaults(server_side):
    return tornado.iostream._server_ssl_defaults if server_side else tornado.iostream._client_ssl_defaults


def ssl_failure(code):
    """TLS's failures are not wrapped in a StreamClosedError."""
    if code[:2] == ("tornado", 6):
        return ValueError(code[2])  # not idle
    return errors.cause(code) or StreamClosedError()


class SSLIOStream(IOStream):
    def __init__(self, *args, ssl_options=None, **kwargs):
        super().__init__(*args, ssl_options=ssl_options, **kwargs)

    def _make(self, loop, connection, options, ssl_options):
        context, server_side, name = ssl_options or defaults(False), False, ""
        if isinstance(connection, ssl.SSLSocket):
            context, server_side = connection.context, connection.server_side
            name = connection.server_hostname or ""
        family = connection.family
        return _tornado_asio.SSLIOStream(loop, connection.detach(), family, context, server_side, name, options)

    def _connect_failure(self, code):
        return ssl_failure(code)

    def wait_for_handshake(self):
        if getattr(self, "_handshake", None) and not self._handshake.done():
            raise RuntimeError("Already waiting")
        future = self._handshake = Waiting(ssl_failure)
        self._stream.wait_for_handshake(lambda code: future.done_with(code, self))
        return future


class PipeIOStream(BaseIOStream):
    def __init__(self, fd, max_buffer_size=None, read_chunk_size=None, max_write_buffer_size=None):
        limits = dict(
            max_buffer_size=max_buffer_size,
            read_chunk_size=read_chunk_size,
            max_write_buffer_size=max_write_buffer_size,
        )
        loop = beneath(IOLoop.current())
        super().__init__(_tornado_asio.PipeIOStream(loop, fd, _tornado_asio.StreamOptions(**limits)), limits)

    @classmethod
    def of(cls, stream):
        """For a stream that the library has made."""
        self = cls.__new__(cls)
        BaseIOStream.__init__(self, stream, {})
        return self

    def fileno(self):
        return self._stream.native_handle()


def install():
    for kind in (BaseIOStream, IOStream, SSLIOStream, PipeIOStream):
        setattr(tornado.iostream, kind.__name__, kind)
