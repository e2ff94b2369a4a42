# SPDX-License-Identifier: BSL-1.0
"""Two clients of the chat: one that behaves as the page does, and one that says exactly what it is told to."""

import asyncio
import json
import os
import random
import secrets
import socket
import struct

from tornado.websocket import WebSocketClosedError, websocket_connect

PATIENCE = 30  # seconds, for anything that is waited for


class Client:
    """Comes back by itself, with the id of the last message it saw; says again what had no answer."""

    def __init__(self, url, name, room="lobby"):
        self.url = url.replace("http", "ws") + "chat"
        self.name, self.room = name, room
        self.heard = []      # (name, text), each message
        self.ids = []        # of these
        self.welcomes = []   # one for each connection
        self.failures = []   # reasons why something was not sent
        self.ends = []       # close code and reason of each connection
        self.redis = None    # as it was told last
        self.gaps = 0
        self.unsent = {}
        self.tag = secrets.token_hex(4)
        self.said = 0
        self.connection = None
        self.changed = asyncio.Condition()
        self.task = asyncio.create_task(self.run())

    async def run(self):
        wait = 0.05
        while True:
            try:
                self.connection = await asyncio.wait_for(websocket_connect(self.url), PATIENCE)
                welcomed = len(self.welcomes)
                last = self.ids[-1] if self.ids else ""
                await self.send({"type": "join", "room": self.room, "name": self.name, "last": last})
                while (words := await self.connection.read_message()) is not None:
                    await self.take(json.loads(words))
                self.ends.append((self.connection.close_code, self.connection.close_reason))
                if len(self.welcomes) > welcomed:
                    wait = 0.05
            except Exception as failure:  # refused, timed out, or an answer that is no WebSocket's
                self.ends.append((None, repr(failure)))
            self.connection = None
            async with self.changed:
                self.changed.notify_all()
            await asyncio.sleep(wait * (0.5 + 0.5 * random.random()))
            wait = min(wait * 2, 1)

    async def take(self, words):
        kind = words["type"]
        if kind == "welcome":
            self.welcomes.append(words)
            self.redis = words["redis"]
            for tag in list(self.unsent):
                await self.send_again(tag)
        elif kind == "message":
            self.heard.append((words["name"], words["text"]))
            self.ids.append(words["id"])
        elif kind == "redis":
            self.redis = words["up"]
        elif kind == "gap":
            self.gaps += 1
        elif kind == "sent":
            self.unsent.pop(words["tag"], None)
        elif kind == "failed":
            self.failures.append(words["why"])
            asyncio.get_running_loop().call_later(
                0.2, lambda: asyncio.ensure_future(self.send_again(words["tag"])))
        async with self.changed:
            self.changed.notify_all()

    async def send(self, words):
        await self.connection.write_message(json.dumps(words))

    async def send_again(self, tag):
        if self.connection and tag in self.unsent:
            try:
                await self.send({"type": "say", "tag": tag, "text": self.unsent[tag]})
            except WebSocketClosedError:
                pass  # when it is back

    async def say(self, text):
        self.said += 1
        tag = f"{self.tag}-{self.said}"
        self.unsent[tag] = text
        await self.send_again(tag)

    async def until(self, condition):
        """Waits until it is true of this client."""
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: condition(self)), PATIENCE)

    async def until_heard(self, *texts):
        await self.until(lambda self: [text for _, text in self.heard[-len(texts):]] == list(texts))

    @property
    def worker(self):
        return self.welcomes[-1]["worker"]

    async def close(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        connection, self.connection = self.connection, None
        if connection:
            connection.close()
            while await asyncio.wait_for(connection.read_message(), PATIENCE) is not None:
                pass


class Raw:
    """A connection to one worker, past HAProxy: PROXY header, HTTP and frames by hand."""

    def __init__(self, worker, receive_buffer=None, proxy=b"PROXY TCP4 127.0.0.1 127.0.0.1 1000 2000\r\n"):
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", worker.port))
        self.socket.sendall(proxy)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def get(self, path, *fields, method="GET"):
        """Status and body of an answer."""
        lines = [f"{method} {path} HTTP/1.1", "Host: chat", *fields, "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        return self.answer()

    def answer(self):
        head = self.until(b"\r\n\r\n").decode().split("\r\n")
        length = next((int(line.split(":")[1]) for line in head if line.lower().startswith("content-length:")), 0)
        return int(head[0].split()[1]), self.read(length)

    def upgrade(self, *fields):
        return self.get("/chat", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", *fields)[0]

    def join(self, name, room="lobby", last=""):
        assert self.upgrade() == 101
        self.say_json({"type": "join", "room": room, "name": name, "last": last})
        return self

    def say_json(self, words):
        self.send(1, json.dumps(words).encode())

    def send(self, opcode, payload, final=True, length=None):
        """A frame; `length` may claim more than there is."""
        self.socket.sendall(frame(opcode, payload, final, length))

    def receive(self):
        """(opcode, payload) of the next frame; None at the end."""
        try:
            first, second = self.read(2)
            length = second & 127
            if length == 126:
                length, = struct.unpack("!H", self.read(2))
            elif length == 127:
                length, = struct.unpack("!Q", self.read(8))
            return first & 15, self.read(length)
        except (EOFError, ConnectionResetError):
            return None

    def words(self):
        """The next message; what is none is passed over."""
        while (got := self.receive()) is not None:
            if got[0] == 1:
                return json.loads(got[1])
        return None

    def end(self):
        """Reads until the worker closes: its code and reason; None if it gives none."""
        while (got := self.receive()) is not None:
            if got[0] == 8:
                code, = struct.unpack("!H", got[1][:2])
                return code, got[1][2:].decode()
        return None

    def until(self, delimiter):
        while delimiter not in self.buffer:
            self.fill()
        data, self.buffer = self.buffer.split(delimiter, 1)
        return data

    def read(self, size):
        while len(self.buffer) < size:
            self.fill()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data


def frame(opcode, payload, final=True, length=None):
    """A client's frame, masked as it must be."""
    length = len(payload) if length is None else length
    head = bytes([opcode | (128 if final else 0)])
    if length < 126:
        head += bytes([128 | length])
    elif length < 65536:
        head += bytes([128 | 126]) + struct.pack("!H", length)
    else:
        head += bytes([128 | 127]) + struct.pack("!Q", length)
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
