# SPDX-License-Identifier: BSL-1.0
"""Tornado's IOLoop on this library's: descriptors, callbacks and timeouts; asyncio's loop waits in it, too."""

import asyncio
import functools
import selectors

import tornado.platform.asyncio
from tornado.ioloop import IOLoop

import _tornado_asio


class Selector(selectors._BaseSelectorImpl):
    """What asyncio's loop waits in: one turn of the library's loop, and the descriptors that are ready after it."""

    def __init__(self):
        super().__init__()
        self.loop = _tornado_asio.Loop()

    def register(self, fileobj, events, data=None):
        key = super().register(fileobj, events, data)
        reading = IOLoop.READ if events & selectors.EVENT_READ else 0
        writing = IOLoop.WRITE if events & selectors.EVENT_WRITE else 0
        self.loop.watch(key.fd, reading | writing)
        return key

    def unregister(self, fileobj):
        key = super().unregister(fileobj)
        self.loop.watch(key.fd, IOLoop.NONE)
        return key

    def select(self, timeout=None):
        ready = []
        for fd, events in self.loop.select(timeout).items():
            if key := self._key_from_fd(fd):
                reading = selectors.EVENT_READ if events & IOLoop.READ else 0
                writing = selectors.EVENT_WRITE if events & IOLoop.WRITE else 0
                ready.append((key, (reading | writing) & key.events))
        return ready

    def close(self):
        self.loop.close()
        super().close()


class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
    @staticmethod
    def _loop_factory():
        selector = Selector()
        loop = asyncio.SelectorEventLoop(selector)
        loop.beneath = selector.loop  # asyncio lets go of the selector when it closes
        return loop


class Methods:
    """Those of tornado.platform.asyncio.BaseAsyncIOLoop that the library's IOLoop has."""

    def add_handler(self, fd, handler, events):
        fd, fileobj = self.split_fd(fd)
        if fd in self.handlers:
            raise ValueError("fd %s added twice" % fd)
        beneath(self).add_handler(
            fd, lambda _, ready: self._run_callback(functools.partial(handler, fileobj, ready)), events
        )
        self.handlers[fd] = (fileobj, handler)

    def update_handler(self, fd, events):
        beneath(self).update_handler(self.split_fd(fd)[0], events)

    def remove_handler(self, fd):
        fd, _ = self.split_fd(fd)
        accepting.pop((self.asyncio_loop, fd), lambda: None)()
        if self.handlers.pop(fd, None):
            beneath(self).remove_handler(fd)

    def call_at(self, when, callback, *args, **kwargs):
        run = functools.partial(self._run_callback, functools.partial(callback, *args, **kwargs))
        return beneath(self).call_later(max(0, when - self.time()), run)

    def remove_timeout(self, timeout):
        beneath(self).remove_timeout(timeout)

    def add_callback(self, callback, *args, **kwargs):
        run = functools.partial(callback, *args, **kwargs)
        beneath(self).add_callback(functools.partial(self._run_callback, run))

    add_callback_from_signal = add_callback


# {(asyncio loop, descriptor): what ends accepting there}, for remove_handler, which Tornado's tests use for it
accepting = {}


def beneath(io_loop):
    """The library's loop below a Tornado loop."""
    return io_loop.asyncio_loop.beneath


def install():
    asyncio.set_event_loop_policy(EventLoopPolicy())
    for name, function in vars(Methods).items():
        if not name.startswith("__"):
            setattr(tornado.platform.asyncio.BaseAsyncIOLoop, name, function)
