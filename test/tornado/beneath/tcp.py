# SPDX-License-Identifier: BSL-1.0
"""tornado.tcpserver and tornado.tcpclient on this library."""

import datetime
import numbers
import socket

import tornado.tcpclient
import tornado.tcpserver
from tornado import gen, process
from tornado.ioloop import IOLoop
from tornado.log import app_log

import _tornado_asio
from beneath import errors
from beneath.iostream import IOStream, Waiting
from beneath.loop import beneath
from beneath.netutil import Resolver, beneath_resolver, bind_sockets


class TCPServer:
    def __init__(self, ssl_options=None, max_buffer_size=None, read_chunk_size=None):
        self.ssl_options = ssl_options
        self.max_buffer_size = max_buffer_size
        self.read_chunk_size = read_chunk_size
        self._server = None
        self._sockets = []
        self._pending = []
        if isinstance(ssl_options, dict) and "certfile" not in ssl_options:
            raise KeyError('missing key "certfile" in ssl_options')
        if ssl_options is not None:
            try:
                _tornado_asio.check_tls(ssl_options)
            except _tornado_asio.Error as error:
                raise ValueError(error.args[2]) from None

    def listen(self, port, address=None, family=socket.AF_UNSPEC, backlog=128, flags=None, reuse_port=False):
        self.add_sockets(bind_sockets(port, address, family, backlog, flags, reuse_port))

    def bind(self, port, address=None, family=socket.AF_UNSPEC, backlog=128, flags=None, reuse_port=False):
        sockets = bind_sockets(port, address, family, backlog, flags, reuse_port)
        if self._pending is None:
            self.add_sockets(sockets)
        else:
            self._pending += sockets

    def start(self, num_processes=1, max_restarts=None):
        assert self._pending is not None
        if num_processes != 1:
            process.fork_processes(num_processes, max_restarts)
        sockets, self._pending = self._pending, None
        self.add_sockets(sockets)

    def add_sockets(self, sockets):
        for sock in sockets:
            self.add_socket(sock)

    def add_socket(self, sock):
        if self._server is None:
            limits = _tornado_asio.StreamOptions(self.max_buffer_size, self.read_chunk_size)
            loop = beneath(IOLoop.current())
            self._server = _tornado_asio.TCPServer(loop, self._handle_connection, self.ssl_options, limits)
        self._server.add_socket(sock.fileno())
        self._sockets.append(sock)

    def stop(self):
        if self._server is not None:
            self._server.stop()
        for sock in self._sockets:
            sock.close()

    def handle_stream(self, stream, address):
        raise NotImplementedError()

    def _handle_connection(self, stream, address):
        limits = dict(max_buffer_size=self.max_buffer_size, read_chunk_size=self.read_chunk_size)
        try:
            future = self.handle_stream(IOStream.of(stream, limits), address)
            if future is not None:
                IOLoop.current().add_future(gen.convert_yielded(future), lambda f: f.result())
        except Exception:
            app_log.error("Error in connection callback", exc_info=True)


class TCPClient:
    def __init__(self, resolver=None):
        self.resolver = resolver or Resolver.configured_class()()
        self._clients = []

    def close(self):
        for client in self._clients:
            client.close()
        self._clients.clear()

    async def connect(
        self,
        host,
        port,
        af=socket.AF_UNSPEC,
        ssl_options=None,
        max_buffer_size=None,
        source_ip=None,
        source_port=None,
        timeout=None,
    ):
        if isinstance(timeout, datetime.timedelta):
            timeout = timeout.total_seconds()
        elif timeout is not None and not isinstance(timeout, numbers.Real):
            raise TypeError("Unsupported timeout %r" % timeout)
        future = Waiting(errors.connecting)
        limits = dict(max_buffer_size=max_buffer_size)

        def done(code, stream):
            future.done_with(code, None if code else IOStream.of(stream, limits))

        client = _tornado_asio.TCPClient(beneath(IOLoop.current()), beneath_resolver(self.resolver))
        self._clients.append(client)
        options = _tornado_asio.StreamOptions(**limits)
        client.connect(host, port, af, ssl_options, options, source_ip, source_port, timeout, done)
        try:
            return await future
        except socket.gaierror:
            raise getattr(self.resolver, "beneath_error", None) or future.exception()
        finally:
            if client in self._clients:
                self._clients.remove(client)


def install():
    tornado.tcpserver.TCPServer = TCPServer
    tornado.tcpclient.TCPClient = TCPClient
