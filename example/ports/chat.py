#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""A chat room: who has said a name hears what the others say. The original of chat.cpp."""

import sys

from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.tcpserver import TCPServer

members = {}


def say(text, but=None):
    for name, stream in members.items():
        if name != but and not stream.closed():
            stream.write(text.encode())


class Chat(TCPServer):
    async def handle_stream(self, stream, address):
        try:
            await stream.write(b"your name? ")
            name = (await stream.read_until(b"\n", max_bytes=21)).decode().strip()
            if not name or name in members:
                await stream.write(b"* that name will not do\n")
                stream.close()
                return
            await self.take_seat(stream, name)
        except StreamClosedError:
            pass

    async def take_seat(self, stream, name):
        members[name] = stream
        try:
            say(f"* {name} is here, with {len(members) - 1} others\n")
            while True:
                line = await stream.read_until(b"\n", max_bytes=1024)
                say(f"{name}: {line.decode()}", but=name)
        finally:
            del members[name]
            say(f"* {name} has left\n")


if __name__ == "__main__":
    sockets = bind_sockets(int(sys.argv[1]) if len(sys.argv) > 1 else 8888, "127.0.0.1")
    Chat().add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    IOLoop.current().start()
