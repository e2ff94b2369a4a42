# SPDX-License-Identifier: BSL-1.0
"""tornado.netutil on this library: binding, accepting, resolvers."""

import asyncio
import socket

import tornado.netutil
from tornado import gen
from tornado.concurrent import Future, future_set_exception_unless_cancelled, future_set_result_unless_cancelled
from tornado.ioloop import IOLoop
from tornado.log import app_log

import _tornado_asio
from beneath.loop import accepting, beneath


def bind_sockets(port, address=None, family=socket.AF_UNSPEC, backlog=128, flags=None, reuse_port=False):
    from beneath import errors

    try:
        descriptors = _tornado_asio.bind_sockets(
            port or 0, address or "", family, backlog, socket.AI_PASSIVE if flags is None else flags, reuse_port
        )
    except _tornado_asio.Error as error:
        raise errors.cause(error.args) from None
    return [socket.socket(fileno=fd) for fd in descriptors]


def bind_unix_socket(file, mode=0o600, backlog=128):
    return socket.socket(fileno=_tornado_asio.bind_unix_socket(file, mode, backlog))


def add_accept_handler(sock, callback):
    io_loop = IOLoop.current()

    def accepted(fd, family, address):
        try:
            callback(socket.socket(family, socket.SOCK_STREAM, 0, fileno=fd), address)
        except Exception:
            app_log.error("Error in connection callback", exc_info=True)

    remove = _tornado_asio.add_accept_handler(beneath(io_loop), sock.fileno(), accepted)
    key = (io_loop.asyncio_loop, sock.fileno())
    accepting[key] = remove
    return lambda: accepting.pop(key, lambda: None)()


class Resolver(tornado.netutil.Resolver):
    """getaddrinfo off the loop's thread."""

    def initialize(self, num_threads=None):
        pass

    def beneath(self):
        """The library's resolver, on the loop that is current."""
        return _tornado_asio.Resolver(beneath(IOLoop.current()))

    def resolve(self, host, port, family=socket.AF_UNSPEC):
        from beneath import errors

        future = Future()

        def done(code, addresses):
            if code:
                future_set_exception_unless_cancelled(future, errors.cause(code))
            else:
                future_set_result_unless_cancelled(future, addresses)

        self.beneath().resolve(host, port, family, done)
        return future

    def close(self):
        pass


class OverrideResolver(Resolver):
    """Answers some names as told."""

    def initialize(self, resolver, mapping):
        self.resolver = resolver
        self.mapping = mapping

    def beneath(self):
        return _tornado_asio.OverrideResolver(beneath_resolver(self.resolver), self.mapping)

    def close(self):
        self.resolver.close()


def beneath_resolver(resolver):
    """A resolver of the library: the one that is in `resolver`, or one that asks it."""
    if isinstance(resolver, Resolver):
        return resolver.beneath()

    def look_up(host, port, family, done):
        async def ask():
            try:
                addresses = await gen.convert_yielded(resolver.resolve(host, port, family))
            except Exception as error:
                resolver.beneath_error = error  # a code would lose what it says
                done(True, [])
            else:
                done(False, [(entry[0], entry[1]) for entry in addresses])

        asyncio.ensure_future(ask())

    return _tornado_asio.PythonResolver(beneath(IOLoop.current()), look_up)


def install():
    for function in (bind_sockets, bind_unix_socket, add_accept_handler):
        setattr(tornado.netutil, function.__name__, function)
    tornado.netutil.is_valid_ip = _tornado_asio.is_valid_ip
    for name in ("DefaultLoopResolver", "DefaultExecutorResolver", "BlockingResolver", "ThreadedResolver"):
        setattr(tornado.netutil, name, type(name, (Resolver,), {}))
    tornado.netutil.OverrideResolver = OverrideResolver
