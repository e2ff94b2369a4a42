#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Remote calls in frames, any number at a time on a connection. The original of rpc.cpp.

A frame is its size, a call's number, and of a request `method NUL argument`, of a reply a status and the result.
"""

import struct
import sys

from tornado import gen
from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.tcpserver import TCPServer

MAX_FRAME = 64 * 1024
OK, NO_METHOD, FAILED = 0, 1, 2


async def upper(argument):
    return argument.upper()


async def add(argument):
    return b"%d" % sum(int(word) for word in argument.split())


async def wait(argument):
    await gen.sleep(int(argument) / 1000)
    return b"waited"


METHODS = {b"upper": upper, b"add": add, b"wait": wait}


async def call(method, argument):
    if method not in METHODS:
        return NO_METHOD, method
    try:
        return OK, await METHODS[method](argument)
    except ValueError:
        return FAILED, argument


async def reply(stream, frame):
    number = frame[:4]
    method, _, argument = frame[4:].partition(b"\0")
    status, result = await call(method, argument)
    if not stream.closed():
        stream.write(struct.pack(">I", 5 + len(result)) + number + bytes([status]) + result)


class Rpc(TCPServer):
    async def handle_stream(self, stream, address):
        try:
            while True:
                (size,) = struct.unpack(">I", await stream.read_bytes(4))
                if not 4 <= size <= MAX_FRAME:
                    stream.close()
                    return
                frame = await stream.read_bytes(size)
                IOLoop.current().spawn_callback(reply, stream, frame)
        except StreamClosedError:
            pass


if __name__ == "__main__":
    sockets = bind_sockets(int(sys.argv[1]) if len(sys.argv) > 1 else 8888, "127.0.0.1")
    Rpc().add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    IOLoop.current().start()
