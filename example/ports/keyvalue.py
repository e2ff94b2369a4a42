#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""A key-value store: lines that command, and values of any bytes behind them. The original of keyvalue.cpp."""

import sys

from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.tcpserver import TCPServer

MAX_VALUE = 1024 * 1024
values = {}


async def answer(stream, words):
    """What is answered to a command; None ends the connection."""
    command, arguments = (words or [b""])[0], words[1:]
    if command == b"set" and len(arguments) == 2 and arguments[1].isdigit():
        size = int(arguments[1])
        if size > MAX_VALUE:
            return None
        value = await stream.read_bytes(size + 2)
        values[arguments[0]] = value[:-2]
        return b"stored\r\n"
    if command == b"get" and len(arguments) == 1:
        value = values.get(arguments[0])
        return b"not found\r\n" if value is None else b"value %d\r\n%b\r\n" % (len(value), value)
    if command == b"delete" and len(arguments) == 1:
        return b"not found\r\n" if values.pop(arguments[0], None) is None else b"deleted\r\n"
    if command == b"quit":
        return None
    return b"error\r\n"


class KeyValue(TCPServer):
    async def handle_stream(self, stream, address):
        try:
            while True:
                line = await stream.read_until(b"\r\n", max_bytes=512)
                said = await answer(stream, line.split())
                if said is None:
                    break
                await stream.write(said)
        except StreamClosedError:
            pass
        finally:
            stream.close()


if __name__ == "__main__":
    sockets = bind_sockets(int(sys.argv[1]) if len(sys.argv) > 1 else 8888, "127.0.0.1")
    KeyValue().add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    IOLoop.current().start()
