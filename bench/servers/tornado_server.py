#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Python's Tornado, as its own documentation writes it."""

import asyncio
import sys

from tornado.iostream import StreamClosedError
from tornado.tcpserver import TCPServer


class Server(TCPServer):
    async def handle_stream(self, stream, address):
        stream.set_nodelay(True)
        try:
            await MODES[mode](stream)
        except StreamClosedError:
            pass


async def serve_lines(stream):
    while True:
        await stream.write(await stream.read_until(b"\n"))


async def serve_blocks(stream):
    while True:
        await stream.write(await stream.read_bytes(int(sys.argv[2])))


async def send_back(stream):
    while True:
        await stream.write(await stream.read_bytes(65536, partial=True))


async def discard(stream):
    while True:
        await stream.read_bytes(65536, partial=True)


async def main():
    server = Server()
    server.listen(0, "127.0.0.1")
    for socket in server._sockets.values():
        print(socket.getsockname()[1], flush=True)
    await asyncio.Event().wait()


MODES = {"line": serve_lines, "block": serve_blocks, "stream": send_back, "sink": discard}
mode = sys.argv[1]
asyncio.run(main())
